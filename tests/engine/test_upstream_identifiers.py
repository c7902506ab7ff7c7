"""What a client calls its users and caches reaches a provider only hashed, and per tenant: the account is shared."""

from tests.engine.stage import Stage
from tests.helpers.upstream import answer, chat_json

NAMES = {"prompt_cache_key": "my-cache", "safety_identifier": "alice@example.com", "user": "alice@example.com"}


def test_identifiers_are_hashed_towards_the_provider(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")), provider="like-openai")
    response = model.ask(**NAMES)
    assert {name: response[name] for name in NAMES} == NAMES, "the client gets back its own words"
    sent = model.requests[0].json
    for name, value in NAMES.items():
        assert sent[name] != value
        assert len(sent[name]) == 32
    assert b"alice" not in model.requests[0].body


def test_the_same_identifier_is_the_same_for_one_tenant_and_another_for_another(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")), provider="like-openai")
    stranger = model.as_tenant("identifiers-stranger")
    for who in (model, model, stranger):
        who.ask(prompt_cache_key="my-cache")
    mine, again, foreign = (request.json["prompt_cache_key"] for request in model.requests)
    assert mine == again
    assert mine != foreign


def test_nothing_of_the_client_but_its_words_goes_upstream(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    first = model.ask("One", metadata={"ticket": "secret-42"}, **NAMES)
    got = model.gateway.request(
        "POST",
        "/v1/responses",
        body={"model": model.name, "input": "Two", "previous_response_id": first["id"]},
        headers={"x-secret": "header-secret", "cookie": "session-secret"},
    )
    assert got.status == 200
    for request in model.requests:
        everything = request.body + repr(request.headers).encode()
        for secret in (
            b"secret-42",
            b"header-secret",
            b"session-secret",
            b"resp_",
            b"msg_",
            model.gateway.key.encode(),
        ):
            assert secret not in everything
        assert request.headers["authorization"] == "Bearer sk-upstream"
