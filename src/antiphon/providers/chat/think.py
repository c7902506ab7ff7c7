"""Thoughts inside the text, between `<think>` and `</think>`, for servers that do not take them apart themselves."""

from typing import Literal

__all__ = ["ThinkSplitter"]

_OPEN = "<think>"
_CLOSE = "</think>"

_Piece = tuple[bool, str]


class ThinkSplitter:
    """Splits a text that begins with thoughts. A tag may come in pieces; what may become one is held back.

    A missing opening tag is common (chat templates put it into the prompt), so that text without one is taken for
    thought until the closing tag. When none of the two ever comes, `end` gives the whole text once more, as text.
    """

    __slots__ = ("_begun", "_held", "_opened", "_state", "_untagged")

    def __init__(self) -> None:
        self._state: Literal["start", "thought", "gap", "text"] = "start"
        self._held = ""
        self._opened = False
        self._begun = False
        self._untagged: list[str] = []

    def stand_aside(self) -> None:
        """The server does take thoughts apart: the text is text."""
        if self._state == "start":
            self._state = "text"

    def feed(self, text: str) -> list[_Piece]:
        """Pieces in order: (whether it is thought, the piece)."""
        held, self._held = self._held, ""
        if self._state == "text":
            return [(False, held + text)] if held or text else []
        text = held + text
        if self._state == "start":
            return self._start(text)
        if self._state == "gap":
            return self._after(text)
        return self._thought(text)

    def end(self, *, answer_missing: bool) -> list[_Piece]:
        """What was held back. With `answer_missing`, a text that had no tag at all is given back as text."""
        pieces: list[_Piece] = []
        if self._held:
            thought = self._state == "thought"
            pieces.append((thought, self._held))
            if thought and not self._opened:
                self._untagged.append(self._held)
        self._held = ""
        if answer_missing and self._untagged:
            pieces.append((False, "".join(self._untagged)))
        self._untagged = []
        self._state = "text"
        return pieces

    def _start(self, text: str) -> list[_Piece]:
        visible = text.lstrip()
        if _OPEN.startswith(visible) and visible != _OPEN:
            self._held = text
            return []
        self._state = "thought"
        if visible.startswith(_OPEN):
            self._opened = True
            return self._thought(visible[len(_OPEN) :])
        self._begun = True
        return self._thought(text)

    def _thought(self, text: str) -> list[_Piece]:
        if not self._begun:
            text = text.lstrip()  # the line break behind the tag
            self._begun = bool(text)
        thought, closed, rest = text.partition(_CLOSE)
        if closed:
            self._state = "gap"
            self._untagged = []
            return [*([(True, thought)] if thought else []), *self._after(rest)]
        keep = _partial_tag(text)
        self._held = text[len(text) - keep :]
        text = text[: len(text) - keep]
        if text and not self._opened:
            self._untagged.append(text)
        return [(True, text)] if text else []

    def _after(self, text: str) -> list[_Piece]:
        """Between the tag and the answer stand line breaks that belong to neither."""
        text = text.lstrip()
        if not text:
            return []
        self._state = "text"
        return [(False, text)]


def _partial_tag(text: str) -> int:
    """How many characters at the end may be the beginning of the closing tag."""
    for length in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if text.endswith(_CLOSE[:length]):
            return length
    return 0
