"""An upstream that speaks this dialect itself: its words go on, but for ids, the model's name and seals."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.dialects.messages.encode import Asked
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import Closed, Delta, Native, Reasoning, Seal, Text
from antiphon.protocol.faults import UpstreamFault
from tests.helpers.anthropic_wire import message, message_events
from tests.helpers.messages_run import ended, run_stream
from tests.helpers.messages_stream import check_messages_stream, read_messages_events

Json = dict[str, Any]

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "E1"}
HIDDEN = {"type": "redacted_thinking", "data": "E2"}
STRANGE = {"type": "compaction", "content": "what was", "new_field": 1.50}
CITED = {
    "type": "text",
    "text": "It rains.",
    "citations": [
        {
            "type": "char_location",
            "cited_text": "rain",
            "document_index": 0,
            "document_title": None,
            "start_char_index": 0,
            "end_char_index": 4,
        }
    ],
}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
WHOLE = message(
    [THOUGHT, HIDDEN, STRANGE, CITED, {"type": "text", "text": "More."}, CALL],
    usage={
        "cache_read_input_tokens": 3,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1},
    },
    container={"id": "container_1", "expires_at": "2026-01-01T00:00:00Z", "skills": None},
)
OURS = {"id": "msg_019361d47bf7700080000123456789ab", "model": "test-model"}


def natives(events: Sequence[Json]) -> list[list[Delta]]:
    """What the codec gives for each event: the deltas that matter here, and behind them the event."""
    batches: list[list[Delta]] = []
    kinds: dict[int, str] = {}
    for event in events:
        said: list[Delta] = []
        index = event.get("index", 0)
        if event["type"] == "content_block_start":
            kinds[index] = event["content_block"]["type"]
            if kinds[index] in ("redacted_thinking", "compaction"):
                said = [Seal(index, b"s%d" % index), Closed(index)]
        elif event["type"] == "content_block_delta":
            said = _deltas(index, event["delta"])
        seals = sum(isinstance(delta, Seal) for delta in said)
        batches.append([*said, Native(Raw(msgspec.json.encode(event)), seals)])
    return batches


def _deltas(index: int, delta: Json) -> list[Delta]:
    match delta["type"]:
        case "thinking_delta":
            return [Reasoning(index, delta["thinking"])]
        case "signature_delta":
            return [Seal(index, b"s%d" % index)]
        case "text_delta":
            return [Text("text", delta["text"])]
    return []


def expected_events(events: Sequence[Json]) -> list[Json]:
    """The upstream's, with what is ours in it."""
    found = []
    for event in events:
        mine = msgspec.json.decode(msgspec.json.encode(event))
        if event["type"] == "ping":
            continue
        if event["type"] == "message_start":
            mine["message"] |= OURS
        elif event.get("delta", {}).get("type") == "signature_delta":
            mine["delta"]["signature"] = f"sealed:s{event['index']}"
        elif event.get("content_block", {}).get("type") == "redacted_thinking":
            mine["content_block"]["data"] = f"sealed:s{event['index']}"
        found.append(mine)
    return found


def test_every_event_goes_on_as_it_is() -> None:
    events = message_events(WHOLE)
    raw, _ = run_stream(natives(events))
    assert raw.count(b"event: ping\n") == 1
    assert read_messages_events(raw) == expected_events(events)
    check_messages_stream(raw)


def test_events_that_come_in_one_read_go_on_as_they_are() -> None:
    events = message_events(WHOLE)
    batches = natives(events)
    notes = [delta for batch in batches for delta in batch if isinstance(delta, Native)]
    said = [delta for batch in batches for delta in batch if not isinstance(delta, Native)]
    raw, _ = run_stream([[*notes, *said]])
    assert read_messages_events(raw) == expected_events(events)


def test_numbers_and_escapes_stay_as_the_upstream_wrote_them() -> None:
    written = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\u00e9","x":1.50}}'
    raw, _ = run_stream([[Text(0, "\u00e9"), Native(Raw(written))]])
    assert written in raw


def test_line_breaks_between_fields_do_not_break_the_framing() -> None:
    raw, _ = run_stream([[Text(0, "a"), Native(Raw(b'{"type":"new",\n "a": 1,\r\n "b": "\\n"}'))]])
    assert b'event: new\ndata: {"type":"new","a":1,"b":"\\n"}\n\n' in raw


def test_a_whole_answer_is_the_upstreams_own() -> None:
    batches = natives(message_events(WHOLE))
    _, response = run_stream(batches)
    whole = ended(batches, response)
    content = [
        {**THOUGHT, "signature": "sealed:s0"},
        {"type": "redacted_thinking", "data": "sealed:s1"},
        STRANGE,
        CITED,
        {"type": "text", "text": "More."},
        CALL,
    ]
    assert whole == {**WHOLE, **OURS, "content": content}


def test_an_answer_in_one_piece_is_streamed_in_pieces() -> None:
    head = {**WHOLE, "content": [], "stop_reason": None}
    batches: list[list[Delta]] = [[Native(Raw(msgspec.json.encode({"type": "message_start", "message": head})))]]
    for index, block in enumerate(WHOLE["content"]):
        begun = Native(
            Raw(msgspec.json.encode({"type": "content_block_start", "index": index, "content_block": block}))
        )
        sealed = block["type"] in ("thinking", "redacted_thinking")
        said: list[Delta] = [Seal(index, b"s%d" % index), Closed(index)] if sealed else [Text("text", "x")]
        over = Native(Raw(b'{"type":"content_block_stop","index":%d}' % index), int(sealed))
        batches.append([*said, begun, over])
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": WHOLE["usage"]}
    batches.append([Native(Raw(msgspec.json.encode(end)))])
    raw, response = run_stream(batches)
    found = check_messages_stream(raw)
    assert found["content"][0] == {**THOUGHT, "signature": "sealed:s0"}
    assert found["content"][-1] == CALL
    assert b'"text_delta","text":"More."' in raw
    assert ended(batches, response)["content"] == [*found["content"][:3], CITED, *found["content"][4:]]


def test_what_breaks_off_ends_in_an_error() -> None:
    fault = UpstreamFault("The upstream stalled.", code="upstream_stall")
    raw, _ = run_stream(natives(message_events(WHOLE)[:6]), Outcome("failed", fault=fault))
    found = check_messages_stream(raw, failed=True)
    assert found["error"]["type"] == "timeout_error"
    assert found["content"][0]["thinking"] == "hm"


def test_an_end_without_its_last_event_is_completed() -> None:
    raw, _ = run_stream(natives(message_events(WHOLE)[:-1]))
    assert check_messages_stream(raw)["stop_reason"] == "tool_use"


@pytest.mark.parametrize("omits", [True, False])
def test_the_upstream_itself_leaves_thoughts_out(omits: bool) -> None:
    """It was asked to, in the client's own words."""
    whole = message([{**THOUGHT, "thinking": ""}, {"type": "text", "text": "Hi"}])
    raw, _ = run_stream(natives(message_events(whole)), asked=Asked("req_1", omits))
    assert check_messages_stream(raw)["content"][0] == {"type": "thinking", "thinking": "", "signature": "sealed:s0"}
