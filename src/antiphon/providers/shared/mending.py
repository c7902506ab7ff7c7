"""Frames whose text was cut inside of a character, rewritten so that everybody can read them.

For dialects whose frames are read as they are: the rewritten ones go the same way as all others.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from antiphon.protocol.deltas import Key
from antiphon.providers.shared.halves import Halves
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["Mending", "Place", "is_mendable", "mended_body"]

#: One text of a frame: the block that it goes on with, and where it stands.
Place = tuple[Key, dict[str, Any], str]

_encode = msgspec.json.Encoder().encode


def is_mendable(data: bytes) -> bool:
    """Whether a frame that cannot be read has half a character in it."""
    return repair_surrogates(data)[0] != data


class Mending:
    """The frames of one stream, from the first broken one on.

    Args:
        places: where the texts of a frame are that go on from frame to frame.
        late: a frame that adds this text to that block.
    """

    __slots__ = ("_halves", "_late", "_places")

    def __init__(
        self, places: Callable[[dict[str, Any]], Iterator[Place]], late: Callable[[Any, str], dict[str, Any]]
    ) -> None:
        self._halves = Halves()
        self._places = places
        self._late = late

    def frames(self, data: bytes) -> list[bytes]:
        """What to read instead of this frame. What stays half a character becomes U+FFFD.

        Raises:
            msgspec.DecodeError: it is broken in some other way.
        """
        mended, stand_ins = repair_surrogates(data)
        halves = self._halves
        halves.stand_ins = stand_ins if mended != data else 0
        frame = msgspec.json.decode(mended)
        if not isinstance(frame, dict):
            return [mended]
        found = list(self._places(frame))
        native = [halves.native(holder[name]) for _, holder, name in found]
        clean: dict[str, Any] = msgspec.json.decode(halves.replaced(mended))
        for (key, holder, name), text in zip(self._places(clean), native, strict=True):
            holder[name] = halves.join(key, text)
        if not found and frame.get("type") == "ping":
            return [_encode(clean)]
        touched = {key for key, _, _ in found}
        waiting = [key for key in halves.others(None) if key not in touched]
        return [*(_encode(self._late(key, halves.settle(key))) for key in waiting), _encode(clean)]


def mended_body(body: bytes) -> bytes:
    """A whole answer, where what stands for half a character is U+FFFD."""
    mended, stand_ins = repair_surrogates(body)
    halves = Halves()
    halves.stand_ins = stand_ins
    return halves.replaced(mended)
