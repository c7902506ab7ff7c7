"""What became of what was asked: told in the answer, told beforehand, or refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.edge.refusals import assert_refused
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Seen, ThreadedUpstream, answer_like

CONFIG = {
    "providers": {
        "strict": {"base_url": "http://127.0.0.1:1/v1", "strict": True, "api_key": "sk-secret", "models": ["s"]},
        "openai": {"api_key": "sk-secret", "models": ["gpt-5"]},
        "secret-path": {"base_url": "https://gpu.internal/account-7/key-8/v1"},
        "deployment": {
            "quirks": "azure",
            "base_url": "https://secret-name.example/openai/deployments/{model}?api-version=1",
            "api_key": "sk-secret",
        },
        "project": {
            "protocol": "gemini",
            "quirks": "gemini",
            "base_url": "https://generativelanguage.googleapis.com/projects/secret-7",
            "api_key": "sk-secret",
        },
    },
    "models": {
        "exact": {"target": "test/m", "strict": True},
        "priced": {"target": "test/m", "prices": {"input": 1000, "output": 1}},
    },
}
REPORT = ["antiphon.fidelity"]
TOP_K = {"where": "top_k", "kind": "dropped", "reason": "not_supported_by_upstream", "asked": "", "became": ""}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedUpstream]:
    def brain(request: Seen) -> Any:
        return answer_like(request, "Hi")

    with ThreadedUpstream(brain) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: ThreadedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data_dir: Path = tmp_path_factory.mktemp("fidelity")
    providers = {"test": {"base_url": upstream.url, "api_key": "sk-upstream"}, **CONFIG["providers"]}
    with Gateway(None, data_dir, config={**CONFIG, "providers": providers}) as running:
        yield running


def explain(gateway: Gateway, **body: object) -> Answer:
    return gateway.request("POST", "/v1/antiphon/explain", body={"model": "test/m", "input": "Hi", **body})


def test_the_report_stands_in_the_answer_that_asked_for_it(gateway: Gateway) -> None:
    answer = gateway.create(input="Hi", top_k=3, include=REPORT)
    assert check_response(answer.json)["antiphon"] == {"target": "test/m", "notices": [TOP_K]}
    assert answer.headers["x-antiphon-ignored"] == "top_k"
    assert "antiphon" not in gateway.create(input="Hi", top_k=3).json


def test_the_report_stands_in_the_last_event_of_a_stream_and_nowhere_before(gateway: Gateway) -> None:
    checked = check_stream(gateway.stream(input="Hi", top_k=3, include=REPORT))
    assert checked.response["antiphon"]["notices"] == [TOP_K]
    assert "antiphon" not in checked.events[0]["response"]


def test_the_report_of_a_stored_response_can_be_read_later(gateway: Gateway) -> None:
    report = {"target": "test/m", "notices": [TOP_K]}
    for asked in ([], REPORT):
        path = f"/v1/responses/{gateway.create(input='Hi', top_k=3, include=asked).json['id']}"
        assert gateway.request("GET", f"{path}?include=antiphon.fidelity").json["antiphon"] == report


def test_the_report_is_empty_where_nothing_was_lost(gateway: Gateway) -> None:
    assert gateway.create(input="Hi", include=REPORT).json["antiphon"] == {"target": "test/m", "notices": []}


def test_the_official_client_reads_an_answer_with_a_report(gateway: Gateway) -> None:
    include: Any = REPORT  # a value of ours, which its types do not have
    response = gateway.openai().responses.create(model="test/m", input="Hi", include=include)
    assert response.model_extra is not None
    assert response.model_extra["antiphon"]["target"] == "test/m"


def test_who_asks_for_the_report_is_not_told_to_the_upstream(upstream: ThreadedUpstream, gateway: Gateway) -> None:
    gateway.create(input="the one with a report", include=REPORT)
    (seen,) = [request for request in upstream.requests if b"the one with a report" in request.body]
    assert b"antiphon" not in seen.body


@pytest.mark.parametrize("model", ["exact", "s", "strict/other"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_strict_model_refuses_what_it_cannot_do_and_asks_nobody(
    upstream: ThreadedUpstream, gateway: Gateway, *, model: str, stream: bool
) -> None:
    before = len(upstream.requests)
    answer = gateway.create(model=model, input="Hi", top_k=3, min_p=0.1, stream=stream)
    assert_refused(answer, 400, "fidelity_refused", param="top_k")
    assert "'top_k'" in answer.json["error"]["message"]
    assert "'min_p'" in answer.json["error"]["message"]
    assert len(upstream.requests) == before


def test_a_strict_model_serves_what_it_can_do(gateway: Gateway) -> None:
    assert gateway.create(model="exact", input="Hi", temperature=0.5).status == 200


def test_strictness_holds_at_every_door(gateway: Gateway) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    chat = {"model": "exact", "messages": messages, "top_k": 3, "unheard_of": 1}
    assert gateway.request("POST", "/v1/messages", body={**chat, "max_tokens": 9}).status == 400


def test_an_explanation_tells_what_would_be_sent_and_sends_nothing(
    upstream: ThreadedUpstream, gateway: Gateway
) -> None:
    before = len(upstream.requests)
    told = explain(gateway, instructions="Be brief.", top_k=3, temperature=0.5, user="anna").json
    assert (told["target"], told["candidates"]) == ("test/m", [{"target": "test/m"}])
    assert (told["object"], told["model"], told["protocol"]) == ("antiphon.explanation", "test/m", "chat")
    assert told["upstream"]["body"]["temperature"] == 0.5
    assert [message["content"] for message in told["upstream"]["body"]["messages"]] == ["Be brief.", "Hi"]
    assert TOP_K in told["notices"]
    assert 3 <= told["estimated_input_tokens"] <= 20
    assert told["estimated_input_cost_micros"] is None
    assert len(upstream.requests) == before


def test_what_is_sent_is_what_was_explained(upstream: ThreadedUpstream, gateway: Gateway) -> None:
    body: Mapping[str, Any] = {
        "input": "as explained",
        "temperature": 0.25,
        "text": {"format": {"type": "json_object"}},
    }
    told = explain(gateway, **body).json
    gateway.create(**body)
    assert upstream.requests[-1].json == told["upstream"]["body"]


def test_an_explanation_knows_the_history(gateway: Gateway) -> None:
    first = gateway.create(input="My name is Alice.").json
    told = explain(gateway, input="What is it?", previous_response_id=first["id"]).json
    assert [message["content"] for message in told["upstream"]["body"]["messages"]] == [
        "My name is Alice.",
        "Hi",
        "What is it?",
    ]


def test_an_explanation_shows_public_addresses_alone_and_no_keys(gateway: Gateway) -> None:
    public = explain(gateway, model="gpt-5", safety_identifier="anna@example.com")
    assert public.json["upstream"]["url"] == "https://api.openai.com/v1/responses"
    assert b"sk-secret" not in public.body
    assert b"anna@example.com" not in public.body
    private = explain(gateway)
    assert private.json["upstream"]["url"] == "http://hidden.invalid/chat/completions"
    assert b"127.0.0.1" not in private.body
    assert b"sk-upstream" not in private.body


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("secret-path/m", "https://hidden.invalid/chat/completions"),
        ("deployment/m", "https://hidden.invalid/chat/completions"),
        ("project/m", "https://generativelanguage.googleapis.com/models/m:generateContent"),
    ],
)
def test_an_explanation_shows_nothing_of_a_base_url(gateway: Gateway, model: str, url: str) -> None:
    assert explain(gateway, model=model).json["upstream"]["url"] == url


@pytest.mark.parametrize("name", ["picture.png", "paper.pdf"])
def test_an_explanation_fetches_nothing(gateway: Gateway, name: str) -> None:
    url = f"https://example.com/{name}"
    part = (
        {"type": "input_file", "file_url": url} if name.endswith("pdf") else {"type": "input_image", "image_url": url}
    )
    told = explain(gateway, model="priced", input=[{"role": "user", "content": [part]}])
    if name.endswith("pdf"):  # this upstream takes no files
        assert_refused(told, 400, "unsupported_parameter", param="input[0].content[0].file_url")
    else:
        assert "data:image/png;base64," in str(told.json["upstream"]["body"])
        assert told.json["estimated_input_cost_micros"] == 1000 * told.json["estimated_input_tokens"]


def test_an_explanation_refuses_what_would_be_refused(gateway: Gateway) -> None:
    assert_refused(explain(gateway, model=""), 400, "invalid_value", param="model")
    assert_refused(explain(gateway, temperature="hot"), 400, "invalid_value", param="temperature")
    assert_refused(explain(gateway, model="exact", top_k=3), 400, "fidelity_refused", param="top_k")
    missing = "resp_" + "0" * 32
    refused = explain(gateway, previous_response_id=missing)
    assert_refused(refused, 400, "previous_response_not_found", param="previous_response_id")


def test_an_explanation_leaves_no_trace(gateway: Gateway) -> None:
    gateway.create(input="written")
    rows = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM responses)"
    before = gateway.sql(rows)
    assert explain(gateway).status == 200
    assert gateway.sql(rows) == before
