"""Searches of the web that the vendor ran itself, and what the text cites of them, in the words of Responses."""

import msgspec
from msgspec import Raw

from antiphon.providers.anthropic.wire import Citation, SearchResult

__all__ = ["action_of", "annotation_of", "has_failed"]

_results = msgspec.json.Decoder(list[SearchResult])
_input = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def action_of(arguments: bytes, content: Raw) -> Raw:
    """The `action` of a `web_search_call`: what was looked for, and where something was found."""
    sources = [{"type": "url", "url": hit.url} for hit in _hits(content) if hit.url]
    action: dict[str, object] = {"type": "search", "query": _query(arguments)}
    if sources:
        action["sources"] = sources
    return Raw(_encode(action))


def has_failed(content: Raw) -> bool:
    """Whether the result is an error: an object instead of a list."""
    return bytes(content)[:1] == b"{"


def annotation_of(citation: Citation, *, start: int, end: int) -> Raw | None:
    """A citation of a page as an annotation on that span; `None` for a citation of something else."""
    if not citation.url:
        return None
    return Raw(
        _encode(
            {
                "type": "url_citation",
                "start_index": start,
                "end_index": end,
                "url": citation.url,
                "title": citation.title or "",
            }
        )
    )


def _query(arguments: bytes) -> str:
    try:
        query = _input.decode(arguments).get("query", Raw(b'""'))
        return _text.decode(query)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _hits(content: Raw) -> list[SearchResult]:
    try:
        return _results.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
