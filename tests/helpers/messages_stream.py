"""The rules of a Messages stream, and its official client's types, checked on whole streams.

`check_messages_stream(raw)` returns the message that the stream amounts to; `check_message` checks one in one piece.
"""

from functools import cache
from typing import Any

import msgspec
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from pydantic import TypeAdapter, ValidationError

__all__ = ["check_message", "check_messages_error", "check_messages_stream", "read_messages_events"]

Json = dict[str, Any]

#: Delta type -> the block types that it may write to, and the field that it appends to.
_DELTAS = {
    "text_delta": (("text",), "text"),
    "thinking_delta": (("thinking",), "thinking"),
    "input_json_delta": (("tool_use", "server_tool_use", "mcp_tool_use"), "partial_json"),
}
_ERROR_TYPES = {
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
}


def read_messages_events(raw: bytes) -> list[Json]:
    """The events, pings left out."""
    events: list[Json] = []
    assert raw.endswith(b"\n\n"), f"ends inside an event: {raw[-80:]!r}"
    for frame in raw[:-2].split(b"\n\n"):
        lines = frame.split(b"\n")
        assert len(lines) == 2, f"an event is one event line and one data line, not {lines!r:.200}"
        name, text = lines
        assert name.startswith(b"event: "), f"no event line: {name!r:.200}"
        assert text.startswith(b"data: "), f"no data line: {text!r:.200}"
        event = msgspec.json.decode(text[6:])
        assert event.get("type") == name[7:].decode(), f"event line {name!r} but type {event.get('type')!r}"
        if event["type"] == "ping":
            assert event == {"type": "ping"}
            continue
        events.append(event)
    return events


def check_messages_stream(raw: bytes, *, failed: bool = False) -> Json:
    """The message of a stream. With `failed` it must end in an error, which is returned under `error`."""
    events = read_messages_events(raw)
    error: Json | None = None
    if failed:
        error = check_messages_error(events.pop())
        # What an upstream of the same dialect says is passed on, also when it fails between its stop reason and its end.
        if events and events[-1]["type"] == "message_delta":
            _validate(_event_type(), events.pop(), what="message_delta")
    for event in events:
        _validate(_event_type(), event, what=str(event.get("type")))
    assert events or failed, "an empty stream"
    if not events:
        return {"error": error}
    assert events[0]["type"] == "message_start", f"begins with {events[0]['type']}"
    message = dict(events[0]["message"])
    assert message["content"] == [], "a message begins empty"
    assert message["stop_reason"] is None, "a message begins with a stop reason"
    last = events[-2:] if not failed else []
    if not failed:
        assert [event["type"] for event in last] == ["message_delta", "message_stop"], "no proper end"
    blocks = _blocks(events[1:-2] if not failed else events[1:], cut=failed)
    message["content"] = blocks
    if failed:
        return {**message, "error": error}
    message.update(last[0]["delta"])
    message["usage"] = {**message["usage"], **last[0]["usage"]}
    return check_message(message)


def check_message(message: Json) -> Json:
    """A whole message, as the official client types it and as its rules go."""
    _validate(_message_type(), message, what="message")
    assert message["id"].startswith("msg_"), f"id {message['id']}"
    kinds = [block["type"] for block in message["content"]]
    reason = message["stop_reason"]
    assert reason is not None, "a message ends without a stop reason"
    if reason == "tool_use":
        assert "tool_use" in kinds, "stop_reason tool_use without a call"
    if reason == "end_turn":
        assert "tool_use" not in kinds, "a call, but stop_reason end_turn"
    assert (message.get("stop_sequence") is not None) == (reason == "stop_sequence"), "stop_sequence iff so stopped"
    ids = [block["id"] for block in message["content"] if "id" in block]
    assert len(ids) == len(set(ids)), f"ids repeat: {ids}"
    for block in message["content"]:
        assert block["type"] != "text" or block["text"], "an empty text block: it would be refused when sent back"
        if block["type"].endswith("_tool_result"):
            assert block["tool_use_id"] in ids, "a result without its call"
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert (message["usage"].get(name) or 0) >= 0, f"negative {name}"
    return message


def check_messages_error(body: Json) -> Json:
    """An error body, of an answer or at the end of a stream. Returns the error."""
    assert body.keys() == {"type", "error", "request_id"}, f"fields {sorted(body)}"
    assert body["type"] == "error"
    assert body["request_id"], "no request id"
    error: Json = body["error"]
    assert error["type"] in _ERROR_TYPES, f"unknown error type {error['type']}"
    assert error["message"], "no message"
    return error


def _blocks(events: list[Json], *, cut: bool) -> list[Json]:
    done: list[Json] = []
    block: Json | None = None
    text = ""
    for event in events:
        index = event.get("index")
        assert index == len(done), f"{event['type']} of block {index}, but block {len(done)} is to be written"
        match event["type"]:
            case "content_block_start":
                assert block is None, "a block begins inside another"
                block, text = dict(event["content_block"]), ""
                for field in ("text", "thinking", "signature", "input"):
                    assert not block.get(field), f"a block begins with {field}"
            case "content_block_delta":
                assert block is not None, "a delta outside of a block"
                text += _apply(block, event["delta"])
            case "content_block_stop":
                assert block is not None, "a block ends that has not begun"
                if "input" in block:
                    block["input"] = _input(text)
                done.append(block)
                block = None
            case kind:
                raise AssertionError(f"{kind} inside the message")
    assert block is None or cut, "a block is still open"
    return done


def _apply(block: Json, delta: Json) -> str:
    """Write to the block; returns a piece of its input."""
    kind = delta["type"]
    if kind == "signature_delta":
        assert block["type"] == "thinking", f"a signature for {block['type']}"
        assert not block.get("signature"), "a second signature"
        block["signature"] = delta["signature"]
        return ""
    if kind == "citations_delta":
        assert block["type"] == "text", f"a citation for {block['type']}"
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        return ""
    kinds, field = _DELTAS[kind]
    assert block["type"] in kinds, f"{kind} for {block['type']}"
    assert not block.get("signature"), "text behind the signature"
    if field == "partial_json":
        return str(delta[field])
    block[field] += delta[field]
    return ""


def _input(text: str) -> object:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"_raw": text}


@cache
def _event_type() -> TypeAdapter[Any]:
    return TypeAdapter(BetaRawMessageStreamEvent)


@cache
def _message_type() -> TypeAdapter[Any]:
    return TypeAdapter(BetaMessage)


def _validate(adapter: TypeAdapter[Any], value: Json, *, what: str) -> None:
    try:
        adapter.validate_json(msgspec.json.encode(value), strict=True)
    except ValidationError as error:
        raise AssertionError(f"{what} is not valid for the SDK: {error}") from error
