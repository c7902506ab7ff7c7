"""What a provider that speaks the Responses API puts on the wire: its events and its whole answers, from a few items.

The life cycle is OpenAI's own, as its API reference documents it, with obfuscation and all indexes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tests.helpers.upstream import Reply, Seen, answer

__all__ = [
    "ID",
    "call",
    "events",
    "message",
    "native_json",
    "reply",
    "response",
    "sse",
    "thought",
]

Json = dict[str, Any]

ID = "resp_0f1e2d3c4b5a69788796a5b4c3d2e1f000112233445566"


def message(text: str, *, annotations: Sequence[Json] = (), number: int = 0, **fields: Any) -> Json:
    part = {"type": "output_text", "annotations": list(annotations), "logprobs": [], "text": text}
    return {
        "id": f"msg_native{number}",
        "type": "message",
        "status": "completed",
        "content": [part],
        "role": "assistant",
        **fields,
    }


def call(name: str, arguments: str, *, number: int = 0, **fields: Any) -> Json:
    return {
        "id": f"fc_native{number}",
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": f"call_native{number}",
        "name": name,
        **fields,
    }


def thought(*summary: str, sealed: str | None = None, number: int = 0, **fields: Any) -> Json:
    parts = [{"type": "summary_text", "text": text} for text in summary]
    item: Json = {"id": f"rs_native{number}", "type": "reasoning", "summary": parts, **fields}
    return item if sealed is None else {**item, "encrypted_content": sealed}


def response(output: Sequence[Json], *, status: str = "completed", **fields: Any) -> Json:
    """The finished resource."""
    return {
        "id": ID,
        "object": "response",
        "created_at": 1_764_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5-2025-08-07",
        "output": list(output),
        "service_tier": "default",
        "usage": {
            "input_tokens": 81,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 35,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 116,
        },
        **fields,
    }


def native_json(output: Sequence[Json], **fields: Any) -> bytes:
    """The answer in one piece."""
    return msgspec.json.encode(response(output, **fields))


def events(output: Sequence[Json], *, status: str = "completed", **fields: Any) -> list[Json]:
    """The answer as events."""
    begun = response([], **{**fields, "status": "in_progress", "usage": None, "incomplete_details": None})
    made: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(output):
        made += _item(item, index)
    made.append({"type": f"response.{status}", "response": response(output, status=status, **fields)})
    return [{"type": event["type"], "sequence_number": number, **event} for number, event in enumerate(made)]


def sse(stream: Sequence[Json]) -> bytes:
    """Events as a body. OpenAI sends no end marker."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), msgspec.json.encode(one)) for one in stream)


def reply(request: Seen, output: Sequence[Json], **fields: Any) -> Reply:
    """The answer in whichever form was asked for."""
    if not request.wants_stream:
        return answer(native_json(output, **fields))
    parts = [sse([event]) for event in events(output, **fields)]
    return Reply(parts, headers={"content-type": "text/event-stream; charset=utf-8"}, framing="chunked")


def _item(item: Json, index: int) -> Iterator[Json]:
    where = {"output_index": index, "item_id": item["id"]}
    empty = {"content": [], "summary": [], "arguments": "", "input": "", "status": "in_progress"}
    begun = {field: empty.get(field, value) for field, value in item.items()}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for number, part in enumerate(item.get("summary", ())):
        yield from _summary(part, {**where, "summary_index": number})
    for number, part in enumerate(item.get("content", ())):
        yield from _part(part, {**where, "content_index": number})
    if item["type"] == "function_call":
        yield from _pieces("response.function_call_arguments", "arguments", item["arguments"], where)
    elif item["type"] == "custom_tool_call":
        yield from _pieces("response.custom_tool_call_input", "input", item["input"], where)
    elif item["type"] == "web_search_call":
        for step in ("in_progress", "searching", "completed"):
            yield {"type": f"response.web_search_call.{step}", **where}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _summary(part: Json, where: Json) -> Iterator[Json]:
    yield {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}}
    yield from _pieces("response.reasoning_summary_text", "text", part["text"], where)
    yield {"type": "response.reasoning_summary_part.done", **where, "part": part}


def _part(part: Json, where: Json) -> Iterator[Json]:
    if part["type"] == "output_text":
        yield {"type": "response.content_part.added", **where, "part": {**part, "text": "", "annotations": []}}
        yield from _text(part, where)
    else:
        field = "refusal" if part["type"] == "refusal" else "text"
        yield {"type": "response.content_part.added", **where, "part": {**part, field: ""}}
        yield from _pieces(f"response.{part['type']}", field, part[field], where)
    yield {"type": "response.content_part.done", **where, "part": part}


def _text(part: Json, where: Json) -> Iterator[Json]:
    *pieces, done = _pieces("response.output_text", "text", part["text"], where)
    yield from ({**piece, "logprobs": []} for piece in pieces)
    for number, annotation in enumerate(part["annotations"]):
        yield {
            "type": "response.output_text.annotation.added",
            **where,
            "annotation_index": number,
            "annotation": annotation,
        }
    yield {**done, "logprobs": []}


def _pieces(stem: str, field: str, text: str, where: Json) -> Iterator[Json]:
    size = max(1, -(-len(text) // 3))
    for start in range(0, len(text), size):
        piece = text[start : start + size]
        yield {"type": f"{stem}.delta", **where, "delta": piece, "obfuscation": "x" * (16 - len(piece) % 16)}
    yield {"type": f"{stem}.done", **where, field: text}
