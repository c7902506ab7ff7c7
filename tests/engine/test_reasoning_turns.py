"""Visible thought: streamed, stored, and given back to the provider that thought it and to no other."""

from typing import Any

import msgspec

from antiphon.engine.seal import is_envelope
from tests.engine.stage import Stage, output_text, user
from tests.helpers.upstream import answer, chat_json, stream, text_chunks, tool_call_chunks

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
Json = dict[str, Any]


def _thinking(*thoughts: str, then: list[Json], field: str = "reasoning_content") -> list[Json]:
    deltas: list[Json] = [{"choices": [{"index": 0, "delta": {field: thought}}]} for thought in thoughts]
    return [*deltas, *then]


def _thoughtful(text: str, thought: str, **extra: Any) -> Json:
    body = chat_json(text, **extra)
    body["choices"][0]["message"]["reasoning_content"] = thought
    return body


def test_thought_is_streamed_as_a_summary_before_the_text(stage: Stage) -> None:
    model = stage.model(stream(*_thinking("Let me", " think.", then=text_chunks("Four."))))
    checked = model.stream("2+2?")
    reasoning, message = checked.items
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Let me think."}]
    assert message["content"][0]["text"] == "Four."
    assert checked.types.count("response.reasoning_summary_text.delta") == 2
    assert "Let me" not in checked.text


def test_thought_in_one_piece_looks_like_streamed_thought(stage: Stage) -> None:
    model = stage.model(answer(_thoughtful("Four.", "Let me think.")))
    kinds = [item["type"] for item in model.ask("2+2?")["output"]]
    assert kinds == ["reasoning", "message"]


def test_thought_after_text_is_an_item_of_its_own(stage: Stage) -> None:
    chunks = text_chunks("Two.", "Four.")
    late = _thinking("Wait.", then=chunks[2:])
    checked = stage.model(stream(*chunks[:2], *late)).stream("2+2?")
    assert [item["type"] for item in checked.items] == ["message", "reasoning", "message"]
    assert checked.text == "Two.Four."


def test_thought_of_a_tool_turn_goes_back_to_a_provider_that_wants_it(stage: Stage) -> None:
    model = stage.model(
        [
            stream(*_thinking("I need the weather.", then=tool_call_chunks("weather", "{}"))),
            answer(chat_json("Sunny.")),
        ],
        provider="like-deepseek",
        name="deepseek-reasoner",
    )
    called = model.stream("Weather?", tools=TOOLS)
    assert [item["type"] for item in called.items] == ["reasoning", "function_call"]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sun"}
    model.ask([output], previous_response_id=called.response["id"], tools=TOOLS)
    _, assistant, _ = model.heard()
    assert assistant["reasoning_content"] == "I need the weather."
    assert assistant["tool_calls"]


def test_thought_that_the_client_replays_goes_back_too(stage: Stage) -> None:
    model = stage.model(
        [
            answer(
                _thoughtful("", "I need the weather.", tool_calls=[{"id": "c", "name": "weather", "arguments": "{}"}])
            ),
            answer(chat_json("Sunny.")),
        ],
        provider="like-deepseek",
        name="deepseek-reasoner",
    )
    called = model.ask("Weather?", tools=TOOLS, store=False, include=["reasoning.encrypted_content"])
    output = {"type": "function_call_output", "call_id": "c", "output": "sun"}
    final = model.ask([user("Weather?"), *called["output"], output], tools=TOOLS, store=False)
    assert output_text(final) == "Sunny."
    assert model.heard()[1]["reasoning_content"] == "I need the weather."


def test_thought_does_not_go_to_another_provider(stage: Stage) -> None:
    thinker = stage.model(answer(_thoughtful("Four.", "A secret method.")))
    first = thinker.ask("2+2?")
    other = stage.model(answer(chat_json("Yes.")), provider="like-deepseek", name="deepseek-reasoner")
    other.ask("Sure?", previous_response_id=first["id"])
    assert "A secret method." not in msgspec.json.encode(other.heard()).decode()
    assert [message["role"] for message in other.heard()] == ["user", "assistant", "user"]


def test_a_turn_of_nothing_but_thought_is_no_message(stage: Stage) -> None:
    model = stage.model([stream(*_thinking("Hm", "m", then=text_chunks(finish="length"))), answer(chat_json("Yes."))])
    cut = model.stream("2+2?")
    assert cut.response["status"] == "incomplete"
    assert [item["type"] for item in cut.items] == ["reasoning"]
    model.ask("Well?", previous_response_id=cut.response["id"])
    assert [message["role"] for message in model.heard()] == ["user", "user"]


def test_reasoning_tokens_are_counted(stage: Stage) -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 20,
        "total_tokens": 25,
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    response = stage.model(answer(chat_json("Four.", usage=usage))).ask("2+2?")
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == 12


def test_thought_is_sealed_for_who_asks_for_it_and_for_nobody_else(stage: Stage) -> None:
    model = stage.model(answer(_thoughtful("Four.", "Let me think.")))
    got = model.send("2+2?", include=["reasoning.encrypted_content"])
    assert "x-antiphon-ignored" not in got.headers
    assert is_envelope(got.json["output"][0]["encrypted_content"])
    assert "encrypted_content" not in model.ask("2+2?")["output"][0]
