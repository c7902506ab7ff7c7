"""The gateway on real sockets in front of a model that speaks generateContent, asked by the official OpenAI client."""

from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.helpers.gemini_wire import api_error, call, candidate, text
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Reply
from tests.providers.stand import BOTH_WAYS, TOOLS, before_gemini


@BOTH_WAYS
def test_a_text_comes_with_its_usage(tmp_path: Path, streamed: bool) -> None:
    usage = {"thoughtsTokenCount": 30, "cachedContentTokenCount": 4, "toolUsePromptTokenCount": 5}
    with before_gemini(tmp_path, candidate([text("Hello you", signature="c2ln")], usage=usage)) as at:
        response = at.ask(streamed=streamed, input="Hi", instructions="Be brief.")
        assert response["output"][0]["content"][0]["text"] == "Hello you"
        assert response["usage"]["input_tokens"] == 16
        assert response["usage"]["input_tokens_details"]["cached_tokens"] == 4
        assert response["usage"]["output_tokens"] == 37
        assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == 30
        method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
        assert at.upstream.requests[0].path == f"/v1beta/models/gemini-3-pro:{method}"
        assert at.upstream.requests[0].headers["x-goog-api-key"] == "AIza-upstream"
        assert at.sent[0]["systemInstruction"]["parts"] == [{"text": "Be brief."}]


@BOTH_WAYS
@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]], ids=["plain", "sealed"])
def test_an_answer_that_is_interrupted_goes_on(tmp_path: Path, streamed: bool, include: list[str]) -> None:
    begun = candidate([text("It "), text("rains", signature="c2ln")], finish="CONTINUATION")
    with before_gemini(tmp_path, begun, [text(" in Oslo.")]) as at:
        at.model = "test/gemini-3.8-flash"
        response = at.ask(streamed=streamed, input="Rain?", include=include)
        said = "".join(part["text"] for item in response["output"] for part in item.get("content", ()))
        assert (response["status"], said) == ("completed", "It rains in Oslo.")
        model, after = at.sent[1]["contents"][1:]
        assert (model["role"], after["parts"]) == ("model", [{"text": "Continue."}])
        assert "".join(part["text"] for part in model["parts"]) == "It rains"
        assert model["parts"][-1]["thoughtSignature"] == "c2ln"


def test_the_official_client_reads_a_stream(tmp_path: Path) -> None:
    with before_gemini(tmp_path, [text("Hm.", thought=True), text("Hello")]) as at:
        with at.client.responses.stream(model=at.model, input="Hi", reasoning={"effort": "low"}) as events:
            response = events.get_final_response()
        assert response.output_text == "Hello"
        assert [item.type for item in response.output] == ["reasoning", "message"]


@BOTH_WAYS
@pytest.mark.parametrize("ids", [("", ""), ("fn1", "fn2")], ids=["made-ids", "own-ids"])
def test_parallel_calls_and_their_results_make_one_turn(tmp_path: Path, streamed: bool, ids: tuple[str, str]) -> None:
    called = [
        text("Both."),
        call("get_weather", signature="c2ln", call_id=ids[0], city="Oslo"),
        call("get_time", call_id=ids[1]),
    ]
    with before_gemini(tmp_path, called, [text("Rain at noon.")]) as at:
        first = at.ask(streamed=streamed, input="Weather and time?", tools=TOOLS)
        assert [item["type"] for item in first["output"]] == ["message", "function_call", "function_call"]
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}
            for item in reversed(first["output"][1:])
        ]
        second = at.ask(streamed=streamed, input=results, previous_response_id=first["id"], tools=TOOLS)
        assert second["output"][0]["content"][0]["text"] == "Rain at noon."
        assert [entry["role"] for entry in at.sent[1]["contents"]] == ["user", "model", "user"]


@BOTH_WAYS
@pytest.mark.parametrize("stored", [False, True], ids=["stateless", "stored"])
def test_signatures_survive_three_turns(tmp_path: Path, streamed: bool, stored: bool) -> None:
    """Parallel calls: the first alone has one. Sequential calls: each. A text: at its end, or in an empty part."""
    turns = [
        [text("Weather first.", thought=True), call("get_weather", signature="c2lnMQ=="), call("get_time")],
        [call("get_time", signature="c2lnMg==")],
        [text("Rain."), text("", signature="c2lnMw==")],
        [text("Sure.", signature="c2lnNA==")],
    ]
    with before_gemini(tmp_path, *turns) as at:
        at.converse((2, 1, 0, 0), streamed=streamed, stored=stored)
        replayed = [
            [part.get("thoughtSignature") for part in entry["parts"]]
            for entry in at.sent[3]["contents"]
            if entry["role"] == "model"
        ]
        assert replayed[:2] == [["c2lnMQ==", None], ["c2lnMg=="]]
        assert replayed[2] == [None, "c2lnMw=="]


@BOTH_WAYS
def test_a_signature_on_text_travels_with_a_client_that_asks_for_seals(tmp_path: Path, streamed: bool) -> None:
    """Behind its message, in a thought without words, which goes nowhere else."""
    turns = [
        [text("First. "), text("Then", signature="c2lnMQ=="), call("get_weather", signature="c2lnMg==")],
        [text("Rain."), text("", signature="c2lnMw==")],
        [text("Sure.")],
    ]
    fields: dict[str, Any] = {"tools": TOOLS, "store": False, "include": ["reasoning.encrypted_content"]}
    with before_gemini(tmp_path, *turns) as at:
        items: list[Any] = [{"role": "user", "content": "Weather?"}]
        first = at.ask(streamed=streamed, input=items, **fields)["output"]
        assert [item["type"] for item in first] == ["message", "reasoning", "function_call"]
        assert not first[1]["summary"]
        items += [*first, {"type": "function_call_output", "call_id": first[2]["call_id"], "output": "ok"}]
        second = at.ask(streamed=streamed, input=items, **fields)["output"]
        assert [item["type"] for item in second] == ["message", "reasoning"]
        items += [*second, {"role": "user", "content": "Sure?"}]
        third = at.ask(streamed=streamed, input=items, **fields)
        assert [item["type"] for item in third["output"]] == ["message"]
        begun, called = at.sent[2]["contents"][1]["parts"][:2], at.sent[2]["contents"][1]["parts"][2]
        assert "".join(part["text"] for part in begun) == "First. Then"
        assert [part.get("thoughtSignature") for part in begun] == [None, "c2lnMQ=="]
        assert called["thoughtSignature"] == "c2lnMg=="
        assert at.sent[2]["contents"][3]["parts"] == [{"text": "Rain."}, {"text": "", "thoughtSignature": "c2lnMw=="}]


@BOTH_WAYS
def test_a_signature_on_text_is_not_shown_unasked(tmp_path: Path, streamed: bool) -> None:
    with before_gemini(tmp_path, [text("Rain.", signature="c2ln")], [text("Rain.", signature="c2ln")]) as at:
        plain = at.ask(streamed=streamed, input="Weather?", store=False)
        assert [item["type"] for item in plain["output"]] == ["message"]
        asked = {"model": at.model, "max_tokens": 99, "messages": [{"role": "user", "content": "Weather?"}]}
        said = at.gateway.request("POST", "/v1/messages", body=asked).json
        assert [block["type"] for block in said["content"]] == ["text"]


@BOTH_WAYS
def test_a_signature_on_text_does_not_come_with_a_call_that_comes_back_alone(tmp_path: Path, streamed: bool) -> None:
    """What is kept for the call are the thoughts that led to it."""
    with before_gemini(tmp_path, [text("So:", signature="c2lnMQ=="), call("get_time")], [text("Noon.")]) as at:
        fields: dict[str, Any] = {"tools": TOOLS, "store": False, "include": ["reasoning.encrypted_content"]}
        question = {"role": "user", "content": "Time?"}
        *_, made = at.ask(streamed=streamed, input=[question], **fields)["output"]
        result = {"type": "function_call_output", "call_id": made["call_id"], "output": "ok"}
        at.ask(streamed=streamed, input=[question, made, result], **fields)
        (part,) = at.sent[1]["contents"][1]["parts"]
        assert part["functionCall"]["name"] == "get_time"


@BOTH_WAYS
def test_a_client_that_only_keeps_its_calls_loses_no_signature(tmp_path: Path, streamed: bool) -> None:
    thought = text("Weather first.", thought=True)
    with before_gemini(tmp_path, [thought, call("get_weather", signature="c2ln")], [text("Rain.")]) as at:
        question = {"role": "user", "content": "Weather?"}
        first = at.ask(streamed=streamed, input=[question], tools=TOOLS, store=False, reasoning={"summary": "auto"})
        (made,) = [item for item in first["output"] if item["type"] == "function_call"]
        kept = {name: made[name] for name in ("type", "call_id", "name", "arguments")}
        result = {"type": "function_call_output", "call_id": made["call_id"], "output": "ok"}
        at.ask(streamed=streamed, input=[question, kept, result], tools=TOOLS, store=False)
        assert at.sent[1]["contents"][1]["parts"][-1]["thoughtSignature"] == "c2ln"


@BOTH_WAYS
def test_a_client_that_keeps_nothing_is_not_refused(tmp_path: Path, streamed: bool) -> None:
    with before_gemini(tmp_path, [text("Fine.")]) as at:
        history = [
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "foreign", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "foreign", "output": "rain"},
        ]
        response = at.ask(streamed=streamed, input=history, tools=TOOLS)
        assert response["output"][0]["content"][0]["text"] == "Fine."


@BOTH_WAYS
@pytest.mark.parametrize(
    ("finish", "reason"),
    [("MAX_TOKENS", "max_output_tokens"), ("SAFETY", "content_filter"), ("SPII", "content_filter")],
)
def test_an_answer_that_was_stopped_is_incomplete(tmp_path: Path, streamed: bool, finish: str, reason: str) -> None:
    with before_gemini(tmp_path, candidate([text("Once upon")], finish=finish)) as at:
        response = at.ask(streamed=streamed, input="Tell", max_output_tokens=16)
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": reason}
        assert response["output"][0]["status"] == "incomplete"


@BOTH_WAYS
def test_a_blocked_prompt_is_an_invalid_prompt(tmp_path: Path, streamed: bool) -> None:
    body = b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":6}}'
    reply = Reply([b"data: " + body + b"\r\n\r\n"], headers={"content-type": "text/event-stream"}) if streamed else None
    with before_gemini(tmp_path, reply or Reply([body])) as at, pytest.raises(openai.BadRequestError) as refused:
        at.client.responses.create(model=at.model, input="Something bad", stream=streamed)
    assert refused.value.code == "invalid_prompt"


@BOTH_WAYS
def test_a_search_shows_its_sources(tmp_path: Path, streamed: bool) -> None:
    words = "Z\u00fcrich \U0001f600 hat 450.000 Einwohner."
    start = len("Z\u00fcrich \U0001f600 ".encode())
    grounding = {
        "webSearchQueries": ["Z\u00fcrich Einwohner"],
        "groundingChunks": [{"web": {"uri": "https://a.example/1", "title": "a.example"}}],
        "groundingSupports": [
            {
                "segment": {"startIndex": start, "endIndex": len(words.encode()), "text": words[9:]},
                "groundingChunkIndices": [0],
            }
        ],
    }
    with before_gemini(tmp_path, candidate([text(words)], groundingMetadata=grounding)) as at:
        response = at.ask(streamed=streamed, input="How many?", tools=[{"type": "web_search"}])
        message, search = response["output"]
        (citation,) = message["content"][0]["annotations"]
        assert words[citation["start_index"] : citation["end_index"]] == "hat 450.000 Einwohner."
        assert search["action"]["query"] == "Z\u00fcrich Einwohner"
        assert at.sent[0]["tools"] == [{"googleSearch": {}}]


class Weather(BaseModel):
    city: str
    degrees: int


def test_structure_is_parsed_by_the_official_client(tmp_path: Path) -> None:
    with before_gemini(tmp_path, [text('{"city":"Oslo","degrees":3}')]) as at:
        parsed = at.client.responses.parse(model=at.model, input="Weather?", text_format=Weather)
        assert parsed.output_parsed == Weather(city="Oslo", degrees=3)
        assert at.sent[0]["generationConfig"]["responseMimeType"] == "application/json"


@BOTH_WAYS
def test_an_image_reaches_the_model(tmp_path: Path, streamed: bool) -> None:
    content = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ]
    with before_gemini(tmp_path, [text("A cat.")]) as at:
        at.ask(streamed=streamed, input=[{"role": "user", "content": content}])
        assert at.sent[0]["contents"][0]["parts"][1]["inlineData"] == {"mimeType": "image/png", "data": "iVBORw0KGgo="}


def test_a_rate_limit_says_how_long_to_wait(tmp_path: Path) -> None:
    said = "You exceeded your current quota, please check your plan and billing details."
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
    with before_gemini(tmp_path, api_error(429, "RESOURCE_EXHAUSTED", said, **wait)) as at:
        with pytest.raises(openai.RateLimitError) as refused:
            at.client.responses.create(model=at.model, input="Hi")
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["retry-after"] == "31"


def test_the_gateways_own_key_is_not_the_clients_matter(tmp_path: Path) -> None:
    refusal = api_error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    with before_gemini(tmp_path, refusal) as at, pytest.raises(openai.InternalServerError) as refused:
        at.client.responses.create(model=at.model, input="Hi")
    assert refused.value.status_code == 502


@pytest.mark.parametrize(
    "ending", [b"", b'data: {"error":{"code":500,"message":"Internal error","status":"INTERNAL"}}\r\n\r\n']
)
def test_a_stream_that_breaks_fails_with_what_there_was(tmp_path: Path, ending: bytes) -> None:
    begun = (
        b'data: {"candidates":[{"content":{"parts":[{"text":"Once"}]}}],"usageMetadata":{"promptTokenCount":3}}\r\n\r\n'
    )
    reply = Reply([begun + ending], headers={"content-type": "text/event-stream"}, framing="chunked")
    with before_gemini(tmp_path, reply) as at:
        stream = check_stream(at.gateway.stream(model=at.model, input="Hi"))
        assert stream.response["status"] == "failed"
        assert stream.response["output"][0]["content"][0]["text"] == "Once"


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    with before_gemini(tmp_path, [text("Hi.")]) as at:
        answer = at.gateway.create(model="test/gemini-3.8-flash", input="Hi", temperature=0.1, presence_penalty=1)
        assert answer.headers["x-antiphon-ignored"] == "temperature,presence_penalty"
