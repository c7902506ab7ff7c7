"""`truncation`: with `auto` a conversation that is too long loses its oldest turns, with `disabled` the client is told."""

from typing import Any

import msgspec
import pytest

from tests.engine.stage import Json, Stage, output_text, user
from tests.helpers.upstream import Reply, Seen, answer, chat_json, stream, text_chunks

OVERFLOW = (
    b'{"error":{"message":"This model\'s maximum context length is 100 tokens.","code":"context_length_exceeded"}}'
)


def reply(text: str) -> Json:
    return {"role": "assistant", "content": text}


HISTORY = [user("one " * 50), reply("1"), user("two " * 50), reply("2"), user("three " * 50), reply("3"), user("four?")]


class Small:
    """Takes so many bytes of messages. Overflows before its answer begins, by status or inside the stream."""

    def __init__(self, room_bytes: int, *, in_stream: bool = False) -> None:
        self._room = room_bytes
        self._in_stream = in_stream

    def __call__(self, seen: Seen) -> Reply:
        if len(msgspec.json.encode(seen.json["messages"])) > self._room:
            if self._in_stream:
                return Reply([b"data: " + OVERFLOW + b"\n\n"], headers={"content-type": "text/event-stream"})
            return Reply([OVERFLOW], status=400, headers={"content-type": "application/json"})
        return stream(*text_chunks("Four.")) if seen.wants_stream else answer(chat_json("Four."))


@pytest.mark.parametrize("in_stream", [False, True])
def test_the_oldest_turns_go_until_the_rest_fits(stage: Stage, in_stream: bool) -> None:
    model = stage.model(Small(500, in_stream=in_stream))
    checked = model.stream(HISTORY, instructions="Count.", truncation="auto")
    assert checked.text == "Four."
    assert checked.response["truncation"] == "auto"
    assert len(model.requests) == 3
    left = [message["content"] for message in model.heard()]
    assert left[0] == "Count."
    assert left[-1] == "four?"
    assert "one" not in "".join(left)
    record = model.record(checked.response["id"])
    assert [(attempt["outcome"], attempt.get("decision")) for attempt in record["attempts"]] == [
        ("context_length_exceeded", "shorten"),
        ("context_length_exceeded", "shorten"),
        ("served", None),
    ]
    (notice,) = record["notices"]
    assert (notice["where"], notice["kind"]) == ("truncation", "emulated")
    assert notice["became"] == "6 of 7 items left out"


def test_what_fits_is_left_as_it_is(stage: Stage) -> None:
    model = stage.model(Small(100_000))
    got = model.send(HISTORY, truncation="auto")
    assert got.status == 200
    assert "x-antiphon-ignored" not in got.headers
    assert len(model.heard()) == len(HISTORY)


def test_a_stored_conversation_is_stored_whole(stage: Stage) -> None:
    small = Small(500)
    model = stage.model(small)
    first = model.ask(HISTORY, truncation="auto")
    listed = model.get(f"responses/{first['id']}/input_items?order=asc&limit=100").json["data"]
    assert len(listed) == len(HISTORY)
    again = model.ask("five?", previous_response_id=first["id"], truncation="auto")
    assert output_text(again) == "Four."
    assert [message["content"] for message in model.heard()][-2:] == ["Four.", "five?"]


def test_calls_keep_their_outputs(stage: Stage) -> None:
    items: list[Json] = [user("Work.")]
    for number in range(8):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}
        items += [call, {"type": "function_call_output", "call_id": f"c{number}", "output": "x" * 200}]
    model = stage.model(Small(1200))
    model.ask(items, truncation="auto")
    asked: list[Any] = [call["id"] for message in model.heard() for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in model.heard() if message["role"] == "tool"]
    assert asked == answered
    assert asked[-1] == "c7"
    assert 0 < len(asked) < 8
    assert model.heard()[0] == user("Work.")


@pytest.mark.parametrize("truncation", ["auto", "disabled"])
def test_what_never_fits_is_told_after_a_few_times(stage: Stage, truncation: str) -> None:
    model = stage.model(Small(10))
    problem = model.refuse([*HISTORY[:-1] * 5, user("four?")], truncation=truncation)
    assert problem["code"] == "context_length_exceeded"
    assert len(model.requests) == (4 if truncation == "auto" else 1)


def test_a_single_message_is_not_tried_again(stage: Stage) -> None:
    model = stage.model(Small(10))
    assert model.refuse("too long", truncation="auto")["code"] == "context_length_exceeded"
    assert len(model.requests) == 1


def test_an_overflow_after_output_is_not_repaired(stage: Stage) -> None:
    begun = stream(*text_chunks("Fo")[:2], b"data: " + OVERFLOW + b"\n\n")
    model = stage.model(begun)
    checked = model.stream(HISTORY, truncation="auto")
    assert checked.response["status"] == "failed"
    assert len(model.requests) == 1


def test_thoughts_stay_with_their_calls(stage: Stage) -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    items: list[Json] = [user("Work.")]
    for number in range(6):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}
        items += [thought, call, {"type": "function_call_output", "call_id": f"c{number}", "output": "x" * 200}]
    model = stage.model(Small(1200), provider="like-deepseek", name="deepseek-reasoner")
    model.ask(items, truncation="auto")
    calls = [message for message in model.heard() if message.get("tool_calls")]
    assert 0 < len(calls) < 6
    assert all(message["reasoning_content"] == "Hm." for message in calls)
