"""Characters outside the Basic Multilingual Plane that a provider cut in two: the halves of a surrogate pair.

Servers that cut their text at UTF-16 units put the first half into one frame and the second into the next. Held here
until the other half comes; what stays alone becomes U+FFFD. Only streams that had such a frame have this object.
"""

from antiphon.protocol.deltas import Key

__all__ = ["Halves"]

_TO_SURROGATE = {0x10F800 + offset: 0xD800 + offset for offset in range(0x800)}
_REPLACEMENT = "\ufffd"


class Halves:
    """The first halves that wait, one for each block at most."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[Key, str] = {}

    def join(self, key: Key, text: str) -> str:
        """The text of this block that is whole now. `text` holds stand-ins of `repair_surrogates`."""
        text = self._waiting.pop(key, "") + text.translate(_TO_SURROGATE)
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[key] = text[-1]
            text = text[:-1]
        return _whole(text)

    def settle(self, key: Key) -> str:
        """Nothing more comes for this block: what it still waited with."""
        return _REPLACEMENT if self._waiting.pop(key, "") else ""

    def others(self, key: Key | None) -> list[Key]:
        """The blocks that wait for a second half, all but this one."""
        return [waiting for waiting in self._waiting if waiting != key]


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
