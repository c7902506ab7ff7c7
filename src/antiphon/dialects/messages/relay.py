"""The answer of an upstream that speaks this dialect itself: handed on in its own words.

Only the message's id, the model's name and seals are ours: thoughts leave sealed, and a seal is ready only when its
item has ended. What comes behind a thought that waits for its seal waits with it.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.messages.wire import UsageCounts
from antiphon.protocol.deltas import Native
from antiphon.protocol.events import Event, ItemAdded, ItemDone
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, OutputItem, ReasoningItem

__all__ = ["Relay", "calls_in", "calls_of", "fold", "seals_in", "seals_of"]

_Fields = dict[str, Raw]

_NOTHING = Raw(b"null")
_EMPTY = Raw(b'""')
_NO_INPUT = Raw(b"{}")
_NO_USAGE = Raw(b'{"input_tokens":0,"output_tokens":0}')
_MESSAGE_STOP = Raw(b'{"type":"message_stop"}')
#: Blocks that a client reads piece by piece -> the field that the pieces are of, the delta's type, and its field.
_IN_PIECES = {
    "text": ("text", "text_delta", "text"),
    "thinking": ("thinking", "thinking_delta", "thinking"),
    "tool_use": ("input", "input_json_delta", "partial_json"),
    "server_tool_use": ("input", "input_json_delta", "partial_json"),
}

_fields = msgspec.json.Decoder(_Fields)
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class _Kind(Struct, frozen=True):
    type: str = ""


class _Peek(Struct, frozen=True):
    """What decides how an event is handed on."""

    type: str
    index: int = 0
    content_block: _Kind | None = None
    delta: _Kind | None = None


_peek = msgspec.json.Decoder(_Peek)


def seals_in(events: Iterable[Event]) -> Iterator[str | None]:
    """The seals of the thoughts that end in these events, in order."""
    return seals_of(event.item for event in events if isinstance(event, ItemDone))


def seals_of(items: Iterable[OutputItem]) -> Iterator[str | None]:
    """The seals of the thoughts among these items, in order."""
    return (item.encrypted_content or None for item in items if isinstance(item, ReasoningItem))


def calls_in(events: Iterable[Event]) -> Iterator[str]:
    """The ids of the calls that begin in these events, in order."""
    return calls_of(event.item for event in events if isinstance(event, ItemAdded))


def calls_of(items: Iterable[OutputItem]) -> Iterator[str]:
    """The ids of the calls among these items, in order."""
    return (item.call_id for item in items if isinstance(item, FunctionCallItem | CustomCallItem))


class Relay:
    """Hands on one answer. What bare servers leave out although clients cannot do without is put in.

    Attributes:
        begun: there is something to hand on.
        ended: its last event was handed on.
    """

    __slots__ = (
        "_calls", "_held", "_message_id", "_model", "_sealed", "_seals", "_signed", "_uncounted", "_waiting", "begun",
        "ended",
    )  # fmt: skip

    def __init__(self) -> None:
        self._waiting: deque[Native] = deque()
        self._seals: deque[str | None] = deque()
        self._held: dict[int, _Fields] = {}  # beginnings of blocks that are known only with their seal
        self._signed: set[int] = set()  # thoughts that have a signature
        self._sealed: dict[int, str] = {}  # what stands in for it
        self._calls: deque[str] = deque()  # our ids of the calls to come
        self._uncounted: _Fields = {}  # the end of the message, which did not come with its counts
        self._message_id = ""
        self._model = ""
        self.begun = False
        self.ended = False

    def name(self, message_id: str, model: str) -> None:
        """What the message and its model are called here."""
        self._message_id = message_id
        self._model = model

    def push(self, native: Native) -> None:
        """Take an event of the upstream's."""
        self._waiting.append(native)
        self.begun = True

    def expect(self, calls: Iterable[str]) -> None:
        """The ids that calls have here, for those that came without."""
        self._calls.extend(calls)

    def count(self, usage: UsageCounts) -> list[Raw]:
        """The end of a message that came without its counts, with these."""
        if not self._uncounted:
            return []
        self.ended = True
        return [Raw(_encode({**self._uncounted, "usage": usage})), _MESSAGE_STOP]

    def take(self, seals: Iterable[str | None], *, all_of_it: bool = False) -> list[Raw]:
        """The events that can be handed on by now. With `all_of_it` nothing waits any longer for a seal."""
        self._seals.extend(seals)
        out: list[Raw] = []
        while self._waiting and (all_of_it or self._waiting[0].seals <= len(self._seals)):
            native = self._waiting.popleft()
            found = [self._seals.popleft() for _ in range(min(native.seals, len(self._seals)))]
            self._hand_on(native.raw, found, out)
        return out

    def _hand_on(self, raw: Raw, seals: list[str | None], out: list[Raw]) -> None:
        event = _peek.decode(raw)
        if seals and event.type.startswith("content_block"):
            self._sealed[event.index] = seals[-1] or ""
        match event.type:
            case "message_start":
                out.append(self._named(raw))
            case "message_delta" if b'"usage"' not in bytes(raw):
                self._uncounted = _fields.decode(raw)
            case "message_stop" if self._uncounted:
                pass  # behind the counts
            case "content_block_start":
                self._start(event, raw, out)
            case "content_block_delta" if event.delta is not None and event.delta.type == "signature_delta":
                self._signed.add(event.index)
            case "content_block_stop":
                self._stop(event.index, out)
                out.append(raw)
            case _:
                self.ended = self.ended or event.type == "message_stop"
                out.append(raw)

    def _named(self, raw: Raw) -> Raw:
        fields = _fields.decode(raw)
        message = _fields.decode(fields.get("message", _NO_INPUT))
        message["id"] = Raw(_encode(self._message_id))
        message["model"] = Raw(_encode(self._model))
        message.setdefault("usage", _NO_USAGE)
        return Raw(_encode({**fields, "message": message}))

    def _start(self, event: _Peek, raw: Raw, out: list[Raw]) -> None:
        kind = event.content_block.type if event.content_block else ""
        if kind == "redacted_thinking":
            self._held[event.index] = _fields.decode(raw)
        elif kind in _IN_PIECES:
            out += self._begun(event.index, kind, fields=_fields.decode(raw))
        else:
            out.append(raw)

    def _begun(self, index: int, kind: str, *, fields: _Fields) -> Iterator[Raw]:
        """A block begins empty. What it came with, from an answer in one piece, follows as its first delta."""
        block = _fields.decode(fields["content_block"])
        if kind == "tool_use":
            own_id = self._calls.popleft() if self._calls else ""
            if bytes(block.get("id", _EMPTY)) in (b'""', b"null"):
                block["id"] = Raw(_encode(own_id))
        name, delta_type, delta_field = _IN_PIECES[kind]
        empty = _NO_INPUT if name == "input" else _EMPTY
        value = block.get(name, empty)
        if bytes(block.get("signature", _EMPTY)) not in (b'""', b"null"):
            self._signed.add(index)
            block["signature"] = _EMPTY
        block[name] = empty
        yield Raw(_encode({**fields, "content_block": block}))
        if bytes(value) not in (b'""', b"{}", b"null"):
            piece = bytes(value).decode() if name == "input" else _text.decode(value)
            delta = {"type": delta_type, delta_field: piece}
            yield Raw(_encode({"type": "content_block_delta", "index": index, "delta": delta}))

    def _stop(self, index: int, out: list[Raw]) -> None:
        """A thought ends: its seal takes the place of what it was signed with."""
        held = self._held.pop(index, None)
        seal = self._sealed.pop(index, "")
        if held is not None:
            block = {**_fields.decode(held["content_block"]), "data": Raw(_encode(seal))}
            out.append(Raw(_encode({**held, "content_block": block})))
        elif index in self._signed:
            self._signed.discard(index)
            delta = {"type": "signature_delta", "signature": seal}
            out.append(Raw(_encode({"type": "content_block_delta", "index": index, "delta": delta})))


def fold(events: Iterable[Raw]) -> bytes:
    """The message that a stream of events amounts to, in the upstream's own words."""
    message: _Fields = {}
    blocks: dict[int, _Block] = {}
    for raw in events:
        fields = _fields.decode(raw)
        event = _peek.decode(raw)
        if event.type == "message_start":
            message = _fields.decode(fields.get("message", _NO_INPUT))
        elif event.type == "content_block_start":
            blocks[event.index] = _Block(_fields.decode(fields.get("content_block", _NO_INPUT)))
        elif event.type == "content_block_delta" and event.index in blocks and event.delta is not None:
            blocks[event.index].add(event.delta.type, _fields.decode(fields["delta"]))
        elif event.type == "message_delta":
            _end(message, fields)
    message["content"] = Raw(_encode([blocks[index].whole() for index in sorted(blocks)]))
    return _encode(message)


class _Block:
    """A content block that is being put together."""

    __slots__ = ("_citations", "_fields", "_pieces")

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields
        self._pieces: dict[str, list[str]] = {}
        self._citations: list[Raw] = []

    def add(self, kind: str, delta: _Fields) -> None:
        if kind == "citations_delta":
            self._citations += [delta["citation"]] if "citation" in delta else []
            return
        for name, value in delta.items():
            if name != "type" and bytes(value)[:1] == b'"':
                self._pieces.setdefault(name, []).append(_text.decode(value))

    def whole(self) -> _Fields:
        fields = dict(self._fields)
        for name, pieces in self._pieces.items():
            if name == "partial_json":
                fields["input"] = _object("".join(pieces))
            else:
                begun = fields.get(name, _EMPTY)
                fields[name] = Raw(_encode((_text.decode(begun) if bytes(begun)[:1] == b'"' else "") + "".join(pieces)))
        if self._citations:
            fields["citations"] = Raw(_encode(self._citations))
        return fields


def _object(text: str) -> Raw:
    """A call's input. One that was cut is no object, and is handed on as text."""
    try:
        _fields.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Raw(_encode({"_raw": text}))
    return Raw((text or "{}").encode())


def _end(message: _Fields, fields: _Fields) -> None:
    """What is known only at the end wins over what was said at the beginning."""
    message.update(_fields.decode(fields.get("delta", _NO_INPUT)))
    usage = {
        **_fields.decode(message.get("usage", _NO_INPUT)),
        **{name: value for name, value in _fields.decode(fields.get("usage", _NO_INPUT)).items() if value != _NOTHING},
    }
    message["usage"] = Raw(_encode(usage))
    message.update((name, value) for name, value in fields.items() if name not in ("type", "delta", "usage"))
