"""Events of an upstream, read: one JSON object to one of our own event structs, with placeholders where ours differ.

Raises, here and below, `msgspec.DecodeError` or `UnicodeError` for what is not JSON, or not of the expected shape, and
`RecursionError` for what is nested too deeply.
"""

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
    made = _KINDS.get(_ALIASES.get(kind, kind))
    if made is None:
        numbered = events.OpaqueEvent(
            0,
            "" if fields.get("item_id", NULL) != NULL else UNSET,
            0 if fields.get("output_index", NULL) != NULL else UNSET,
        )
        own = ("type", "sequence_number", "item_id", "output_index")
        return extended(numbered, {name: raw.copy() for name, raw in fields.items() if name not in own}, tag=kind)
    names = made.__struct_fields__
    readers = _SUMMARY_READERS if issubclass(made, events.SummaryPartAdded | events.SummaryPartDone) else _READERS
    event = made(**{name: readers[name](fields.get(name, NULL)) for name in names})
    if made in (events.ItemAdded, events.ItemDone):
        return event
    more = {name: raw.copy() for name, raw in fields.items() if name not in names and name != "type" and raw != NULL}
    return extended(event, more)


def _index(raw: Raw) -> int:
    number = _integer(raw)
    return -1 if number is None else number


def _logprobs(raw: Raw) -> tuple[Raw, ...]:
    return tuple(entry.copy() for entry in _raws(raw) or ())


# What one field of an event is read by. The numbers are the upstream's own and mean nothing here.
_READERS: dict[str, Callable[[Raw], Any]] = {
    "sequence_number": lambda _: 0,
    "output_index": lambda _: 0,
    "item_id": lambda _: "",
    "annotation_index": lambda _: 0,
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
_SUMMARY_READERS = {**_READERS, "part": read_summary_part}

_OTHER = (events.Created, events.InProgress, *events.TERMINAL, events.OpaqueEvent)
_KINDS: dict[str, type[events.Event]] = {
    events.event_type(kind): kind for kind in events.Event.__args__ if issubclass(kind, Struct) and kind not in _OTHER
}
