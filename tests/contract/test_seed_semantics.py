"""What the examples with tools and reasoning mean on the way to the provider and back."""

from pathlib import Path
from typing import Any

import msgspec

from tests.contract.tap import Tap
from tests.contract.test_seed_python import WEATHER_TOOLS
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, chat_json, stream, text_chunks

CALL = {"id": "call_weather", "name": "get_weather", "arguments": '{"location":"Tokyo"}'}


def _weather_model(request: Seen) -> Reply:
    """Calls the function, and says what came back from it."""
    last = request.json["messages"][-1]
    if last["role"] == "tool":
        return answer(chat_json(f"It is {last['content']} there."))
    return answer(chat_json(None, tool_calls=[CALL]))


def test_a_function_is_called_and_its_result_goes_back(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(_weather_model) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        Tap(gateway) as tap,
    ):
        response = tap.client.responses.create(
            model="test/gpt-4.1", input="What's the weather in Tokyo?", tools=WEATHER_TOOLS, tool_choice="auto"
        )
        tap.response()
        (call,) = response.output
        assert call.type == "function_call"
        assert (call.call_id, call.name, call.arguments) == ("call_weather", "get_weather", '{"location":"Tokyo"}')
        assert call.id != call.call_id
        final = tap.client.responses.create(
            model="test/gpt-4.1",
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
            previous_response_id=response.id,
            tools=WEATHER_TOOLS,
        )
        tap.response()
        assert final.output_text == "It is sunny there."
        first, second = (request.json for request in upstream.requests)
    assert first["tools"] == WEATHER_TOOLS
    user, assistant, tool = second["messages"]
    assert user == {"role": "user", "content": "What's the weather in Tokyo?"}
    assert assistant["tool_calls"] == [
        {
            "id": "call_weather",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"location":"Tokyo"}'},
        }
    ]
    assert tool == {"role": "tool", "tool_call_id": "call_weather", "content": "sunny"}


def test_web_search_never_reaches_the_provider(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(answer(chat_json("Nothing new."))) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        gateway.openai() as client,
    ):
        response = client.responses.create(
            model="test/gpt-4.1",
            input="What are the latest news about AI?",
            tools=[{"type": "web_search_preview"}],
        )
        (request,) = upstream.requests
    assert [tool.type for tool in response.tools] == ["web_search_preview"]
    assert "tools" not in request.json
    assert "tool_choice" not in request.json


def _thinking_chunks() -> list[dict[str, Any]]:
    chunks = text_chunks("Quod erat demonstrandum.")
    thought = msgspec.json.decode(msgspec.json.encode(chunks[1]))
    thought["choices"][0]["delta"] = {"reasoning_content": "Draw a square on each side."}
    return [chunks[0], thought, *chunks[1:]]


def test_reasoning_effort_goes_to_the_provider_and_its_thoughts_come_back(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(stream(*_thinking_chunks())) as upstream,
        Gateway(None, tmp_path, config=_as("openai", upstream.url)) as gateway,
        Tap(gateway) as tap,
    ):
        with tap.client.responses.create(
            model="test/o1-preview",
            input="Prove the Pythagorean theorem step by step.",
            reasoning={"effort": "high", "summary": "detailed"},
            stream=True,
        ) as events:
            thought = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
        checked = tap.stream()
        (request,) = upstream.requests
    assert request.json["reasoning_effort"] == "high"
    assert thought == "Draw a square on each side."
    assert [item["type"] for item in checked.items] == ["reasoning", "message"]
    assert checked.text == "Quod erat demonstrandum."


def test_an_effort_that_the_provider_does_not_know_is_named(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(answer(chat_json("Done."))) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        gateway.openai() as client,
    ):
        raw = client.responses.with_raw_response.create(
            model="test/plain", input="Hello", reasoning={"effort": "high", "summary": "detailed"}
        )
        (request,) = upstream.requests
    assert "reasoning_effort" not in request.json
    assert raw.headers["x-antiphon-ignored"] == "reasoning.effort"


def test_verbosity_is_taken_in_both_vocabularies(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(answer(chat_json("Done."))) as upstream,
        Gateway(None, tmp_path, config=_as("openai", upstream.url)) as gateway,
        gateway.openai() as client,
    ):
        response = client.responses.create(
            model="test/gpt-5",
            input="Hello",
            extra_body={"text": {"format": {"type": "json_object"}, "verbosity": "concise"}, "max_tokens": 30},
        )
        (request,) = upstream.requests
    assert response.text is not None
    assert response.text.verbosity == "low"
    assert response.max_output_tokens == 30
    assert request.json["verbosity"] == "low"
    assert request.json["response_format"] == {"type": "json_object"}
    assert request.json["max_completion_tokens"] == 30


def _as(quirks: str, base_url: str) -> dict[str, Any]:
    """A provider that is like a known one."""
    return {"providers": {"test": {"base_url": base_url, "api_key": "sk-upstream", "quirks": quirks}}}
