"""Answers of odd upstreams: which item an event belongs to, how an answer ended, and what is beyond reading."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.deltas import Broke, Delta, Opened, Relayed, Stopped, Text, UsageSeen
from tests.helpers.responses_wire import call, events, message, native_json, sse, thought
from tests.helpers.stream import Checked, check_stream
from tests.providers.responses.script import decoder, read
from tests.providers.told import told_json

Json = dict[str, Any]

HELLO = events([message("Hello there, friend.")])


def checked(*stream: Json, **options: Any) -> Checked:
    return check_stream(told_json(read(sse(stream), **options)), usage_optional=True)


def fault(deltas: list[Delta]) -> str:
    broke = [delta for delta in deltas if isinstance(delta, Broke)]
    assert len(broke) == 1
    assert deltas[-1] is broke[0]
    return broke[0].fault.code or ""


def outcome(deltas: list[Delta]) -> Stopped:
    last = deltas[-1]
    assert isinstance(last, Stopped)
    return last


def test_ids_that_change_from_event_to_event_are_told_apart_by_index() -> None:
    stream = events([thought("Hm."), message("Hello."), call("f", "{}")])
    for number, event in enumerate(stream):
        if "item_id" in event:
            event["item_id"] = f"changed{number}"
        if "item" in event:
            event["item"] = {**event["item"], "id": f"changed{number}"}
    found = checked(*stream)
    assert [item["type"] for item in found.items] == ["reasoning", "message", "function_call"]


def test_an_index_that_is_used_twice_is_two_items() -> None:
    stream = events([message("Hello."), call("f", "{}"), call("g", "{}", number=1)])
    for event in stream:
        if "output_index" in event:
            event["output_index"] = 0
    found = checked(*stream)
    assert [item.get("name") for item in found.items] == [None, "f", "g"]


def test_nothing_but_types_is_enough_where_items_come_one_by_one() -> None:
    keep = ("type", "delta", "text", "part", "arguments", "response")
    stream = []
    for event in events([message("Hello."), call("f", '{"a":1}')]):
        item = event.get("item")
        short = {name: value for name, value in event.items() if name in keep}
        if item is not None:
            short["item"] = {name: value for name, value in item.items() if name not in ("id", "call_id")}
        stream.append(short)
    stream[-1]["response"] = {**stream[-1]["response"], "output": []}
    found = checked(*stream)
    assert found.text == "Hello."
    assert found.items[1]["arguments"] == '{"a":1}'


def test_an_item_that_is_announced_twice_is_one() -> None:
    assert len(checked(*HELLO[:3], HELLO[2], *HELLO[3:]).items) == 1


def test_events_after_an_items_end_are_left_out() -> None:
    late = [event for event in HELLO if event["type"] == "response.output_text.delta"]
    found = checked(*HELLO[:-1], *late, HELLO[-1])
    assert found.text == "Hello there, friend."


def test_most_text_takes_the_short_way() -> None:
    deltas = read(sse(HELLO))
    assert [delta.text for delta in deltas if isinstance(delta, Text)] == ["here, f", "riend."]


def test_text_with_something_unknown_in_it_takes_the_long_way() -> None:
    stream = [{**event, "novel": 1} if event["type"].endswith("text.delta") else event for event in HELLO]
    told = told_json(read(sse(stream)))
    assert [event["novel"] for event in told if event["type"].endswith("text.delta")] == [1, 1, 1]


def test_signs_of_life_are_not_passed_on() -> None:
    stream = [*HELLO[:4], {"type": "keepalive", "sequence_number": 4}, {"type": "ping"}, *HELLO[4:]]
    assert checked(*stream).text == "Hello there, friend."


def test_open_responses_names_for_thought_are_known() -> None:
    item = {"id": "rs", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    stream = [{**event, "type": event["type"].replace("reasoning_text.", "reasoning.")} for event in events([item])]
    assert "response.reasoning_text.delta" in checked(*stream).types


def test_halves_of_characters_are_joined_over_frames() -> None:
    body = sse(HELLO[:4])
    for half in (b"\\ud83d", b"\\ude00"):
        body += b'data: {"type":"response.output_text.delta","item_id":"msg_native0","delta":"%b"}\n\n' % half
    body += b'data: {"type":"response.output_text.delta","item_id":"msg_native0","delta":"!"}\n\n'
    done = message("\U0001f600!")
    end = events([done])[-1]
    stream = told_json(read(body + sse([{"type": "response.output_item.done", "item": done}, end])))
    assert check_stream(stream, usage_optional=True).text == "\U0001f600!"


def test_a_lone_half_becomes_the_replacement_character() -> None:
    found = check_stream(told_json(read(sse(HELLO).replace(b"riend", b"\\ud83d"))), usage_optional=True)
    assert found.text == "Hello there, f\ufffd."


@pytest.mark.parametrize(
    ("status", "details", "reason", "native"),
    [
        ("completed", None, "completed", "completed"),
        ("incomplete", {"reason": "max_output_tokens"}, "max_output_tokens", "max_output_tokens"),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "content_filter"),
        ("incomplete", {"reason": "steered"}, "max_output_tokens", "steered"),
        ("incomplete", None, "max_output_tokens", "incomplete"),
    ],
)
def test_ends_mean_what_they_say(status: str, details: Json | None, reason: str, native: str) -> None:
    for body, kind in (
        (native_json([], status=status, incomplete_details=details), "application/json"),
        (sse(events([], status=status, incomplete_details=details)), "text/event-stream"),
    ):
        stopped = outcome(read(body, kind=kind))
        assert (stopped.reason, stopped.native) == (reason, native)


def test_usage_is_read_with_what_only_the_upstream_counts() -> None:
    usage = {"input_tokens": 5, "output_tokens": -1, "cost": 0.5, "input_tokens_details": None}
    deltas = read(native_json([], usage=usage), kind="application/json")
    seen = next(delta for delta in deltas if isinstance(delta, UsageSeen))
    assert (seen.input_tokens, seen.output_tokens, seen.cached_tokens) == (5, None, None)
    stopped = outcome(deltas)
    assert stopped.vendor is not None
    assert msgspec.json.decode(stopped.vendor) == {"usage": {"cost": 0.5}}
    assert not any(isinstance(delta, UsageSeen) for delta in read(native_json([], usage=None), kind="application/json"))


def test_the_beginning_is_told_once() -> None:
    opened = [delta for delta in read(sse(HELLO)) if isinstance(delta, Opened)]
    assert [(delta.model, delta.service_tier) for delta in opened] == [("gpt-5-2025-08-07", "default")]


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "text/event-stream", "upstream_protocol_error"),
        (b"   ", "application/json", "upstream_protocol_error"),
        (b"<html>", "text/event-stream", "upstream_protocol_error"),
        (b"{}", "text/html", "upstream_protocol_error"),
        (b"{}", "application/json", "upstream_protocol_error"),
        (b"[1]", "application/json", "upstream_protocol_error"),
        (b'{"output":[', "application/json", "upstream_protocol_error"),
        (b'{"output":[7],"status":"completed"}', "application/json", "upstream_protocol_error"),
        (b'{"error":{"message":"x","type":"rate_limit_error"}}', "application/json", "rate_limit_exceeded"),
        (b'{"status":"failed","output":[]}', "application/json", "upstream_error"),
        (b'{"status":"cancelled","output":[]}', "application/json", "upstream_error"),
        (b": comment\n\n", "text/event-stream", "upstream_protocol_error"),
        (b"data: nonsense\n\n", "text/event-stream", "upstream_protocol_error"),
        (b'data: {"choices":[]}\n\n', "text/event-stream", "upstream_protocol_error"),
        (b"data: [DONE]\n\n", "text/event-stream", "upstream_truncated"),
        (b'data: {"error":{"message":"Overloaded","code":503}}\n\n', "text/event-stream", "upstream_overloaded"),
        (b'event: error\ndata: {"message":"no","code":"rate_limit_exceeded"}\n\n', "text/event-stream", "rate_limit_exceeded"),
        (b'data: {"type":"response.output_item.added"}\n\n', "text/event-stream", "upstream_protocol_error"),
        (b'data: {"type":"response.output_text.delta","delta":7}\n\n', "text/event-stream", "upstream_protocol_error"),
        (b'data: {"type":"x\\ndata: y","a":1}\n\n', "text/event-stream", "upstream_protocol_error"),
        (b'data: {"type":"x","a":"\xff"}\n\n', "text/event-stream", "upstream_protocol_error"),
        (sse(HELLO[:4])[:-9], "text/event-stream", "upstream_reset"),
        (sse(HELLO[:4]), "text/event-stream", "upstream_truncated"),
        (b'data: {"type":"' + b"x" * 9_000_000, "text/event-stream", "upstream_protocol_error"),
        (b'{"a":"' + b"x" * 34_000_000, "application/json", "upstream_protocol_error"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault(body: bytes, kind: str, code: str) -> None:
    assert fault(read(body, kind=kind)) == code


def test_after_the_end_nothing_matters() -> None:
    made = decoder()
    half = len(sse(HELLO)) // 2
    finished = []
    for piece in (sse(HELLO)[:half], sse(HELLO)[half:]):
        made.feed(piece)
        finished.append(made.done)
    assert finished == [False, True]
    assert made.feed(sse(HELLO)) == []
    assert made.eof() == []


def test_an_end_marker_after_the_end_is_welcome() -> None:
    assert outcome(read(sse(HELLO) + b"data: [DONE]\n\n")).reason == "completed"


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert outcome(read(sse(HELLO)[:-1])).reason == "completed"


def test_a_limit_that_is_not_told_is_seen_in_the_counts() -> None:
    stopped = outcome(read(sse(HELLO), model="llamacpp/x", max_output_tokens=35))
    assert (stopped.reason, stopped.native) == ("max_output_tokens", "completed")
    assert outcome(read(sse(HELLO), model="llamacpp/x", max_output_tokens=36)).reason == "completed"
    assert outcome(read(sse(HELLO), model="openai/gpt-5", max_output_tokens=35)).reason == "completed"


def test_what_a_bare_server_calls_by_a_flat_name_comes_back_under_its_own() -> None:
    tools = [
        {"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "crm", "description": "", "tools": [{"type": "function", "name": "find"}]},
    ]
    body = native_json([call("crm__find", "{}"), call("patch", '{"input":"a\\nb"}', number=1), message("Hi.")])
    found = check_stream(
        told_json(read(body, model="llamacpp/x", kind="application/json", tools=tools)), usage_optional=True
    )
    assert [(item["type"], item.get("name")) for item in found.items] == [
        ("function_call", "find"),
        ("custom_tool_call", "patch"),
        ("message", None),
    ]
    assert found.items[0]["namespace"] == "crm"
    assert found.items[1]["input"] == "a\nb"


def test_a_call_that_a_bare_server_names_late_is_told_when_it_is_done() -> None:
    nameless = {
        "type": "function_call",
        "id": "fc",
        "name": "",
        "arguments": "",
        "call_id": "c",
        "status": "in_progress",
    }
    whole = {**nameless, "name": "patch", "arguments": '{"input":"x"}', "status": "completed"}
    stream = [
        HELLO[0],
        {"type": "response.output_item.added", "item": nameless},
        {"type": "response.function_call_arguments.delta", "item_id": "fc", "delta": '{"input":"x"}'},
        {"type": "response.output_item.done", "item": whole},
        HELLO[-1] | {"response": {**HELLO[-1]["response"], "output": []}},
    ]
    found = checked(*stream, model="llamacpp/x", tools=[{"type": "custom", "name": "patch"}])
    assert found.items[0]["input"] == "x"


def test_events_about_no_item_pass_without_a_place() -> None:
    loose = {
        "type": "response.compaction.compacting",
        "item_id": "cmp",
        "output_index": 9,
        "sequence_number": 4,
        "n": 1,
    }
    deltas = read(sse([*HELLO[:2], loose, *HELLO[2:]]))
    told = next(event for event in told_json(deltas) if event["type"] == "response.compaction.compacting")
    assert told == {"type": "response.compaction.compacting", "sequence_number": 2, "n": 1}
    assert sum(isinstance(delta, Relayed) for delta in deltas) > 1
