"""The examples that this gateway was ordered from, with the official Python client in strict validation.

Only base URL, key and model are ours; before the local model also a limit on the answer's length.
"""

from typing import Any

import pytest
from openai.types.responses import Response

from tests.contract.serving import SCRIPTED_TEXT, Serving
from tests.contract.tap import Tap

WEATHER_TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather",
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string"}},
                "required": ["location"],
            },
        },
    }
]


def _check(response: Response, serving: Serving) -> None:
    """What every one of the examples may expect, whatever the model says."""
    assert response.id.startswith("resp_")
    assert response.object == "response"
    assert response.model == serving.model
    assert response.usage is not None
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0
    assert response.output_text
    if serving.is_real:
        assert response.status in ("completed", "incomplete")
    else:
        assert response.status == "completed"
        assert response.output_text == SCRIPTED_TEXT


def test_a_simple_request_is_answered(serving: Serving, tap: Tap) -> None:
    response = tap.client.responses.create(
        model=serving.model, input="Explain quantum computing in simple terms.", **serving.short
    )
    tap.response()
    _check(response, serving)


def test_web_search_is_left_out_by_name(serving: Serving, tap: Tap) -> None:
    answer = tap.client.responses.with_raw_response.create(
        model=serving.model,
        input="What are the latest news about AI?",
        tools=[{"type": "web_search_preview"}],
        **serving.short,
    )
    tap.response()
    _check(answer.parse(), serving)
    assert answer.headers["x-antiphon-ignored"] == "tools[0].web_search_preview"


def test_reasoning_is_echoed_and_answered(serving: Serving, tap: Tap) -> None:
    response = tap.client.responses.create(
        model=serving.model,
        input="Prove the Pythagorean theorem step by step.",
        reasoning={"effort": "high", "summary": "detailed"},
        **serving.short,
    )
    tap.response()
    _check(response, serving)
    assert response.reasoning is not None
    assert (response.reasoning.effort, response.reasoning.summary) == ("high", "detailed")


def test_text_is_streamed_delta_by_delta(serving: Serving, tap: Tap) -> None:
    stream = tap.client.responses.create(
        model=serving.model, input="Write a short story about a robot.", stream=True, **serving.short
    )
    events = list(stream)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    checked = tap.stream()
    assert text
    assert checked.text == text
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    _check(last.response, serving)


def test_a_conversation_may_come_as_messages(serving: Serving, tap: Tap) -> None:
    response = tap.client.responses.create(
        model=serving.model,
        input=[
            {"role": "user", "content": "What is Python?"},
            {"role": "assistant", "content": "Python is a high-level programming language..."},
            {"role": "user", "content": "How do I install it?"},
        ],
        **serving.short,
    )
    tap.response()
    _check(response, serving)


def test_instructions_guide_the_model(serving: Serving, tap: Tap) -> None:
    response = tap.client.responses.create(
        model=serving.model,
        instructions="You are a helpful coding assistant. Always provide code examples.",
        input="How do I read a file in Python?",
        **serving.short,
    )
    tap.response()
    _check(response, serving)
    assert response.instructions == "You are a helpful coding assistant. Always provide code examples."


def test_a_stored_response_is_continued(serving: Serving, tap: Tap) -> None:
    response1 = tap.client.responses.create(model=serving.model, input="My name is Alice.", store=True, **serving.short)
    response2 = tap.client.responses.create(
        model=serving.model, input="What's my name?", previous_response_id=response1.id, **serving.short
    )
    _check(response1, serving)
    _check(response2, serving)
    assert response2.previous_response_id == response1.id
    assert response1.usage is not None
    assert response2.usage is not None
    if serving.is_real:  # it has read the first turn too
        assert response2.usage.input_tokens > response1.usage.input_tokens


def test_functions_may_come_in_the_nested_shape(serving: Serving, tap: Tap) -> None:
    response = tap.client.responses.create(
        model=serving.model,
        input="What's the weather in Tokyo?",
        tools=WEATHER_TOOLS,
        tool_choice="auto",
        **serving.short,
    )
    tap.response()
    assert response.output
    (tool,) = response.tools
    assert tool.type == "function"
    assert tool.name == "get_weather"  # echoed in the flat shape, which is the one that clients know


@pytest.mark.timeout(300)  # it may talk on to the end of its context, and share the processor meanwhile
def test_an_example_with_nothing_added_runs_on_the_local_model(local: Serving) -> None:
    with Tap(local.gateway) as tap:
        response = tap.client.responses.create(model=local.model, input="What is the capital of France?")
        tap.response()
    _check(response, local)
    # At its usual temperature so small a model now and then talks on until it is cut off.
    assert response.status == "completed" or response.incomplete_details
