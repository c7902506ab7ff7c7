"""A stored response asked for as a stream: a legal stream that ends in the very same response."""

from typing import Any

import pytest

from tests.engine.stage import Stage
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Reply, answer, chat_json, stream, text_chunks, tool_call_chunks

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]


def _refusal() -> Reply:
    body = chat_json(None)
    body["choices"][0]["message"]["refusal"] = "I will not."
    return answer(body)


def _cited() -> Reply:
    body = chat_json("As they say.")
    citation = {"start_index": 0, "end_index": 2, "url": "https://example.com", "title": "They"}
    body["choices"][0]["message"]["annotations"] = [{"type": "url_citation", "url_citation": citation}]
    return answer(body)


def _everything() -> Reply:
    thought: dict[str, Any] = {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]}
    return stream(thought, *text_chunks("One moment.")[:2], *tool_call_chunks("weather", '{"a":1}'))


@pytest.mark.parametrize(
    ("script", "streamed"),
    [
        (answer(chat_json("Hello.")), False),
        (answer(chat_json("")), False),
        (_refusal(), False),
        (_cited(), False),
        (_everything(), True),
        (stream(*text_chunks("Cut", finish="length")), True),
        (stream(*text_chunks("Cut", finish="content_filter")), True),
        (stream(*text_chunks("Broken", " here")[:3], "close"), True),
        (stream(*tool_call_chunks("weather", '{"a":1}')[:2], "close"), True),
    ],
    ids=["text", "empty", "refusal", "citation", "everything", "length", "filter", "failed", "failed call"],
)
def test_a_stored_response_is_replayed(stage: Stage, script: Reply, streamed: bool) -> None:
    model = stage.model(script)
    response = model.stream(tools=TOOLS).response if streamed else model.ask(tools=TOOLS)
    path = f"responses/{response['id']}"
    assert model.get(path).json == response
    replayed = check_stream(model.get(f"{path}?stream=true").body)
    assert replayed.response == response
    assert replayed.done
    for after in (0, len(replayed.events) - 2, len(replayed.events) + 5):
        rest = model.get(f"{path}?stream=true&starting_after={after}").body
        numbers = [int(line.split(b",", 1)[0]) for line in rest.split(b'"sequence_number":')[1:]]
        assert numbers == list(range(after + 1, len(replayed.events)))
        assert rest.endswith(b"data: [DONE]\n\n")
