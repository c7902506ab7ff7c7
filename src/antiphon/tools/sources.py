"""Where answers come from: what was found, by number and by address. Pure."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = ["MAX_SOURCES", "Source", "SourceBook", "address_key", "addresses_in"]

#: Beyond it nothing is remembered: no response cites as much.
MAX_SOURCES = 1000

#: An address as it stands in text. What only closes a sentence or a bracket is taken off by `addresses_in`.
_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\^{}|]{1,2048}", re.IGNORECASE)
_TAIL = ".,;:!?)]*_~"


class Source(Struct, frozen=True):
    """A page that was found. Its words are a stranger's."""

    url: str
    title: str = ""
    snippet: str = ""


class SourceBook:
    """The sources of one response, numbered from 1 in the order in which they were found."""

    __slots__ = ("_keys", "_sources")

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._sources: list[Source] = []
        self._keys: dict[str, int] = {}
        for source in sources:
            self.add(source)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def add(self, source: Source) -> int:
        """Its number: that of the same address found before, else a new one; 0 where the book is full."""
        key = address_key(source.url)
        number = self._keys.get(key, 0)
        if number:
            if source.title and not self._sources[number - 1].title:
                self._sources[number - 1] = source
            return number
        if len(self._sources) >= MAX_SOURCES:
            return 0
        self._sources.append(source)
        self._keys[key] = len(self._sources)
        return len(self._sources)

    def find(self, url: str) -> Source | None:
        """The source at that address, spelled however."""
        return self.by_number(self._keys.get(address_key(url), 0))

    def by_number(self, number: int) -> Source | None:
        """The source of that number."""
        return self._sources[number - 1] if 1 <= number <= len(self._sources) else None


def address_key(url: str) -> str:
    """What is the same for addresses that lead to the same page: no scheme, no fragment, no last slash."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}{query}"


def addresses_in(text: str) -> Iterator[str]:
    """The addresses that stand in a text, without what closes the sentence or the bracket around them."""
    for found in _ADDRESS.finditer(text):
        url = found[0]
        while url and url[-1] in _TAIL and not (url[-1] == ")" and "(" in url):
            url = url[:-1]
        yield url
