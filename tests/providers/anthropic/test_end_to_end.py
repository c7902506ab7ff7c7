"""The gateway on real sockets in front of a model that speaks the Messages API, asked by the official OpenAI client."""

from pathlib import Path

import openai
import pytest
from pydantic import BaseModel

from tests.helpers.anthropic_wire import api_error, call, message, text, thinking
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Reply
from tests.providers.stand import BOTH_WAYS, TOOLS, before_claude


@BOTH_WAYS
def test_a_text_comes_with_its_usage(tmp_path: Path, streamed: bool) -> None:
    usage = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 40}
    with before_claude(tmp_path, message([text("Hello "), text("you")], usage=usage)) as at:
        response = at.ask(streamed=streamed, input="Hi", instructions="Be brief.")
        assert response["output"][0]["content"][0]["text"] == "Hello you"
        assert response["usage"]["input_tokens"] == 151
        assert response["usage"]["input_tokens_details"]["cached_tokens"] == 100
        assert response["usage"]["output_tokens"] == 7
        assert at.upstream.requests[0].path.endswith("/messages")
        assert at.upstream.requests[0].headers["x-api-key"] == "sk-upstream"
        assert at.sent[0]["system"] == "Be brief."


def test_the_official_client_reads_a_stream(tmp_path: Path) -> None:
    with before_claude(tmp_path, [thinking("Hm.", "Esig"), text("Hello")]) as at:
        with at.client.responses.stream(model=at.model, input="Hi", reasoning={"effort": "low"}) as events:
            response = events.get_final_response()
        assert response.output_text == "Hello"
        assert [item.type for item in response.output] == ["reasoning", "message"]


@BOTH_WAYS
def test_parallel_calls_and_their_results_make_one_turn(tmp_path: Path, streamed: bool) -> None:
    called = [text("Both."), call("toolu_1", "get_weather", city="Oslo"), call("toolu_2", "get_time")]
    with before_claude(tmp_path, called, [text("Rain at noon.")]) as at:
        first = at.ask(streamed=streamed, input="Weather and time?", tools=TOOLS)
        assert [item["type"] for item in first["output"]] == ["message", "function_call", "function_call"]
        results = [
            {"type": "function_call_output", "call_id": call_id, "output": "ok"} for call_id in ("toolu_2", "toolu_1")
        ]
        second = at.ask(streamed=streamed, input=results, previous_response_id=first["id"], tools=TOOLS)
        assert second["output"][0]["content"][0]["text"] == "Rain at noon."
        assert [entry["role"] for entry in at.sent[1]["messages"]] == ["user", "assistant", "user"]


@BOTH_WAYS
def test_an_answer_that_is_too_long_is_incomplete(tmp_path: Path, streamed: bool) -> None:
    with before_claude(tmp_path, message([text("Once upon")], stop="max_tokens")) as at:
        response = at.ask(streamed=streamed, input="Tell", max_output_tokens=16)
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response["output"][0]["status"] == "incomplete"


@BOTH_WAYS
def test_a_refusal_is_incomplete_and_says_why(tmp_path: Path, streamed: bool) -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "I cannot help with that."}
    with before_claude(tmp_path, message([], stop="refusal", stop_details=details)) as at:
        response = at.ask(streamed=streamed, input="Something bad")
        assert response["incomplete_details"] == {"reason": "content_filter"}
        assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot help with that."}]


class Person(BaseModel):
    name: str


@pytest.mark.parametrize("model", ["test/claude-opus-4-6", "test/claude-sonnet-4-0"])
def test_structure_is_had_from_models_of_all_ages(tmp_path: Path, model: str) -> None:
    answers = [text('{"name":"Ada"}')] if "4-6" in model else [call("toolu_1", "Person", name="Ada")]
    with before_claude(tmp_path, answers) as at:
        response = at.client.responses.parse(model=model, input="Who?", text_format=Person)
        assert response.output_parsed == Person(name="Ada")


@BOTH_WAYS
def test_an_overloaded_model_is_an_http_error(tmp_path: Path, streamed: bool) -> None:
    with before_claude(tmp_path, api_error(529, "overloaded_error", "Overloaded", **{"retry-after": "7"})) as at:
        answer = at.gateway.create(model=at.model, input="Hi", stream=streamed)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "7"


def test_a_failure_in_the_stream_is_a_failed_response(tmp_path: Path) -> None:
    frames = [
        b'data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hel"}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    ]
    reply = Reply(frames, headers={"content-type": "text/event-stream"}, framing="chunked")
    with before_claude(tmp_path, reply) as at:
        checked = check_stream(at.gateway.stream(model=at.model, input="Hi"), usage_optional=True)
        assert checked.response["status"] == "failed"
        assert checked.text == "Hel"


def test_a_wrong_key_is_not_the_clients_matter(tmp_path: Path) -> None:
    with before_claude(tmp_path, api_error(401, "authentication_error", "invalid x-api-key")) as at:
        with pytest.raises(openai.InternalServerError) as caught:
            at.client.responses.create(model=at.model, input="Hi")
        assert "sk-upstream" not in str(caught.value)
