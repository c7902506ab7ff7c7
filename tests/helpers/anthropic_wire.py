"""A model behind the Messages API: it answers as the vendor does, and refuses what the vendor refuses.

    with ThreadedUpstream(Claude([text("Hi")])) as up: ...

Each turn is the list of blocks of one answer; it is streamed or sent whole, as the request asks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.helpers.chat_wire import JSON
from tests.helpers.upstream import Reply, Seen, answer

__all__ = ["Claude", "api_error", "call", "message", "message_events", "redacted", "text", "thinking"]

KEYS = ("x-api-key", "authorization", "api-key")


Turn = Sequence[JSON] | JSON | Reply
#: One after the other, or whatever a function of the request's body says.
Turns = Sequence[Turn] | Callable[[JSON], Turn]


def text(words: str, **fields: Any) -> JSON:
    return {"type": "text", "text": words, **fields}


def thinking(thought: str, signature: str) -> JSON:
    return {"type": "thinking", "thinking": thought, "signature": signature}


def redacted(data: str) -> JSON:
    return {"type": "redacted_thinking", "data": data}


def call(call_id: str, name: str, /, **arguments: Any) -> JSON:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def message(blocks: Sequence[JSON], *, stop: str | None = None, usage: JSON | None = None, **fields: Any) -> JSON:
    """A whole message."""
    called = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": list(blocks),
        "stop_reason": stop or ("tool_use" if called else "end_turn"),
        "stop_sequence": None,
        **fields,
        "usage": {"input_tokens": 11, "output_tokens": 7, **(usage or {})},
    }


def message_events(whole: JSON) -> list[JSON]:
    """The same as a stream."""
    head = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    head.pop("stop_details", None)
    events: list[JSON] = [{"type": "message_start", "message": head}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        begun, deltas = _in_pieces(block)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in whole}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]


def api_error(status: int, kind: str, said: str, **headers: str) -> Reply:
    return answer({"type": "error", "error": {"type": kind, "message": said}}, status=status, headers=headers)


class Claude:
    """A brain for scripted upstreams. After the last turn it repeats it.

    Attributes:
        broken: rules that requests broke; a test that expects none asserts so.
    """

    def __init__(self, turns: Turns) -> None:
        self._next = turns if callable(turns) else _one_by_one(list(turns))
        self._made: list[JSON] = []  # thoughts and results that only this model can have made
        self.broken: list[str] = []

    def __call__(self, request: Seen) -> Reply:
        rule = self._broken_rule(request)
        if rule:
            self.broken.append(rule)
            return api_error(400, "invalid_request_error", rule)
        turn = self._next(request.json)
        if isinstance(turn, Reply):
            return turn
        whole = turn if isinstance(turn, dict) else message(turn)
        self._made += whole["content"]
        if not request.wants_stream:
            return answer(whole)
        frames = [
            f"event: {event['type']}\n".encode() + b"data: " + msgspec.json.encode(event) + b"\n\n"
            for event in message_events(whole)
        ]
        return Reply(frames, headers={"content-type": "text/event-stream; charset=utf-8"}, framing="chunked")

    def _broken_rule(self, request: Seen) -> str:
        body, headers = request.json, request.headers
        if sum(name in headers for name in KEYS) != 1 or "anthropic-version" not in headers:
            return "one key and a version are needed"
        if not isinstance(body.get("max_tokens"), int):
            return "max_tokens: Field required"
        messages = body["messages"]
        if not messages or messages[0]["role"] != "user":
            return "messages: first message must use the user role"
        return self._broken_thinking(body) or next(
            filter(None, map(self._broken_message, messages, _after(messages))), ""
        )

    def _broken_thinking(self, body: JSON) -> str:
        kind = body.get("thinking", {}).get("type", "disabled")
        if kind == "disabled":
            return ""
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            return "Thinking may not be enabled when tool_choice forces tool use."
        if {"temperature", "top_k"} & body.keys():
            return "temperature may only be set to 1 when thinking is enabled"
        budget = body["thinking"].get("budget_tokens", 1024)
        return "" if 1024 <= budget < body["max_tokens"] else "max_tokens must be greater than thinking.budget_tokens"

    def _broken_message(self, message: JSON, after: JSON | None) -> str:
        content = message["content"]
        blocks = [text(content)] if isinstance(content, str) else content
        if not blocks:
            return "messages: content must not be empty"
        for block in blocks:
            if block["type"] == "text" and not block["text"].strip():
                return "text content blocks must contain non-whitespace text"
            if block["type"] in ("thinking", "redacted_thinking", "server_tool_use") and block not in self._made:
                return f"Invalid signature in {block['type']} block"
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if not calls:
            return ""
        following = [] if after is None or isinstance(after["content"], str) else after["content"]
        results = [block["tool_use_id"] for block in following[: len(calls)] if block["type"] == "tool_result"]
        return "" if sorted(results) == sorted(calls) else "tool_use ids were found without tool_result blocks after"


def _after(messages: list[JSON]) -> list[JSON | None]:
    return [*messages[1:], None]


def _in_pieces(block: JSON) -> tuple[JSON, list[JSON]]:
    """How a block begins, and what is added to it."""
    match block["type"]:
        case "text":
            words = block["text"]
            cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", [])]
            half = len(words) // 2
            spoken = [{"type": "text_delta", "text": part} for part in (words[:half], words[half:])]
            return {"type": "text", "text": ""}, [*cited, *spoken]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            return begun, [*deltas, {"type": "signature_delta", "signature": block["signature"]}]
        case "tool_use" | "server_tool_use":
            written = msgspec.json.encode(block["input"]).decode()
            pieces = ("", written[:5], written[5:])
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def _one_by_one(turns: list[Turn]) -> Callable[[JSON], Turn]:
    return lambda _: turns.pop(0) if len(turns) > 1 else turns[0]
