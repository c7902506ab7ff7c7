"""Characters outside the Basic Multilingual Plane that a provider cut in two: the halves of a surrogate pair.

Servers that cut their text at UTF-16 units put the first half into one frame and the second into the next. Held here
until the other half comes; what stays alone becomes U+FFFD. Only streams that had such a frame have this object.
"""

from antiphon.protocol.deltas import Key

__all__ = ["Halves"]

_REPLACEMENT = "\ufffd"


class Halves:
    """The first halves that wait, one for each block at most.

    Attributes:
        stand_ins: the chunk that is being read came through `repair_surrogates`: the block of its stand-ins, else 0.
    """

    __slots__ = ("_waiting", "stand_ins")

    def __init__(self) -> None:
        self.stand_ins = 0
        self._waiting: dict[Key, str] = {}

    def native(self, text: str) -> str:
        """Text of the chunk that is being read, with surrogates where there were some. Not fit to be encoded."""
        return self._turned(text, to=0xD800) if self.stand_ins else text

    def replaced(self, json: bytes) -> bytes:
        """JSON of the chunk that is being read, with U+FFFD where there were surrogates."""
        return self._turned(json.decode(), to=None).encode() if self.stand_ins else json

    def _turned(self, text: str, *, to: int | None) -> str:
        base = self.stand_ins
        return "".join(
            (_REPLACEMENT if to is None else chr(ord(letter) - base + to))
            if base <= ord(letter) < base + 0x800
            else letter
            for letter in text
        )

    def join(self, key: Key, text: str) -> str:
        """The text of this block that is whole now."""
        text = self._waiting.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[key] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def settle(self, key: Key) -> str:
        """Nothing more comes for this block: what it still waited with."""
        return _REPLACEMENT if self._waiting.pop(key, "") else ""

    def others(self, key: Key | None) -> list[Key]:
        """The blocks that wait for a second half, all but this one."""
        return [waiting for waiting in self._waiting if waiting != key]
