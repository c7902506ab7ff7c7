"""What Anthropic wants back verbatim: blocks of an answer, kept as a JSON array.

Thinking comes with a signature over it, search results with encrypted content. All of it is opaque here: blocks go back
in the order and with the values in which they came. An answer that was interrupted goes back whole, for as long as the
same run goes on; its payload is an object, so that the two are never mistaken for each other.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw, Struct

__all__ = ["PausedCalls", "is_pause", "read_state", "write_pause", "write_state"]


class _Typed(Struct, frozen=True):
    type: str
    id: str | None = None
    tool_use_id: str | None = None


class _Pause(Struct, frozen=True):
    paused: list[Raw]


_blocks = msgspec.json.Decoder(list[Raw])
_pause = msgspec.json.Decoder(_Pause)
_typed = msgspec.json.Decoder(_Typed)
_PAUSE = b'{"paused":'
_OWN_CALL = "server_tool_use"


def write_state(blocks: Sequence[bytes]) -> bytes:
    """The payload of a `Seal` for these blocks."""
    return b"[" + b",".join(blocks) + b"]"


def write_pause(blocks: Sequence[bytes]) -> bytes:
    """The payload for an answer of these blocks that was interrupted."""
    return _PAUSE + write_state(blocks) + b"}"


def is_pause(payload: bytes) -> bool:
    """Whether a payload is of an answer that was interrupted."""
    return payload.startswith(_PAUSE)


def read_state(payload: bytes) -> list[Raw] | None:
    """The blocks in a payload of either kind, `None` when it is none of ours."""
    try:
        found = _pause.decode(payload).paused if is_pause(payload) else _blocks.decode(payload)
        for block in found:
            _typed.decode(block)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found


class PausedCalls:
    """The calls of the vendor's own tools in the interrupted answers that go back with a request.

    Attributes:
        waiting: id -> block of those that have no result yet: it comes with the next answer.
    """

    __slots__ = ("_known", "waiting")

    def __init__(self, payloads: Iterable[bytes] = ()) -> None:
        self._known: set[str] = set()
        self.waiting: dict[str, Raw] = {}
        for payload in payloads:
            if is_pause(payload):
                self.add(read_state(payload) or ())

    def add(self, blocks: Iterable[Raw]) -> None:
        """More of such an answer, in order."""
        for raw in blocks:
            block = _typed.decode(raw)
            if block.type == _OWN_CALL:
                self._known.add(block.id or "")
                self.waiting[block.id or ""] = raw
            elif block.tool_use_id is not None:
                self.waiting.pop(block.tool_use_id, None)

    def others(self, blocks: list[Raw]) -> list[Raw]:
        """The blocks without calls that are here already: later answers of the same run have them once more."""
        return [raw for raw in blocks if not self._known or not self._has(_typed.decode(raw))]

    def _has(self, block: _Typed) -> bool:
        return block.type == _OWN_CALL and (block.id or "") in self._known
