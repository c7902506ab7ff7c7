"""Regular expressions that constrained decoders can follow: a narrower one for each that is understood.

llama.cpp follows literals, plain classes, groups, alternatives and counts; of anything else it makes any text, or an
answer that it then refuses itself. So a pattern is taken apart and written anew from these alone. What the new one
matches, the old one matches too; it never matches a character that JSON would have to escape.
"""

import re

__all__ = ["narrowed"]

#: What repeats without an end ends after so many more times.
_MORE = 32
#: Of a longer repetition decoders make rules without number.
_LONGEST_COUNT = 200
_LONGEST_PATTERN = 512
_DEEPEST = 8

#: Characters that stand for themselves in JSON and in every class.
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\[]^-') + "-"
_SPECIAL = ".^$*+?()[]{}|-"
_CLASS = re.compile(r"\[(?:\\.|[^\]\\])(?:\\.|[^\]\\])*\]")
_COUNT = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}")
_CLASS_ESCAPES = "dDwWsS"
#: Inside a class these mean sets of sets to some, and nothing to others.
_SETS = re.compile(r"\[|--|&&|~~|\|\|")


class _NotUnderstoodError(ValueError):
    """The pattern has something that is not known to be followed."""


def narrowed(pattern: str) -> str | None:
    """A pattern for whole texts, anchored at both ends. `None` where this one is not understood."""
    if len(pattern) > _LONGEST_PATTERN:
        return None
    try:
        return f"^{_Rewriter(pattern).whole()}$"
    except (_NotUnderstoodError, re.error):
        return None


class _Rewriter:
    """One pattern, read once from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def whole(self) -> str:
        """All of it. Anchors may only stand at the ends of everything: between them all else is one sequence."""
        self._skip("^")
        end = len(self._text)
        if self._text.endswith("$") and not self._text.endswith("\\$"):
            end -= 1
        anchored = self._at == 1 or end < len(self._text)
        self._text = self._text[:end]
        said = self._choices(0)
        if self._at < len(self._text) or (anchored and "|" in _top_level(self._text)):
            raise _NotUnderstoodError
        return said

    def _choices(self, depth: int) -> str:
        if depth > _DEEPEST:
            raise _NotUnderstoodError
        found = [self._sequence(depth)]
        while self._skip("|"):
            found.append(self._sequence(depth))
        if len(found) == 1:
            return found[0]
        return "|".join(found) if depth else f"({'|'.join(found)})"

    def _sequence(self, depth: int) -> str:
        pieces: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            atom = self._atom(depth)
            pieces.append(atom + self._count())
        return "".join(pieces)

    def _atom(self, depth: int) -> str:
        char = self._text[self._at]
        if char == "(":
            return self._group(depth)
        if char == "[":
            found = _CLASS.match(self._text, self._at)
            if found is None or _SETS.search(found.group(), 1):
                raise _NotUnderstoodError
            self._at = found.end()
            return _class_of(found.group())
        if char == "\\":
            escape = self._text[self._at : self._at + 2]
            self._at += 2
            return _class_of(escape) if escape[1:] in _CLASS_ESCAPES else _literal(escape[1:], escaped=True)
        self._at += 1
        return _class_of(".") if char == "." else _literal(char)

    def _group(self, depth: int) -> str:
        self._at += 1
        if self._skip("?") and not self._skip(":"):
            raise _NotUnderstoodError
        said = self._choices(depth + 1)
        if not self._skip(")"):
            raise _NotUnderstoodError
        return f"({said})"

    def _count(self) -> str:
        """How often the atom stands there, always bounded."""
        found = _COUNT.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            low = int(found.group(1))
            high = low if found.group(2) is None else int(found.group(3)) if found.group(3) else low + _MORE
        else:
            bounds = {"*": (0, _MORE), "+": (1, _MORE), "?": (0, 1)}.get(self._text[self._at : self._at + 1])
            if bounds is None:
                return ""
            self._at += 1
            low, high = bounds
        self._skip("?")  # lazy or not, the texts are the same
        if low > _LONGEST_COUNT or self._text[self._at : self._at + 1] in ("*", "+", "{"):
            raise _NotUnderstoodError
        high = min(high, _LONGEST_COUNT)
        return f"{{{low},{high}}}" if low != high else f"{{{low}}}"

    def _skip(self, char: str) -> bool:
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        return True


def _top_level(pattern: str) -> str:
    """The pattern without what stands in groups, classes and escapes."""
    flat = re.sub(r"\\.", "", pattern)
    flat = re.sub(r"\[[^\]]*\]", "", flat)
    while (less := re.sub(r"\([^()]*\)", "", flat)) != flat:
        flat = less
    return flat


def _literal(char: str, *, escaped: bool = False) -> str:
    if char in _SPECIAL and char and (escaped or char == "-"):
        return f"\\{char}"
    if not char or char in '"\\' + _SPECIAL or ord(char) < 0x20 or (escaped and char.isalnum()):
        raise _NotUnderstoodError
    return char


def _class_of(said: str) -> str:
    """A class by the characters in it, written out: of those that are safe, those that it matches."""
    matches = re.compile(said, re.ASCII).fullmatch
    own = {char for char in said if ord(char) > 0x7E}
    found = [char for char in (*_SAFE, *sorted(own)) if matches(char)]
    if not found:
        raise _NotUnderstoodError
    return f"[{_ranges(found)}]"


def _ranges(chars: list[str]) -> str:
    """Characters of a class, runs of letters and digits as ranges, the hyphen last."""
    said, at = "", 0
    chars = [char for char in chars if char != "-"] + [char for char in chars if char == "-"]
    while at < len(chars):
        last = at
        while last + 1 < len(chars) and chars[last].isalnum() and ord(chars[last + 1]) == ord(chars[last]) + 1:
            last += 1
        while last > at and not chars[last].isalnum():
            last -= 1
        said += f"{chars[at]}-{chars[last]}" if last - at > 1 else "".join(chars[at : last + 1])
        at = last + 1
    return said
