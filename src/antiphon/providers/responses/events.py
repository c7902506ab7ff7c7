"""Events of an upstream, read: one JSON object to one of our own event structs, with placeholders where ours differ.

Raises, here and below, `msgspec.DecodeError` or `UnicodeError` for what is not JSON, or not of the expected shape, and
`RecursionError` for what is nested too deeply.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.protocol import events
from antiphon.protocol.extended import extended
from antiphon.protocol.reading import NULL, Fields, read_item, read_part, read_summary_part

__all__ = ["TEXT_DELTA", "Place", "TextFrame", "place_of", "read_event", "read_text"]

#: The event that nearly all others are.
TEXT_DELTA = b"response.output_text.delta"


class TextFrame(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A text delta without anything unknown in it, read in one pass."""

    type: str
    delta: str
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    sequence_number: int | None = None
    logprobs: tuple[Raw, ...] | None = ()
    obfuscation: str | None = None


class Place(Struct, frozen=True, gc=False):
    """What an event is about, in the upstream's own numbers."""

    item_id: str | None
    output_index: int | None


read_text = msgspec.json.Decoder(TextFrame).decode

_integer = msgspec.json.Decoder(int | None).decode
_string = msgspec.json.Decoder(str).decode
_optional = msgspec.json.Decoder(str | None).decode
_raws = msgspec.json.Decoder(list[Raw] | None).decode

_NAME = re.compile(r"[\w.:/-]{1,128}", re.ASCII)

#: Names that others use for the same: Open Responses' own.
_ALIASES = {
    "response.reasoning.delta": "response.reasoning_text.delta",
    "response.reasoning.done": "response.reasoning_text.done",
}


def place_of(fields: Mapping[str, Raw]) -> Place:
    """Which item an event is about."""
    item_id, index = fields.get("item_id"), fields.get("output_index")
    return Place(None if item_id is None else _optional(item_id), None if index is None else _integer(index))


def read_event(kind: str, fields: Fields) -> events.Event:
    """One item-level event. An unknown type is kept as it is."""
    plan = _PLANS.get(_ALIASES.get(kind, kind))
    if plan is None:
        return _opaque(kind, fields)
    event = plan.kind(**plan.fixed, **{name: read(fields.get(name, NULL)) for name, read in plan.readers})
    if plan.known.issuperset(fields) or plan.kind in (events.ItemAdded, events.ItemDone):
        return event
    return extended(event, {name: raw.copy() for name, raw in fields.items() if name not in plan.known and raw != NULL})


def _opaque(kind: str, fields: Fields) -> events.Event:
    if _NAME.fullmatch(kind) is None:  # it becomes a line of its own on the way to the client
        raise msgspec.ValidationError("the name of an event")
    placed = events.OpaqueEvent(
        0,
        "" if fields.get("item_id", NULL) != NULL else UNSET,
        0 if fields.get("output_index", NULL) != NULL else UNSET,
    )
    own = ("type", "sequence_number", "item_id", "output_index")
    return extended(placed, {name: raw.copy() for name, raw in fields.items() if name not in own}, tag=kind)


def _index(raw: Raw) -> int:
    number = _integer(raw)
    return -1 if number is None else number


def _logprobs(raw: Raw) -> tuple[Raw, ...]:
    return tuple(entry.copy() for entry in _raws(raw) or ())


class _Plan(Struct, frozen=True):
    """How events of one kind are made.

    Attributes:
        fixed: the fields whose values are the upstream's own numbers, which mean nothing here.
        readers: what each of the others is read by.
        known: the names of all, and `type`.
    """

    kind: type[events.Event]
    fixed: dict[str, Any]
    readers: tuple[tuple[str, Callable[[Raw], Any]], ...]
    known: frozenset[str]


_FIXED: dict[str, Any] = {"sequence_number": 0, "output_index": 0, "item_id": "", "annotation_index": 0}
_READERS: dict[str, Callable[[Raw], Any]] = {
    "content_index": _index,
    "summary_index": _index,
    "item": read_item,
    "part": read_part,
    "delta": _string,
    "text": _string,
    "refusal": _string,
    "arguments": lambda raw: _optional(raw) or "",
    "input": lambda raw: _optional(raw) or "",
    "name": lambda raw: _optional(raw) or "",
    "annotation": lambda raw: raw.copy(),
    "logprobs": _logprobs,
    "obfuscation": lambda raw: _optional(raw) or UNSET,
}
_OTHER = (events.Created, events.InProgress, *events.TERMINAL, events.OpaqueEvent)


def _plan(kind: type[events.Event]) -> _Plan:
    names = kind.__struct_fields__
    summary = issubclass(kind, events.SummaryPartAdded | events.SummaryPartDone)
    readers = {**_READERS, "part": read_summary_part if summary else read_part}
    return _Plan(
        kind,
        {name: value for name, value in _FIXED.items() if name in names},
        tuple((name, readers[name]) for name in names if name not in _FIXED),
        frozenset((*names, "type")),
    )


_PLANS = {
    events.event_type(kind): _plan(kind)
    for kind in events.Event.__args__
    if issubclass(kind, Struct) and kind not in _OTHER
}
