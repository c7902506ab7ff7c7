"""The whole of an answer as it goes back to a provider that interrupted it.

Only answers that may be interrupted are kept: those to requests with tools that the vendor runs itself.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from antiphon.providers.anthropic.state import write_pause

__all__ = ["PAUSED", "PausedAnswer"]

#: The vendor's word for it.
PAUSED = "pause_turn"

_fields = msgspec.json.Decoder(dict[str, object])
_encode = msgspec.json.Encoder().encode
_TEXTS = frozenset({"text_delta", "thinking_delta", "input_json_delta"})


class _Piece(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: Raw = Raw(b"null")


class _Event(Struct, frozen=True):
    type: str = ""
    index: int = 0
    content_block: Raw = Raw()
    delta: _Piece | None = None


class _Kept:
    """A block, with the pieces that came of its text."""

    __slots__ = ("citations", "fields", "pieces")

    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields
        self.pieces: list[str] = []
        self.citations: list[Raw] = []

    def whole(self) -> bytes | None:
        """The block; `None` where nothing is in it."""
        fields = self.fields
        text = "".join(self.pieces)
        match fields.get("type"):
            case "text":
                said = f"{fields.get('text') or ''}{text}"
                if not said.strip():
                    return None  # is refused, though it was said
                fields = {**fields, "text": said}
            case "thinking":
                fields = {**fields, "thinking": f"{fields.get('thinking') or ''}{text}"}
            case _ if text:
                fields = {**fields, "input": msgspec.json.decode(text)}
        if self.citations:
            before = fields.get("citations")
            fields = {**fields, "citations": [*(before if isinstance(before, list) else ()), *self.citations]}
        return _encode(fields)


_event = msgspec.json.Decoder(_Event)


class PausedAnswer:
    """One answer. Feed it every event, or all blocks at once."""

    __slots__ = ("_blocks", "_is_clear")

    def __init__(self) -> None:
        self._blocks: dict[int, _Kept] = {}
        self._is_clear = True  # all that came can go back

    def see(self, data: bytes) -> None:
        """An event of a stream.

        Raises:
            msgspec.DecodeError: it has not the shape that it should have.
        """
        event = _event.decode(data)
        if event.type == "content_block_start":
            self._blocks[event.index] = _Kept(_fields.decode(event.content_block))
        elif event.type == "content_block_delta" and event.delta is not None:
            self._grow(event.index, event.delta)

    def take(self, blocks: Iterable[Raw]) -> None:
        """All blocks of an answer in one piece.

        Raises:
            msgspec.DecodeError: one is no object.
        """
        self._blocks = {index: _Kept(_fields.decode(block)) for index, block in enumerate(blocks)}

    def payload(self) -> bytes | None:
        """What goes back. `None` where something is not understood, or where the client's functions were called too.

        These calls have to be answered first.
        """
        blocks = [kept for _, kept in sorted(self._blocks.items())]
        if not self._is_clear or any(kept.fields.get("type") == "tool_use" for kept in blocks):
            return None
        try:
            return write_pause([whole for kept in blocks if (whole := kept.whole()) is not None])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None  # the input of a call broke off

    def _grow(self, index: int, piece: _Piece) -> None:
        kept = self._blocks.get(index)
        if kept is None:
            return
        if piece.type in _TEXTS:
            kept.pieces.append(piece.text or piece.thinking or piece.partial_json or "")
        elif piece.type == "signature_delta":
            kept.fields["signature"] = piece.signature
        elif piece.type == "citations_delta":
            kept.citations.append(Raw(bytes(piece.citation)))
        else:
            self._is_clear = False
