"""Output items, parts and resources read from JSON, with everything in them that nobody here knows.

Read are what an upstream sends that speaks Responses itself, and what was stored. Both may lack what strict clients
demand (it gets its default) and have what our types lack (it is added, see `protocol.extended`). `null` says nothing:
such a field is as good as absent.

Raises, here and below, `msgspec.DecodeError` or `UnicodeError` for what is not JSON, or not of the expected shape, and
`RecursionError` for what is nested too deeply.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from antiphon.protocol.extended import extended
from antiphon.protocol.faults import ServerFault
from antiphon.protocol.response import (
    ContentPart,
    CustomCallItem,
    FunctionCallItem,
    ItemStatus,
    MessageItem,
    OpaqueItem,
    OpaquePart,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    Response,
    SummaryPart,
    WebSearchItem,
)

__all__ = ["NULL", "Fields", "decode_response", "read_fields", "read_item", "read_part", "read_summary_part", "unknown"]

Fields = dict[str, Raw]
T = TypeVar("T", bound=Struct)

NULL = Raw(b"null")

read_fields = msgspec.json.Decoder(Fields).decode
_text = msgspec.json.Decoder(str | None).decode
_list = msgspec.json.Decoder(list[Raw] | None).decode

_STATUSES: dict[str, ItemStatus] = {
    "in_progress": "in_progress",
    "completed": "completed",
    "incomplete": "incomplete",
}


def read_item(raw: Raw | bytes) -> OutputItem:
    """One output item. Its id is the upstream's, or empty; a status that is missing is `completed`."""
    fields = read_fields(raw)
    match _string(fields, "type"):
        case "message":
            return _message(fields)
        case "reasoning":
            return _reasoning(fields)
        case "function_call":
            return _function_call(fields)
        case "custom_tool_call":
            return _custom_call(fields)
        case "web_search_call":
            return _search(fields)
        case kind:
            status = _string(fields, "status") or UNSET
            return _opaque(OpaqueItem(_string(fields, "id"), status), fields, kind)


def read_part(raw: Raw | bytes) -> ContentPart:
    """One content part."""
    fields = read_fields(raw)
    match _string(fields, "type"):
        case "output_text":
            part = OutputTextPart(_string(fields, "text"), _raws(fields, "annotations"), _raws(fields, "logprobs"))
            return unknown(part, fields)
        case "refusal":
            return unknown(RefusalPart(_string(fields, "refusal")), fields)
        case "reasoning_text":
            return unknown(ReasoningTextPart(_string(fields, "text")), fields)
        case kind:
            return _opaque(OpaquePart(), fields, kind)


def read_summary_part(raw: Raw | bytes) -> SummaryPart:
    """One part of a reasoning summary."""
    fields = read_fields(raw)
    return unknown(SummaryPart(_string(fields, "text")), fields)


def unknown(value: T, fields: Mapping[str, Raw]) -> T:
    """The value with those of the fields that its type does not have."""
    known = type(value).__struct_fields__
    more = {name: _kept(raw) for name, raw in fields.items() if name not in known and name != "type" and raw != NULL}
    return extended(value, more)


def decode_response(stored: bytes) -> Response:
    """A resource that was written by us, read back. Keys that are not there (the echo is kept apart) get defaults.

    The parts kept encoded are views into `stored`, which lives as long as the response.

    Raises:
        ServerFault: these bytes are not such a resource.
    """
    try:
        fields = read_fields(stored)
        output = tuple(read_item(raw) for raw in _list(fields.pop("output", NULL)) or ())
        response = structs.replace(_response.decode(msgspec.json.encode(fields)), output=output)
        return unknown(response, {name: raw for name, raw in fields.items() if name != "output"})
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ServerFault(
            "The stored response cannot be read.", code="stored_response_unreadable", detail=str(error)
        ) from error


_response = msgspec.json.Decoder(Response)


def _message(fields: Fields) -> OutputItem:
    parts = tuple(map(read_part, _raws(fields, "content")))
    return unknown(MessageItem(_string(fields, "id"), _status(fields), parts), fields)


def _reasoning(fields: Fields) -> OutputItem:
    """`encrypted_content` stays empty here: whoever reads decides what becomes of the upstream's."""
    summary = tuple(map(read_summary_part, _raws(fields, "summary")))
    content = tuple(map(read_part, _raws(fields, "content"))) or UNSET
    sealed = _string(fields, "encrypted_content") or UNSET
    status: ItemStatus | UnsetType = _status(fields) if fields.get("status", NULL) != NULL else UNSET
    return unknown(ReasoningItem(_string(fields, "id"), summary, content, sealed, status), fields)


def _function_call(fields: Fields) -> OutputItem:
    item = FunctionCallItem(
        _string(fields, "id"),
        _string(fields, "call_id"),
        _string(fields, "name"),
        _arguments(fields),
        _status(fields),
        _string(fields, "namespace") or UNSET,
    )
    return unknown(item, fields)


def _custom_call(fields: Fields) -> OutputItem:
    item = CustomCallItem(
        _string(fields, "id"),
        _string(fields, "call_id"),
        _string(fields, "name"),
        _string(fields, "input"),
        _status(fields),
        _string(fields, "namespace") or UNSET,
    )
    return unknown(item, fields)


def _search(fields: Fields) -> OutputItem:
    """Statuses that the type does not have stand for the end of the search."""
    item = WebSearchItem(_string(fields, "id"), "completed")
    match _string(fields, "status"):
        case "in_progress" | "searching" | "failed" as status:
            item = structs.replace(item, status=status)
        case "incomplete":
            item = structs.replace(item, status="failed")
    action = fields.get("action", NULL)
    return unknown(item if action == NULL else structs.replace(item, action=action.copy()), fields)


def _opaque(value: T, fields: Fields, kind: str) -> T:
    known = type(value).__struct_fields__
    more = {name: _kept(raw) for name, raw in fields.items() if name not in known and name != "type"}
    return extended(value, more, tag=kind)


def _status(fields: Fields) -> ItemStatus:
    return _STATUSES.get(_string(fields, "status"), "completed")


def _arguments(fields: Fields) -> str:
    """JSON as a text; some servers send it as an object."""
    raw = fields.get("arguments", NULL)
    return bytes(raw).decode() if bytes(raw)[:1] == b"{" else _string(fields, "arguments")


def _string(fields: Fields, name: str) -> str:
    raw = fields.get(name)
    return "" if raw is None else _text(raw) or ""


def _raws(fields: Fields, name: str) -> tuple[Raw, ...]:
    raw = fields.get(name)
    return () if raw is None else tuple(map(_kept, _list(raw) or ()))


def _kept(raw: Raw) -> Raw:
    # A Raw is a view, and keeps all of the frame alive that it was read from.
    return raw.copy()
