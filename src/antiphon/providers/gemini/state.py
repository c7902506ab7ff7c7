"""What Google wants back verbatim with an item, as one opaque payload: signatures, and what its own tools did."""

import msgspec
from msgspec import Struct

__all__ = ["Mark", "RawPart", "State", "read_state", "write_state"]

#: A part that no item stands for, as it came.
RawPart = dict[str, object]


class Mark(Struct, frozen=True, array_like=True):
    """A signature on a piece of a message's text, in characters. An empty piece is a part of its own."""

    start: int
    end: int
    signature: str


class State(Struct, frozen=True, omit_defaults=True):
    """The payload of one item.

    Attributes:
        signature: of a call, or of a thought.
        marks: the signatures of a message's text, in order.
        before, after: parts that stood right there and that no item stands for.
    """

    signature: str = ""
    marks: tuple[Mark, ...] = ()
    before: tuple[RawPart, ...] = ()
    after: tuple[RawPart, ...] = ()


_decode = msgspec.json.Decoder(State).decode
_encode = msgspec.json.Encoder().encode


def write_state(state: State) -> bytes:
    """The payload of a `Seal`."""
    return _encode(state)


def read_state(payload: bytes) -> State | None:
    """What was written, `None` where this is nothing that this codec wrote."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
