"""Finds the sources that a model cites, while its text streams by. Pure; the same for every way of splitting the text.

The model is asked for Markdown links (`untrusted.CITE`), for these are also what people read. What models write besides
is understood too: a bare address, and the number of a result as `[2]` or `【2】`. Only addresses that were found count:
an address that a model made up is never a citation.
"""

import re
from typing import NamedTuple

import msgspec
from msgspec import Raw

from antiphon.tools.sources import Source, SourceBook

__all__ = ["Citation", "CitationFinder", "LinkCiter"]

#: More than any answer has.
_MAX_CITATIONS = 1000
_MAX_ADDRESS = 2048

_START = re.compile(r"[\[【h]", re.IGNORECASE)
_LABEL = re.compile(r"\[[^\[\]\n]{0,300}")
_NUMBER = re.compile(r"[\[【](\d{1,4})(?:†[^】\[\]\n]{0,40})?[\]】]")
_NUMBER_BEGUN = re.compile(r"[\[【](?:\d{0,4}|\d{1,4}†[^】\[\]\n]{0,40})\Z")
_SCHEME = "https://"
_ADDRESS = re.compile(r"[^\s<>\"'`\\^{}|\[\]【】]*")
_BRACKET = re.compile(r"[()\n]")
#: What stands between the brackets of a link: the address, perhaps a title in quotes.
_INSIDE = re.compile(r"[ \t]*<?([^\s<>]+)>?(?:[ \t]+(?:\"[^\"]*\"|'[^']*'))?[ \t]*")
_TAIL = ".,;:!?)*_~"
_NO_MARKER_BEFORE = re.compile(r"[\w\])]")


class Citation(NamedTuple):
    """A source, and which characters of the text stand for it."""

    start: int
    end: int
    source: Source

    @property
    def annotation(self) -> Raw:
        """As an annotation of the Responses API."""
        return Raw(
            msgspec.json.encode(
                {
                    "type": "url_citation",
                    "start_index": self.start,
                    "end_index": self.end,
                    "url": self.source.url,
                    "title": self.source.title,
                }
            )
        )


class _Found(NamedTuple):
    """`end` is where the search goes on; a source where something was cited, from the beginning up to `cited`."""

    end: int
    source: Source | None = None
    cited: int = 0


class LinkCiter:
    """Implements `tools.base.Citer` over the sources of one response."""

    __slots__ = ("_finder",)

    def __init__(self, book: SourceBook) -> None:
        self._finder = CitationFinder(book)

    def feed(self, text: str) -> list[Raw]:
        """More text; annotations of what is certain now."""
        return [citation.annotation for citation in self._finder.feed(text)]

    def end(self) -> list[Raw]:
        """The text is complete."""
        return [citation.annotation for citation in self._finder.end()]


class CitationFinder:
    """Reads one text part. Holds back at most one candidate (some 2,500 characters); the text itself need not wait.

    A citation is told as soon as the text behind it shows that it is complete. `book` may grow meanwhile.
    """

    __slots__ = ("_before", "_book", "_count", "_held", "_offset")

    def __init__(self, book: SourceBook) -> None:
        self._book = book
        self._held = ""
        self._offset = 0
        self._before = ""
        self._count = 0

    def feed(self, text: str) -> list[Citation]:
        """More text; the citations that are certain now."""
        self._held += text
        return self._scan(final=False)

    def end(self) -> list[Citation]:
        """The text is complete."""
        return self._scan(final=True)

    def _scan(self, *, final: bool) -> list[Citation]:
        text, at, found = self._held, 0, list[Citation]()
        while start := _START.search(text, at):
            at = start.start()
            before = text[at - 1 : at] if at else self._before
            candidate = self._candidate(text, at, final=final, before=before)
            if candidate is None:
                break
            if candidate.source is not None and self._count < _MAX_CITATIONS:
                self._count += 1
                found.append(Citation(self._offset + at, self._offset + candidate.cited, candidate.source))
            at = candidate.end
        else:
            at = len(text)
        if at:
            self._before = text[at - 1]
            self._held = text[at:]
            self._offset += at
        return found

    def _candidate(self, text: str, at: int, *, final: bool, before: str) -> _Found | None:
        """What begins there; `None` if more text must come to tell."""
        if text[at] in "hH":
            return self._address(text, at, final=final)
        if text[at] == "[":
            link = self._link(text, at, final=final)
            if link is None or link.source is not None:
                return link
        return self._number(text, at, final=final, before=before)

    def _link(self, text: str, at: int, *, final: bool) -> _Found | None:
        no = _Found(at + 1)
        label = _LABEL.match(text, at)
        behind = label.end() if label else at + 1
        opening = text[behind : behind + 2]
        if opening != "](":
            return None if not final and "](".startswith(opening) else no
        limit = behind + 2 + _MAX_ADDRESS
        closing = _closing(text, behind + 2, limit)
        if closing is None:
            return None if not final and len(text) < limit else no
        inside = _INSIDE.fullmatch(text, behind + 2, closing)
        source = self._book.find(inside[1]) if inside and text[closing] == ")" else None
        return _Found(closing + 1, source, closing + 1) if source is not None else no

    def _number(self, text: str, at: int, *, final: bool, before: str) -> _Found | None:
        no = _Found(at + 1)
        marker = _NUMBER.match(text, at)
        if marker is None:
            return None if not final and _NUMBER_BEGUN.match(text, at) else no
        if text[at] == "[":
            # `x[1]`, `[1](…)` and `[1]: …` say something else.
            if _NO_MARKER_BEFORE.match(before):
                return no
            if marker.end() == len(text) and not final:
                return None
            if text[marker.end() : marker.end() + 1] in ("(", "[", ":"):
                return no
        return _Found(marker.end(), self._book.by_number(int(marker[1])), marker.end())

    def _address(self, text: str, at: int, *, final: bool) -> _Found | None:
        head = text[at : at + len(_SCHEME)].lower()
        if not head.startswith(("http://", _SCHEME)):
            waits = not final and (_SCHEME.startswith(head) or "http://".startswith(head))
            return None if waits else _Found(at + 1)
        match = _ADDRESS.match(text, at, at + _MAX_ADDRESS)
        end = match.end() if match else at + 1
        if end == len(text) and end - at < _MAX_ADDRESS and not final:
            return None
        # What closes a sentence or a bracket is rarely part of the address.
        shortest = at + len(text[at:end].rstrip(_TAIL))
        for cited in range(shortest, end + 1):
            source = self._book.find(text[at:cited])
            if source is not None:
                return _Found(end, source, cited)
        return _Found(end)


def _closing(text: str, start: int, limit: int) -> int | None:
    """Where the bracket that was opened before `start` closes, or the line ends; `None` if neither is there."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start, limit):
        if bracket[0] == "\n":
            return bracket.start()
        if bracket[0] == "(":
            depth += 1
        elif depth == 0:
            return bracket.start()
        else:
            depth -= 1
    return None
