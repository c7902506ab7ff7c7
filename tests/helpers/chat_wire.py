"""What providers that speak chat completions say: whole answers, and the chunks of a stream."""

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["JSON", "chat_json", "sse", "text_chunks", "tool_call_chunks"]

JSON = dict[str, Any]


def text_chunks(*pieces: str, usage: JSON | None = None, finish: str = "stop") -> list[JSON]:
    """A stream's chunks: the role, one delta a piece, the finish, the usage."""
    deltas: list[JSON] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    return [*_chunks(deltas, finish), _usage_chunk(usage)]


def tool_call_chunks(name: str, arguments: str, *, call_id: str = "call_1", usage: JSON | None = None) -> list[JSON]:
    """A stream's chunks for one call, its arguments in two halves."""
    middle = len(arguments) // 2
    begin = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    halves = [arguments[:middle], arguments[middle:]]
    deltas: list[JSON] = [
        {"role": "assistant", "content": None, "tool_calls": [begin]},
        *({"tool_calls": [{"index": 0, "function": {"arguments": half}}]} for half in halves),
    ]
    return [*_chunks(deltas, "tool_calls"), _usage_chunk(usage)]


def chat_json(
    text: str | None = "Hello.",
    *,
    tool_calls: Sequence[JSON] = (),
    finish: str | None = None,
    usage: JSON | None = None,
) -> JSON:
    """A whole chat completion. `tool_calls` are `{"id", "name", "arguments"}`."""
    message: JSON = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in tool_calls
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish or ("tool_calls" if tool_calls else "stop"),
    }
    return {**_common("chat.completion"), "choices": [choice], "usage": usage or _USAGE}


def sse(*chunks: JSON | bytes, done: bool = True) -> list[bytes]:
    """One `data:` event for each chunk, and `[DONE]`. Bytes stand for themselves."""
    events = [
        chunk if isinstance(chunk, bytes) else b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks
    ]
    return [*events, b"data: [DONE]\n\n"] if done else events


_USAGE: JSON = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def _common(kind: str) -> JSON:
    return {"id": "chatcmpl-1", "object": kind, "created": 1760000000, "model": "m"}


def _chunks(deltas: Sequence[JSON], finish: str) -> list[JSON]:
    common = _common("chat.completion.chunk")
    choices: list[JSON] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    return [{**common, "choices": [choice]} for choice in choices]


def _usage_chunk(usage: JSON | None) -> JSON:
    return {**_common("chat.completion.chunk"), "choices": [], "usage": usage or _USAGE}
