"""What a Chat Completions provider wants back verbatim, as one opaque payload; and how a stream's pieces become one.

OpenRouter wants its `reasoning_details` back as they came, in order; a stream gives their texts in pieces. Others want
the thought's text, which clients may lose when they are only told to keep what is sealed. Google wants what stood
beside a call.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.deltas import Annotation, CallOpened, Delta, Reasoning, Refusal, Seal, Stopped, Text
from antiphon.providers.chat.chunks import ABSENT, Chunk

__all__ = ["ABSENT", "REASONING", "ChatState", "ThoughtKeeper", "read_state", "write_state"]

#: The key of thoughts among the deltas.
REASONING = "reasoning"

_Fields = dict[str, Raw]
_CLOSES = (Text, Refusal, Annotation, CallOpened, Stopped)


class ChatState(Struct, frozen=True, omit_defaults=True):
    """The payload of one item.

    Attributes:
        text: of a thought.
        details: `reasoning_details` of a thought.
        extra: the extra field of a call.
    """

    text: str = ""
    details: tuple[Raw, ...] = ()
    extra: Raw = ABSENT


class _Piece(Struct, frozen=True):
    """What tells which pieces belong together."""

    type: str = ""
    index: int | None = None


_decode = msgspec.json.Decoder(ChatState).decode
_encode = msgspec.json.Encoder().encode
_list = msgspec.json.Decoder(list[Raw] | None).decode
_piece = msgspec.json.Decoder(_Piece).decode
_fields = msgspec.json.Decoder(_Fields).decode
_text = msgspec.json.Decoder(str).decode


def write_state(state: ChatState) -> bytes:
    """The payload of a `Seal`."""
    return _encode(state)


def read_state(payload: bytes) -> ChatState | None:
    """What was written, `None` where this is nothing that this codec wrote."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


class _Detail:
    """One detail, growing. Only text grows; of other fields the last value that says something counts."""

    __slots__ = ("_chunks", "_fields", "_grows", "piece")

    def __init__(self, piece: _Piece, fields: _Fields) -> None:
        self.piece = piece
        self._grows = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(piece.type, "")
        self._fields = fields
        self._chunks = [self._grown(fields)]

    def takes(self, piece: _Piece) -> bool:
        """Whether that is the next piece of this one."""
        return bool(self._grows) and piece == self.piece

    def add(self, fields: _Fields) -> None:
        """Append a piece."""
        self._chunks.append(self._grown(fields))
        self._fields.update((name, raw) for name, raw in fields.items() if bytes(raw) != b"null")

    def whole(self) -> Raw:
        """The detail as it would have come in one piece."""
        if len(self._chunks) == 1:
            return Raw(_encode(self._fields))
        return Raw(_encode({**self._fields, self._grows: "".join(self._chunks)}))

    def _grown(self, fields: _Fields) -> str:
        raw = fields.get(self._grows)
        return _text(raw) if raw is not None and bytes(raw)[:1] == b'"' else ""


class ThoughtKeeper:
    """Gathers what belongs to a thought, and seals it while its item is open.

    Args:
        details: keep `reasoning_details`.
        text: keep the text, where there are no details.
    """

    __slots__ = ("_details", "_keeps_details", "_keeps_text", "_texts")

    def __init__(self, *, details: bool, text: bool) -> None:
        self._keeps_details = details
        self._keeps_text = text
        self._details: list[_Detail] = []
        self._texts: list[str] = []

    def take(self, chunk: Chunk, clean: Callable[[bytes], bytes]) -> None:
        """Look for details in a chunk, before anything is made of it. What cannot be read is somebody else's matter."""
        if not self._keeps_details:
            return
        for choice in chunk.choices or ():
            delta = choice.delta or choice.message
            if delta is not None and delta.reasoning_details is not ABSENT and not choice.index:
                try:
                    self._gather(clean(bytes(delta.reasoning_details)))
                except (msgspec.DecodeError, UnicodeError, RecursionError):
                    continue

    def pass_on(self, out: list[Delta], start: int) -> None:
        """Put the seal in front of what ends the thought, among the deltas from `start` on."""
        at = start
        while at < len(out):
            delta = out[at]
            if isinstance(delta, Reasoning):
                if self._keeps_text:
                    self._texts.append(delta.text)
            elif isinstance(delta, _CLOSES) and (self._details or self._texts):
                out.insert(at, Seal(REASONING, self._sealed()))
                at += 1
            at += 1

    def _gather(self, details: bytes) -> None:
        for raw in _list(details) or ():
            piece, fields = _piece(raw), _fields(bytes(raw))
            grown = next((detail for detail in reversed(self._details) if detail.takes(piece)), None)
            if grown is not None:
                grown.add(fields)
            else:
                self._details.append(_Detail(piece, fields))

    def _sealed(self) -> bytes:
        details = tuple(detail.whole() for detail in self._details)
        state = ChatState(details=details) if details else ChatState(text="".join(self._texts))
        self._details, self._texts = [], []
        return write_state(state)
