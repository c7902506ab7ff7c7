"""What Anthropic wants back verbatim: blocks of an answer, kept as a JSON array.

Thinking comes with a signature over it, search results with encrypted content. All of it is opaque here: blocks go back
in the order and with the values in which they came.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

__all__ = ["read_state", "write_state"]


class _Typed(Struct, frozen=True):
    type: str


_blocks = msgspec.json.Decoder(list[Raw])
_typed = msgspec.json.Decoder(_Typed)


def write_state(blocks: Sequence[bytes]) -> bytes:
    """The payload of a `Seal` for these blocks."""
    return b"[" + b",".join(blocks) + b"]"


def read_state(payload: bytes) -> list[Raw] | None:
    """The blocks in a payload, `None` when it is none of ours."""
    try:
        found = _blocks.decode(payload)
        for block in found:
            _typed.decode(block)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found
