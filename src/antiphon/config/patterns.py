"""Patterns of model names: `*` stands for any run of characters, everything else for itself.

No regular expressions: a pattern is cut at its stars once and matched by plain searches, so that no pattern from a
configuration and no name from a client can make matching slow.
"""

from typing import final

__all__ = ["Pattern", "matches_any"]


@final
class Pattern:
    """One pattern. Without a star it matches only itself.

    Attributes:
        text: as written.
        specificity: how many characters of a name are fixed from its start; the larger, the more specific.
        stars: how many stars there are.
    """

    __slots__ = ("_first", "_last", "_middle", "_shortest", "specificity", "stars", "text")

    def __init__(self, text: str) -> None:
        first, *rest = text.split("*")
        self.text = text
        self.stars = len(rest)
        self.specificity = len(first)
        self._first = first
        self._middle = tuple(rest[:-1])
        self._last = rest[-1] if rest else ""
        self._shortest = len(text) - self.stars

    def match(self, name: str) -> tuple[str, ...] | None:
        """What each star stands for, or `None`. Each star but the last takes as little as it can."""
        if not self.stars:
            return () if name == self.text else None
        if len(name) < self._shortest or not name.startswith(self._first) or not name.endswith(self._last):
            return None
        end = len(name) - len(self._last)
        position = len(self._first)
        captured: list[str] = []
        for literal in self._middle:
            found = name.find(literal, position, end)
            if found < 0:
                return None
            captured.append(name[position:found])
            position = found + len(literal)
        captured.append(name[position:end])
        return tuple(captured)


def matches_any(patterns: tuple[str, ...], name: str) -> bool:
    """Whether any of the patterns matches."""
    return any(Pattern(pattern).match(name) is not None for pattern in patterns)
