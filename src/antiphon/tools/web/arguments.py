"""What a model wrote as arguments, read kindly: weak models get names and types wrong. Pure."""

import msgspec
from msgspec import Struct

from antiphon.tools.web.functions import SEARCH

__all__ = ["Arguments", "read_arguments"]


class Arguments(Struct, frozen=True):
    """All that any of the functions takes. What is missing is empty."""

    query: str = ""
    url: str = ""
    pattern: str = ""
    part: int = 1


_NAMES = {
    "query": ("query", "q", "queries", "search_query", "text"),
    "url": ("url", "address", "link", "page", "id"),
    "pattern": ("pattern", "query", "text", "words"),
}


def read_arguments(name: str, text: str) -> Arguments:
    """Never fails: what cannot be read is missing. Plain text counts as the one thing that a function needs."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = text.strip()
    said: dict[object, object] = value if isinstance(value, dict) else {"query" if name == SEARCH else "url": value}
    part = said.get("part")
    return Arguments(
        query=_word(said, "query", 400),
        url=_word(said, "url", 2048),
        pattern=_word(said, "pattern", 200),
        part=part if isinstance(part, int) and not isinstance(part, bool) else 1,
    )


def _word(said: dict[object, object], field: str, chars: int) -> str:
    for name in _NAMES[field]:
        value = said.get(name)
        if isinstance(value, list):
            value = next((one for one in value if isinstance(one, str)), None)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return " ".join(str(value).split())[:chars]
    return ""
