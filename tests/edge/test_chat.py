"""`/v1/chat/completions` over real sockets: answers, streams, several choices, failures, and what the gateway keeps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.edge.refusals import assert_refused
from tests.edge.wire import Wire
from tests.engine.stage import Model, Stage, open_stage
from tests.helpers.chat_requests import FUNCTION, HELLO
from tests.helpers.chat_stream import CheckedChat, check_chat_answer, check_chat_stream
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import check_response
from tests.helpers.upstream import (
    Gate,
    Reply,
    Seen,
    ThreadedUpstream,
    answer,
    chat_json,
    echo_brain,
    error,
    sse,
    stream,
    text_chunks,
    tool_brain,
)

Json = dict[str, Any]

PATH = "/v1/chat/completions"
EVENTS = {"content-type": "text/event-stream"}
TIGHT = {"server": {"heartbeat_s": 0.1, "early_status_s": 0.1}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("chat"), quirks=("openai", "mistral"), config=TIGHT) as opened:
        yield opened


def send(model: Model, **body: Any) -> Answer:
    return model.gateway.request("POST", PATH, body={"model": model.name, "messages": HELLO, **body}, key=model.key)


def ask(model: Model, **body: Any) -> Json:
    got = send(model, **body)
    assert got.status == 200, got.body
    return check_chat_answer(got.json)


def listen(model: Model, *, usage: bool = False, choices: int = 1, **body: Any) -> CheckedChat:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    n = {"n": choices} if choices > 1 else {}
    got = send(model, stream=True, **options, **n, **body)
    assert got.status == 200, got.body
    assert got.headers["content-type"].startswith("text/event-stream")
    return check_chat_stream(got.body, usage=usage, choices=choices)


def test_an_answer_in_one_piece_and_its_headers(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Paris.")))
    got = send(model)
    assert check_chat_answer(got.json)["choices"][0]["message"]["content"] == "Paris."
    assert got.json["model"] == model.name
    assert got.headers["x-actual-model"] == model.name
    assert got.headers["x-request-id"]


def test_the_version_may_be_left_out(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Paris.")))
    got = model.gateway.request("POST", "/chat/completions", body={"model": model.name, "messages": HELLO})
    assert check_chat_answer(got.json)


def test_a_stream_and_its_usage(stage: Stage) -> None:
    model = stage.model(stream(*text_chunks("Par", "is.")))
    checked = listen(model, usage=True)
    assert checked.message["content"] == "Paris."
    assert checked.answer["usage"]["total_tokens"] == 18
    assert "usage" not in listen(stage.model(stream(*text_chunks("Paris.")))).answer


def test_a_call_and_its_answer(stage: Stage) -> None:
    model = stage.model(tool_brain)
    for streamed in (False, True):
        called = (listen(model, tools=[FUNCTION]).answer if streamed else ask(model, tools=[FUNCTION]))["choices"][0]
        assert called["finish_reason"] == "tool_calls"
        (call,) = called["message"]["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "42"}
        told = ask(model, tools=[FUNCTION], messages=[*HELLO, called["message"], result])
        assert told["choices"][0]["message"]["content"] == "The tool said: 42"


def test_nothing_is_kept_unless_it_is_asked_for(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Paris.")))
    gone = ask(model)["id"].replace("chatcmpl-", "resp_")
    assert model.get(f"responses/{gone}").status == 404
    kept = ask(model, store=True, metadata={"a": "b"})["id"].replace("chatcmpl-", "resp_")
    response = check_response(model.get(f"responses/{kept}").json)
    assert response["metadata"] == {"a": "b"}
    assert model.get(f"responses/{kept}/input_items").json["data"][0]["content"][0]["text"] == "Hello"
    assert model.record(kept)["caller"]["front_door"] == "chat"
    assert [message["content"] for message in model.heard()] == ["Hello"]
    followed = model.ask("And Rome?", previous_response_id=kept)
    assert [message["content"] for message in model.heard()] == ["Hello", "Paris.", "And Rome?"]
    assert followed["previous_response_id"] == kept


def test_faults_are_told_in_the_words_of_this_api(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Paris.")))
    assert_refused(send(model, input="x"), 400, "unsupported_parameter", param="input")
    assert_refused(send(model, messages=[]), 400, "missing_required_parameter", param="messages")
    dangling = [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}]
    assert_refused(send(model, messages=[*HELLO, *dangling]), 400, "invalid_value", param="messages")
    orphan = [{"role": "tool", "tool_call_id": "x", "content": ""}]
    assert_refused(send(model, messages=[*HELLO, *orphan]), 400, "invalid_value", param="messages[1]")
    assert_refused(stage.gateway.request("POST", PATH, body=b"{"), 400, "invalid_json")
    assert_refused(stage.gateway.request("POST", PATH, body={}, key=None), 401, "missing_api_key")
    assert_refused(stage.gateway.request("GET", PATH), 405, "method_not_allowed")
    assert model.requests == []


def test_what_is_ignored_is_named_as_the_client_named_it(stage: Stage) -> None:
    got = send(stage.model(answer(chat_json()), provider="like-mistral"), verbosity="low", models=["x"])
    assert set(got.headers["x-antiphon-ignored"].split(",")) == {"verbosity", "models"}


def test_failures_before_the_status_are_http_errors(stage: Stage) -> None:
    for streamed in (False, True):
        got = send(stage.model(error(429, "Slow down.", headers={"retry-after": "7"})), stream=streamed)
        assert_refused(got, 429, "rate_limit_exceeded")
        assert got.headers["retry-after"] == "7"


def test_a_failure_in_the_middle_ends_the_stream_with_an_error(stage: Stage) -> None:
    cut = Reply([*sse(*text_chunks("Hel")[:2], done=False), "reset"], headers=EVENTS, framing="chunked")
    checked = listen(stage.model(cut))
    assert checked.error is not None
    assert checked.error["code"] == "upstream_reset"
    assert checked.message["content"] == "Hel"


def test_silence_is_filled_with_comments(stage: Stage) -> None:
    gate = Gate()
    reply = Reply([gate, *sse(*text_chunks("Hi"))], headers=EVENTS, framing="chunked")
    model = stage.model(reply)
    body = msgspec.json.encode({"model": model.name, "messages": HELLO, "stream": True})
    with Wire(stage.gateway) as wire:
        response = post(wire, stage.gateway, body).response()
        seen = response.read(len(b": keep-alive\n\n"))
        gate.open()
        assert seen == b": keep-alive\n\n"
        assert check_chat_stream(seen + response.read()).message["content"] == "Hi"


def post(wire: Wire, gateway: Gateway, body: bytes) -> Wire:
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\ncontent-type: application/json"
    return wire.send(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)


class Numbered:
    """A model that answers each request with another number, streamed or not, and fails on demand, for good."""

    def __init__(self, *, fails: int | None = None, broken: Reply | None = None) -> None:
        self.count = 0
        self._fails = fails
        self._broken = broken

    def __call__(self, request: Seen) -> Reply:
        number = self.count
        self.count += 1
        if self._broken is not None and self._fails is not None and number >= self._fails:
            return self._broken
        text = f"answer {number}"
        return stream(*text_chunks(*text)) if request.wants_stream else answer(chat_json(text))


def test_several_choices_are_as_many_runs(stage: Stage) -> None:
    model = stage.model(Numbered())
    whole = ask(model, n=3)
    assert sorted(choice["message"]["content"] for choice in whole["choices"]) == ["answer 0", "answer 1", "answer 2"]
    assert whole["usage"]["total_tokens"] == 3 * 18
    assert [run.status for run in model.runs()] == ["completed"] * 3
    assert all("n" not in request.json for request in model.requests)


def test_several_choices_are_interleaved(stage: Stage) -> None:
    model = stage.model(Numbered())
    checked = listen(model, choices=3, usage=True)
    told = [choice["message"]["content"] for choice in checked.answer["choices"]]
    assert sorted(told) == ["answer 0", "answer 1", "answer 2"]
    assert checked.answer["usage"]["total_tokens"] == 3 * 18
    assert len({chunk["id"] for chunk in checked.chunks}) == 1


def test_if_one_choice_fails_all_do(stage: Stage) -> None:
    model = stage.model(Numbered(fails=1, broken=error(503, "Overloaded.")))
    assert_refused(send(model, n=2), 503, "upstream_overloaded")
    model = stage.model(Numbered(fails=1, broken=error(503, "Overloaded.")))
    assert_refused_or_ended(send(model, n=2, stream=True))


def assert_refused_or_ended(got: Answer) -> None:
    """Which of the two depends on who was first: the failure, or the other choice's first words."""
    if got.status == 200:
        checked = check_chat_stream(got.body, choices=2)
        assert checked.error is not None
        assert checked.error["code"] == "upstream_overloaded"
    else:
        assert_refused(got, 503, "upstream_overloaded")


def test_a_choice_that_breaks_ends_the_others(stage: Stage) -> None:
    spoken = sse(*text_chunks("Hel")[:2], done=False)
    model = stage.model(
        [
            Reply([*spoken, "stall"], headers=EVENTS, framing="chunked"),
            Reply([*spoken, "reset"], headers=EVENTS, framing="chunked"),
        ]
    )
    checked = listen(model, choices=2)
    assert checked.error is not None
    assert checked.error["code"] == "upstream_reset"
    assert sorted(run.status for run in model.runs()) == ["cancelled", "failed"]


def test_who_leaves_ends_all_choices(tmp_path: Path) -> None:
    spoken = sse(*text_chunks("Hel")[:2], done=False)
    reply = Reply([*spoken, "stall"], headers=EVENTS, framing="chunked")
    with open_stage(tmp_path) as stage:
        model = stage.model(reply)
        body = msgspec.json.encode({"model": model.name, "messages": HELLO, "stream": True, "n": 2, "store": True})
        with Wire(stage.gateway) as wire:
            post(wire, stage.gateway, body)
            seen = b""
            while seen.count(b'"Hel"') < 2:
                seen += wire.socket.recv(65536)
        stage.gateway.stop()
        assert stage.gateway.sql("SELECT status FROM runs") == [("cancelled",)] * 2


def test_models_of_the_other_endpoint_are_refused_by_name(stage: Stage) -> None:
    for name in ("test/gpt-5-pro", "test/gpt-5-mini-2025-08-07", "like-openai/openai/o1-pro"):
        got = stage.gateway.request("POST", PATH, body={"model": name, "messages": HELLO})
        assert "POST /v1/responses" in assert_refused(got, 400, "unsupported_endpoint", param="model")
        both = {"model": name, "messages": HELLO, "n": 2}
        assert_refused(stage.gateway.request("POST", PATH, body=both), 400, "unsupported_endpoint", param="model")


def test_a_name_that_stands_for_models_of_the_other_endpoint_too_is_served_by_the_rest(tmp_path: Path) -> None:
    models = {
        "mixed": {"targets": ["test/gpt-5-pro", "test/a"]},
        "both": {"targets": ["test/gpt-5-pro", "test/o1-pro"]},
    }
    with (
        ThreadedUpstream(echo_brain) as upstream,
        Gateway(upstream.url, tmp_path, config={"models": models}) as gateway,
    ):

        def chat(name: str) -> Answer:
            return gateway.request("POST", PATH, body={"model": name, "messages": HELLO})

        served = chat("mixed")
        assert (served.status, served.headers["x-actual-model"]) == (200, "test/a")
        assert gateway.create(model="mixed", input="Hi").headers["x-actual-model"] == "test/gpt-5-pro"
        assert_refused(chat("both"), 400, "unsupported_endpoint", param="model")
        ways = {name: gateway.request("GET", f"/v1/models/{name}").json["endpoints"] for name in models}
        assert PATH in ways["mixed"]
        assert PATH not in ways["both"]


def test_the_refusal_of_models_is_a_setting(tmp_path: Path) -> None:
    config = {"endpoints": {"responses_only": "bridge"}}
    with open_stage(tmp_path, config=config) as stage:
        assert ask(stage.model(echo_brain, name="gpt-5-pro"))["choices"]


def test_all_runs_of_an_answer_are_counted(tmp_path: Path) -> None:
    with open_stage(tmp_path) as stage:
        ask(stage.model(Numbered()), n=3)
        metrics = stage.gateway.request("GET", "/metrics").body.decode()
        assert 'antiphon_runs_total{provider="test",status="completed"} 3.0' in metrics


FINGERPRINT: Json = {"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}
TALK: Json = {"index": 0, "logprobs": None, "finish_reason": None}
CALL: Json = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
ENTRY: Json = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
COUNTED: Json = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 1},
}


def native(*choices: Json, **more: Any) -> Json:
    head = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-4o-2024-08-06"}
    return {**head, **FINGERPRINT, "choices": list(choices), "usage": None, **more}


def without_identity(chunk: Json) -> Json:
    return {key: value for key, value in chunk.items() if key not in ("id", "created", "model")}


@pytest.mark.parametrize(
    "choices",
    [
        [
            {**TALK, "delta": {"role": "assistant", "content": "", "refusal": None}},
            {**TALK, "delta": {"content": "Hi"}, "logprobs": {"content": [ENTRY], "refusal": None}},
            {**TALK, "delta": {"content": "!"}},
            {**TALK, "delta": {}, "finish_reason": "stop", "content_filter_results": {"hate": {"filtered": False}}},
        ],
        [
            {**TALK, "delta": {"role": "assistant", "content": None, "refusal": None}},
            {**TALK, "delta": {"tool_calls": [CALL]}},
            {**TALK, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}},
            {**TALK, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}},
            {**TALK, "delta": {}, "finish_reason": "tool_calls"},
        ],
        [
            {**TALK, "delta": {"role": "assistant", "content": "", "refusal": None}},
            {**TALK, "delta": {"refusal": "No."}},
            {**TALK, "delta": {}, "finish_reason": "stop"},
        ],
    ],
    ids=["text", "call", "refusal"],
)
def test_before_an_upstream_of_this_dialect_nothing_is_lost(stage: Stage, choices: list[Json]) -> None:
    """Its stream is the client's stream, and the client's request its request, but for ids and the model's name."""
    chunks = [native(choice) for choice in choices]
    chunks = [*chunks, native(usage=COUNTED)]
    model = stage.model(stream(*chunks), provider="like-openai", name="gpt-4o")
    asked: Json = {
        "messages": [{"role": "user", "name": "bob", "content": [{"type": "text", "text": "Hello"}]}],
        "tools": [FUNCTION],
        "logprobs": True,
        "temperature": 0,
        "max_tokens": 5,
        "zzz": [1.5],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    got = send(model, **asked)
    checked = check_chat_stream(got.body, usage=True)
    assert [without_identity(chunk) for chunk in checked.chunks] == [without_identity(chunk) for chunk in chunks]
    assert without_identity(model.requests[0].json) == asked
    assert "x-antiphon-ignored" not in got.headers


def test_before_an_upstream_of_this_dialect_a_whole_answer_is_the_same(stage: Stage) -> None:
    message: Json = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": [], "audio": None}
    choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    told = {**native(choice, usage=COUNTED), "object": "chat.completion", "provider": "acme"}
    model = stage.model(answer(told), provider="like-openai", name="gpt-4o")
    assert without_identity(ask(model)) == without_identity(told)
