"""JSON objects out of bytes as they come: one object, several in a row, or an array of them.

A stream that was not asked for as server-sent events is an array whose objects come one by one, and so it is from
proxies that lose the `alt=sse`. A whole answer is the same with one object.
"""

import re
from collections.abc import Sequence

from antiphon.providers.shared.framing import BrokenBodyError

__all__ = ["ObjectSplitter"]

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,[]\xef\xbb\xbf"


class ObjectSplitter:
    """See `shared.framing.Bodies`.

    Holds at most `limit` bytes, those of one object; beyond that `feed` raises `BrokenBodyError`.
    """

    __slots__ = ("_depth", "_escaped", "_held", "_held_bytes", "_in_string", "_limit")

    def __init__(self, *, limit: int = 32 * 1024 * 1024) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    @property
    def is_inside(self) -> bool:
        """An object has begun and not ended."""
        return self._depth > 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes as they came, return the objects that are complete now."""
        found: list[bytes] = []
        place = 0
        while place < len(data):
            if not self._depth:
                rest = data[place:].lstrip(_BETWEEN)
                if not rest:
                    break
                if rest[:1] != b"{":
                    raise BrokenBodyError("something between the objects", found)
                place = len(data) - len(rest)
            end = self._end(data, place)
            self._held.append(data[place:end])
            self._held_bytes += end - place
            if self._held_bytes > self._limit:
                raise BrokenBodyError(f"an object of more than {self._limit} bytes", found)
            place = end
            if not self._depth:
                found.append(b"".join(self._held))
                self._held = []
                self._held_bytes = 0
        return found

    def eof(self) -> Sequence[bytes]:
        """Nothing: what has not ended is no object."""
        return ()

    def _end(self, data: bytes, place: int) -> int:
        """Where the object ends that `place` is in, or the data."""
        while place < len(data):
            if self._escaped:
                self._escaped = False
                place += 1
                continue
            match = (_INSIDE if self._in_string else _OUTSIDE).search(data, place)
            if match is None:
                return len(data)
            place = match.end()
            letter = match.group()
            if letter == b'"':
                self._in_string = not self._in_string
            elif letter == b"\\":
                self._escaped = True
            elif letter in b"{[":
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return place
        return place
