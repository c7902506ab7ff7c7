"""What Chat Completions and Responses upstreams refuse: the first rule that a request breaks, or nothing.

The rules are those of the strictest servers of each dialect. Those of the other two stand beside their wire formats in
`tests.helpers`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from tests.helpers.upstream import Seen

__all__ = ["KEY", "broken_chat", "broken_native"]

Json = dict[str, Any]

KEY = "sk-upstream"

_CHAT_FIELDS = {
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "max_tokens", "max_completion_tokens", "temperature", "top_p", "reasoning_effort", "thinking", "stop", "n",
    "prompt_cache_key", "user", "safety_identifier", "verbosity",
}  # fmt: skip
_NATIVE_FIELDS = {
    "model", "input", "instructions", "stream", "store", "include", "tools", "tool_choice", "parallel_tool_calls",
    "text", "reasoning", "max_output_tokens", "temperature", "top_p", "truncation", "service_tier",
    "prompt_cache_key", "user", "safety_identifier", "client_metadata",
}  # fmt: skip


def broken_chat(request: Seen, *, wants_thoughts: bool) -> str:
    """`wants_thoughts`: turns with calls have to come with what was thought before them, as DeepSeek has it."""
    body: Json = request.json
    if not request.path.endswith("/v1/chat/completions"):
        return f"no such endpoint: {request.path}"
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return "Incorrect API key provided"
    if body.keys() - _CHAT_FIELDS:
        return f"Unrecognized request argument supplied: {min(body.keys() - _CHAT_FIELDS)}"
    if "tools" not in body and {"tool_choice", "parallel_tool_calls"} & body.keys():
        return "tool_choice is only allowed when tools are specified"
    if body.get("stream") and body.get("stream_options") != {"include_usage": True}:
        return "this test wants its usage"
    return _first(body["messages"], _broken_message, wants_thoughts) or _unanswered(body["messages"])


def _broken_message(message: Json, wants_thoughts: bool) -> str:
    role, content = message["role"], message.get("content")
    if role == "assistant":
        return _broken_answer(message, wants_thoughts)
    if role not in ("system", "user", "tool"):
        return f"unexpected message role {role}"
    if content in (None, "", []):
        return f"content of a {role} message must not be empty"
    return "content of a tool message must be a string" if role == "tool" and not isinstance(content, str) else ""


def _broken_answer(message: Json, wants_thoughts: bool) -> str:
    calls = message.get("tool_calls")
    if not (message.get("content") or calls or message.get("refusal")):
        return "an assistant message must say something"
    if calls is not None and not calls:
        return "tool_calls must not be empty"
    if calls and wants_thoughts and "reasoning_content" not in message:
        return "The reasoning_content in the thinking mode must be passed back to the API."
    if any(not _is_object(call["function"]["arguments"]) for call in calls or () if call["type"] == "function"):
        return "arguments must be JSON"
    return ""


def _unanswered(messages: Sequence[Json]) -> str:
    """All results of a turn's calls follow it, each once, and no others."""
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            break
        waiting = {call["id"] for call in message.get("tool_calls", ())}
    return f"insufficient tool messages following tool_calls: {waiting}" if waiting else ""


def broken_native(request: Seen, made: Sequence[Json]) -> str:
    """`made`: the items that this model has made; only these can be its thoughts."""
    body: Json = request.json
    if not request.path.endswith("/v1/responses"):
        return f"no such endpoint: {request.path}"
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return "Incorrect API key provided"
    if body.keys() - _NATIVE_FIELDS:
        return f"Unknown parameter: {min(body.keys() - _NATIVE_FIELDS)}"
    if body.get("store") is not False:
        return "this upstream keeps nothing: store must be false"
    if None in body.values():
        return "null where a value is expected"
    items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    return _first(items, _broken_item, made) or _orphans(items)


def _broken_item(item: Json, made: Sequence[Json]) -> str:
    if None in item.values():
        return "null where a value is expected"
    if item.get("type") == "reasoning":
        own = next((one for one in made if one["id"] == item.get("id")), None)
        if own is None:
            return f"Item with id {item.get('id')!r} not found."
        sealed = item.get("encrypted_content") == own["encrypted_content"]
        return "" if sealed else "The encrypted content could not be verified."
    if "id" in item:
        return f"Item with id {item['id']!r} not found."
    if item.get("type") == "function_call" and not _is_object(item["arguments"]):
        return "arguments must be JSON"
    return "" if item.get("content", "text") else "empty content"


def _orphans(items: Sequence[Json]) -> str:
    """Each call has one output behind it, and each output a call before it."""
    open_calls: set[str] = set()
    for item in items:
        if item.get("type") == "function_call":
            open_calls.add(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in open_calls:
                return f"No tool call found for function call output with call_id {item['call_id']}."
            open_calls.remove(item["call_id"])
    return f"No tool output found for function call {min(open_calls)}." if open_calls else ""


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _first(items: Sequence[Json], rule: Callable[[Json, Any], str], known: object) -> str:
    broken: Iterator[str] = (rule(item, known) for item in items)
    return next(filter(None, broken), "")
