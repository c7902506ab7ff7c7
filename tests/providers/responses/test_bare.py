"""Upstreams that leave events and numbers out, mix them up, or stop early: the client sees a legal stream."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.responses_wire import call, events, message, sse, thought
from tests.helpers.stream import check_stream
from tests.providers.corpus import replay
from tests.providers.responses.script import decoder
from tests.providers.told import told_json

ANSWER = events(
    [
        thought("First.", "Second.", sealed="gAAAA"),
        message("Hello there, friend."),
        call("f", '{"a": 1}', number=1),
        call("g", "{}", number=2),
        {"id": "ctc", "type": "custom_tool_call", "status": "completed", "call_id": "c", "name": "p", "input": "text"},
    ]
)
INNER = [event for event in ANSWER if "response" not in event]


def bare(dice: random.Random, item_events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events as a bare server sends them: some are missing throughout, and so are some of the numbers."""
    numbers = {"sequence_number", "output_index", "logprobs", "obfuscation"}
    missing = {name for name in numbers if dice.random() < 0.5}
    kinds = sorted({event["type"] for event in item_events} - {"response.output_item.done"})
    left_out = {kind for kind in kinds if dice.random() < 0.4}
    summary = {kind for kind in kinds if "reasoning_summary" in kind}
    if left_out & summary == summary - {"response.reasoning_summary_part.added"}:
        left_out |= summary  # two parts that say nothing until the item is done: nobody does that
    if not any(kind.endswith("part.added") for kind in left_out):
        missing |= {"content_index", "summary_index"}
    return [
        {name: value for name, value in event.items() if name not in missing}
        for event in item_events
        if event["type"] not in left_out
    ]


@pytest.mark.parametrize("number", range(80))
def test_what_upstreams_leave_out_is_made_up_for(number: int) -> None:
    kept = bare(random.Random(number), INNER)
    stream = told_json(replay(decoder(), [sse([ANSWER[0], *kept, ANSWER[-1]])]))
    checked = check_stream(stream, usage_optional=True)
    kinds = [item["type"] for item in checked.items]
    assert kinds == ["reasoning", "message", "function_call", "function_call", "custom_tool_call"]
    assert checked.text == "Hello there, friend."
    assert [part["text"] for part in checked.items[0]["summary"]] == ["First.", "Second."]
    assert [item["arguments"] for item in checked.items[2:4]] == ['{"a": 1}', "{}"]
    assert checked.items[4]["input"] == "text"


@given(st.lists(st.sampled_from(INNER), max_size=40))
@settings(max_examples=150, deadline=None)
def test_events_in_any_order_make_a_stream_with_one_end(chosen: list[dict[str, Any]]) -> None:
    stream = told_json(replay(decoder(), [sse([ANSWER[0], *chosen, ANSWER[-1]])]))
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    added = [event["output_index"] for event in stream if event["type"] == "response.output_item.added"]
    done = [event["output_index"] for event in stream if event["type"] == "response.output_item.done"]
    assert added == list(range(len(added)))
    assert sorted(done) == added
    assert stream[-1]["type"] == "response.completed"


@pytest.mark.parametrize("length", range(0, len(sse(ANSWER)), 97))
def test_a_stream_cut_anywhere_is_legal_and_failed(length: int) -> None:
    stream = told_json(replay(decoder(), [sse(ANSWER)[:length]]))
    check_stream(stream, usage_optional=True)
    assert stream[-1]["type"] == "response.failed"
