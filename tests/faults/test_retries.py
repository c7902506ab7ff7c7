"""Trying again and elsewhere, over real sockets: through every door, before every dialect, with the official clients."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from tests.edge.refusals import assert_refused
from tests.edge.wire import Wire, request_of
from tests.faults.doors import AT_ONCE, DOORS, ask, both, doors, here, silent
from tests.helpers import anthropic_wire, gemini_wire, responses_wire
from tests.helpers.gateway import Gateway, add_key
from tests.helpers.messages_client import messages_client
from tests.helpers.pair import Pair, open_pair
from tests.helpers.upstream import (
    Brain,
    Reply,
    Seen,
    ThreadedUpstream,
    answer,
    answer_like,
    error,
    stream,
)

AT_ONCE_S = 1.0
Says = Callable[[str], Brain]
DIALECTS: Mapping[str, Says] = {
    "chat": lambda text: lambda seen: answer_like(seen, text),
    "responses": lambda text: lambda seen: responses_wire.reply(seen, [responses_wire.message(text)]),
    "anthropic": lambda text: anthropic_wire.Claude([[anthropic_wire.text(text)]]),
    "gemini": lambda text: gemini_wire.Gemini([[gemini_wire.text(text)]]),
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with open_pair(tmp_path_factory.mktemp("pair"), retries=AT_ONCE) as opened:
        yield opened


def busy() -> Reply:
    return error(503, "Busy.")


@pytest.fixture(scope="module", params=DIALECTS)
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, str]]:
    """The second provider speaks that dialect."""
    folder = tmp_path_factory.mktemp(request.param)
    with open_pair(folder, second={"protocol": request.param}, retries=AT_ONCE) as opened:
        yield opened, request.param


@both
@doors
def test_another_dialect_goes_on_where_the_first_failed(mixed: tuple[Pair, str], door: str, streamed: bool) -> None:
    pair, dialect = mixed
    pair.script(busy(), DIALECTS[dialect]("Here I am."))
    got = ask(pair, door, stream=streamed)
    assert got.status == 200, got.body
    assert b"Here" in got.body
    assert (got.headers["x-fallback-used"], got.headers["x-actual-model"]) == ("true", f"two/{pair.model}")
    assert got.headers["x-fallback-from"] == pair.model
    assert pair.asked == [1, 1]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both speak Anthropic's own dialect."""
    folder = tmp_path_factory.mktemp("native")
    with open_pair(folder, both={"protocol": "anthropic", "stream": "always"}, retries=AT_ONCE) as opened:
        yield opened


@both
@doors
def test_what_a_failed_answer_said_before_its_output_is_not_told(native: Pair, door: str, streamed: bool) -> None:
    """Anthropic's own door hands its frames on as they are: those of an attempt that failed must not be among them."""
    head = {
        "type": "message_start",
        "message": {**anthropic_wire.message([]), "id": "msg_gone", "model": "gone", "content": []},
    }
    frames = [
        b"event: message_start\ndata: " + msgspec.json.encode(head) + b"\n\n",
        b'event: ping\ndata: {"type":"ping"}\n\n',
    ]
    cut = Reply([*frames, "reset"], headers={"content-type": "text/event-stream"}, framing="chunked")
    native.script(cut, DIALECTS["anthropic"]("Here I am."))
    got = ask(native, door, stream=streamed)
    assert got.status == 200, got.body
    assert native.asked == [2, 1]
    assert b"Here" in got.body
    assert b"gone" not in got.body
    assert got.body.count(b'"message_start"') == (1 if door == "messages" and streamed else 0)


@both
@doors
@pytest.mark.parametrize(
    "fault",
    [
        error(500, "Boom."),
        Reply([b"<html></html>"], headers={"content-type": "text/html"}),
        Reply(["reset"], framing="raw"),
        answer({"error": {"message": "Boom.", "code": 500}}),
        stream("reset", done=False),
    ],
    ids=["500", "html", "reset", "error in 200", "cut"],
)
def test_u6_u11_u13_a_failure_that_passes_is_not_seen_by_the_client(
    pair: Pair, door: str, fault: Reply, streamed: bool
) -> None:
    first = iter([fault])
    pair.script(lambda seen: next(first, None) or here(seen), error(500, "Not asked."))
    got = ask(pair, door, stream=streamed)
    assert got.status == 200, got.body
    assert b"Here." in got.body
    assert pair.asked == [2, 0]
    assert "x-fallback-used" not in got.headers


@both
@doors
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (error(429, "Slow down."), "rate_limit_exceeded"),
        (error(529, "Busy."), "upstream_overloaded"),
        (error(404, "Not here."), "model_not_found"),
        (error(408, "Slow."), "upstream_timeout"),
    ],
)
def test_u5_u7_u10_what_another_can_do_goes_there_at_once(
    pair: Pair, door: str, fault: Reply, code: str, streamed: bool
) -> None:
    pair.script(fault, here)
    got = ask(pair, door, stream=streamed)
    assert got.status == 200, got.body
    assert pair.asked == [1, 1]
    assert got.headers["x-fallback-reason"] == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [(error(402, "No money."), "upstream_quota"), (error(401, "Wrong key."), "upstream_credential_error")],
)
def test_u5a_u9_what_another_key_can_do_goes_there_at_once(tmp_path: Path, fault: Reply, code: str) -> None:
    with open_pair(tmp_path) as pair:
        pair.script(fault, here)
        for asked, door in enumerate(DOORS, 1):
            got = ask(pair, door, stream=door == "messages")
            assert got.status == 200, got.body
            assert pair.asked == [1, asked], "the key rests"
            assert got.headers.get("x-fallback-reason") == (code if asked == 1 else None)


@both
@doors
def test_fallback_models_are_tried_in_their_order(pair: Pair, door: str, streamed: bool) -> None:
    pair.script(busy(), busy())
    name = pair.model.removeprefix("m-")
    names = [f"two/x-{name}", f"one/y-{name}", f"two/z-{name}"]

    def second(seen: Seen) -> Reply:
        return here(seen) if seen.json["model"].startswith("z-") else busy()

    pair.script(busy(), second)
    got = ask(pair, door, stream=streamed, model=f"one/{pair.model}", fallback_models=names)
    assert got.status == 200, got.body
    assert got.headers["x-actual-model"] == names[-1]
    assert got.headers["x-fallback-from"] == f"one/{pair.model}"
    asked = [request.json["model"].partition("-")[0] for which in (0, 1) for request in pair.heard(which)]
    assert asked == ["m", "y", "x", "z"]
    for which in (0, 1):
        for request in pair.heard(which):
            assert not [field for field in request.json if field.startswith("fallback")]


@doors
def test_five_models_get_an_attempt_each(pair: Pair, door: str) -> None:
    pair.script(busy(), busy())
    names = [f"two/{letter}-{pair.model}" for letter in "abcde"]
    assert ask(pair, door, model=f"one/{pair.model}", fallback_models=names).status in (503, 529)
    assert pair.asked == [1, 5]


@both
@doors
def test_without_fallback_only_the_first_place_is_asked(pair: Pair, door: str, streamed: bool) -> None:
    pair.script(error(404, "Not here."), here)
    assert ask(pair, door, stream=streamed, fallback_enabled=False).status == 404
    assert pair.asked == [1, 0]
    pair.script(error(404, "Not here."), here)
    names = [f"two/{pair.model}"]
    assert ask(pair, door, fallback_enabled=False, fallback_models=names, model=f"one/{pair.model}").status == 404
    assert pair.asked == [1, 0]


@doors
def test_a_key_must_be_allowed_every_model_that_the_request_names(pair: Pair, door: str) -> None:
    pair.script(here, here)
    key = add_key(pair.gateway.settings.database_url, name=f"only-{door}", models=("m-*", "two/allowed"))
    got = ask(pair, door, key=key, fallback_models=["two/allowed", "two/other"])
    assert got.status == 403
    if door != "messages":
        assert_refused(got, 403, "model_access_denied", param="fallback_models")
    assert pair.asked == [0, 0]
    assert ask(pair, door, key=key, fallback_models=["two/allowed"]).status == 200


def test_a_key_must_be_allowed_what_the_body_names_to_its_provider(tmp_path: Path) -> None:
    with open_pair(tmp_path, both={"protocol": "anthropic"}) as pair:
        pair.script(DIALECTS["anthropic"]("Here."), DIALECTS["anthropic"]("Here."))
        key = add_key(pair.gateway.settings.database_url, name="only", models=("one/m-*", "one/claude-small"))
        asked = {"key": key, "model": f"one/{pair.model}"}
        got = ask(pair, "messages", **asked, fallbacks=[{"model": "claude-large"}])
        assert (got.status, got.json["error"]["type"]) == (403, "permission_error")
        assert pair.asked == [0, 0]
        got = ask(pair, "messages", **asked, fallbacks=[{"model": "claude-small"}])
        assert got.status == 200, got.body
        assert pair.heard(0)[0].json["fallbacks"] == [{"model": "claude-small"}]


@doors
def test_a_fallback_model_that_does_not_exist_is_told(pair: Pair, door: str) -> None:
    pair.script(here, here)
    got = ask(pair, door, fallback_models=["nobody-has-this"])
    assert got.status == 404, got.body
    assert pair.asked == [0, 0]


def spared(gateway: Gateway) -> int:
    """How many places have asked for a pause so far."""
    lines = gateway.request("GET", "/metrics").body.decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("antiphon_spared_targets{"))


def test_a_client_that_leaves_during_the_wait_ends_it_at_once(tmp_path: Path) -> None:
    limit = error(429, "Slow down.", headers={"retry-after": "5"})
    with ThreadedUpstream(limit) as up, Gateway(up.url, tmp_path, config={"retries": {"attempts": 3}}) as gateway:
        for streamed in (False, True):
            model = f"test/{'stream' if streamed else 'json'}"
            with Wire(gateway) as wire:
                wire.send(request_of(gateway, model=model, stream=streamed))
                while spared(gateway) <= streamed:
                    pass
                began = time.monotonic()
            while not (rows := gateway.sql(f"SELECT hex(id), status FROM runs WHERE model = '{model}'")):  # noqa: S608 - a name of ours
                assert time.monotonic() - began < 2 * AT_ONCE_S
            assert rows[0][1] == "cancelled"
            record = gateway.request("GET", f"/v1/antiphon/runs/resp_{rows[0][0].lower()}").json
            (attempt,) = record["attempts"]
            assert (attempt["outcome"], attempt["decision"]) == ("rate_limit_exceeded", "stop_client_gone")


def test_a_shutdown_does_not_wait_for_a_repeat(tmp_path: Path) -> None:
    limit = error(429, "Slow down.", headers={"retry-after": "5"})
    config = {"server": {"port": 0, "access_log": False, "drain_s": 0.1}, "retries": {"attempts": 3}}
    with ThreadedUpstream(limit) as up, Gateway(up.url, tmp_path, config=config) as gateway, Wire(gateway) as wire:
        wire.send(request_of(gateway))
        up.received(1)
        gateway.begin_stop()
        began = time.monotonic()
        assert wire.answer().status == 503
        assert time.monotonic() - began < 3 * AT_ONCE_S


def test_openais_client_sees_who_answers(pair: Pair) -> None:
    with pair.gateway.openai() as client:
        pair.script(busy(), here)
        got = client.responses.with_raw_response.create(model=pair.model, input="Hi", store=False)
        assert got.parse().output_text == "Here."
        assert got.headers["x-fallback-used"] == "true"
        pair.script(busy(), here)
        with client.responses.with_streaming_response.create(model=pair.model, input="Hi", stream=True) as streaming:
            assert streaming.headers["x-fallback-reason"] == "upstream_overloaded"
            kinds = [event.type for event in streaming.parse()]
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        pair.script(busy(), here)
        chat = client.chat.completions.with_raw_response.create(
            model=f"one/{pair.model}",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"fallback_models": [f"two/{pair.model}"]},
        )
        assert chat.parse().choices[0].message.content == "Here."
        assert chat.headers["x-actual-model"] == f"two/{pair.model}"


def test_anthropics_client_sees_who_answers(pair: Pair) -> None:
    with messages_client(pair.gateway) as client:
        pair.script(busy(), here)
        got = client.messages.with_raw_response.create(
            model=pair.model, max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
        )
        assert got.headers["x-fallback-used"] == "true"
        pair.script(busy(), here)
        with client.messages.stream(
            model=pair.model, max_tokens=64, messages=[{"role": "user", "content": "Hi"}]
        ) as streaming:
            assert streaming.response.headers["x-fallback-reason"] == "upstream_overloaded"
            assert streaming.get_final_text() == "Here."


def test_a_continued_conversation_loses_nothing_by_going_elsewhere(pair: Pair) -> None:
    pair.script(lambda seen: answer_like(seen, "Hello Ada."), error(500, "Not asked."))
    first = ask(pair, "responses", input="I am Ada.", store=True).json
    model = pair.model
    pair.script(error(404, "Gone."), here)
    got = ask(pair, "responses", model=model, input="Who am I?", previous_response_id=first["id"], store=True)
    assert got.status == 200, got.body
    said = [message["content"] for message in pair.heard(1)[0].json["messages"]]
    assert said == ["I am Ada.", "Hello Ada.", "Who am I?"]
    third = ask(pair, "responses", model=model, input="Sure?", previous_response_id=got.json["id"])
    assert third.headers["x-actual-model"] == f"two/{model}"


@both
def test_choices_of_one_chat_each_find_their_way(pair: Pair, streamed: bool) -> None:
    pair.script(busy(), here)
    got = ask(pair, "chat/completions", n=3, stream=streamed)
    assert got.status == 200, got.body
    assert got.body.count(b"Here.") == 3
    assert got.headers["x-actual-model"] == f"two/{pair.model}"


def test_embeddings_are_made_elsewhere(pair: Pair) -> None:
    made = answer({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]})
    pair.script(busy(), made)
    body = {"model": pair.model, "input": "Hi"}
    got = pair.gateway.request("POST", "/v1/embeddings", body=body)
    assert got.status == 200, got.body
    assert got.headers["x-actual-model"] == f"two/{pair.model}"
    assert got.headers["x-fallback-reason"] == "upstream_overloaded"
    pair.script([error(500, "Boom."), made], error(500, "Not asked."))
    assert pair.gateway.request("POST", "/v1/embeddings", body={**body, "model": pair.model}).status == 200
    assert pair.asked == [2, 0]
    pair.script(silent(), made)
    got = pair.gateway.request("POST", "/v1/embeddings", body={**body, "model": pair.model, "fallback_timeout": 100})
    assert got.headers["x-fallback-reason"] == "upstream_timeout"
    pair.script(busy(), busy())
    got = pair.gateway.request("POST", "/v1/embeddings", body={**body, "model": pair.model})
    assert_refused(got, 503, "upstream_overloaded")


def test_a_request_with_tools_that_act_is_not_repeated_when_it_may_have_acted(tmp_path: Path) -> None:
    native = {"protocol": "responses", "quirks": "openai"}
    with open_pair(tmp_path, both=native, retries=AT_ONCE) as pair:
        tools = [{"type": "code_interpreter", "container": {"type": "auto"}}]
        pair.script(error(500, "Boom."), here)
        assert ask(pair, "responses", tools=tools).status == 502
        assert pair.asked == [1, 0]
        pair.script(busy(), DIALECTS["responses"]("Here."))
        assert ask(pair, "responses", tools=tools).status == 200
        assert pair.asked == [1, 1]
