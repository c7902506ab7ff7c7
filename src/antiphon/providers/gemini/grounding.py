"""What an answer rests on: searches, pages, and which words come from where.

Google counts in bytes of UTF-8 from the beginning of a part (python-genai 3.4: `Segment`), leaves out zeros, and counts
parts that are no text; clients count in characters from the beginning of their text. The text of a segment, where it is
given, decides between the ways in which servers number the parts of a stream.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from antiphon.protocol.deltas import Annotation, Delta, SearchDone, SearchOpened
from antiphon.providers.gemini.chunks import (
    Candidate,
    Citation,
    CitedSource,
    Grounding,
    GroundingChunk,
    GroundingSupport,
    RetrievedUrl,
    Segment,
)

__all__ = ["Sources", "SpokenText", "opened_page", "searched"]

#: More citations than any answer has: each costs a walk over the text.
_MOST_CITATIONS = 1000
_MOST_SOURCES = 20  # of one piece
_encode = msgspec.json.Encoder().encode


class SpokenText:
    """The text of an answer, by the parts and the messages it stands in."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[tuple[int, str, str]] = []

    def add(self, part: int, key: str, *, text: str) -> None:
        """Text of a part, which went into the message of that key."""
        self._pieces.append((part, key, text))

    def place(self, segment: Segment, key: str) -> tuple[int, int] | None:
        """Where a segment stands in the message of that key, in characters. `None` if that cannot be told."""
        message = "".join(text for _, where, text in self._pieces if where == key)
        number = int(segment.part_index or 0)
        for before, text in (self._part(number, key), self._everything(key)):
            found = _span(text, segment)
            if found is not None and before <= found[0] < found[1] <= before + len(message):
                return found[0] - before, found[1] - before
        start = message.find(segment.text) if segment.text else -1
        return (start, start + len(segment.text or "")) if start >= 0 else None

    def _part(self, number: int, key: str) -> tuple[int, str]:
        """A part's text, and how far behind its beginning the message begins (mostly not at all, or before it)."""
        text = "".join(text for part, _, text in self._pieces if part == number)
        ahead = 0
        for part, where, piece in self._pieces:
            if part == number:
                break
            ahead -= len(piece) if where == key else 0
        for part, where, piece in self._pieces:
            if where == key:
                break
            ahead += len(piece) if part == number else 0
        return ahead, text

    def _everything(self, key: str) -> tuple[int, str]:
        ahead = 0
        for _, where, piece in self._pieces:
            if where == key:
                break
            ahead += len(piece)
        return ahead, "".join(text for _, _, text in self._pieces)


class Sources:
    """All that an answer says about its sources, put together from its chunks."""

    __slots__ = ("_chunks", "_citations", "_pages", "_queries", "_supports")

    def __init__(self) -> None:
        self._queries: list[str] = []
        self._chunks: list[GroundingChunk] = []
        self._supports: list[GroundingSupport] = []
        self._citations: list[Citation] = []
        self._pages: list[RetrievedUrl] = []

    def take(self, candidate: Candidate) -> None:
        """What one chunk says. Lists that are repeated, or grow, replace what was there."""
        if candidate.grounding_metadata is not None:
            self._ground(candidate.grounding_metadata)
        cited = candidate.citation_metadata
        if cited is not None:
            self._citations += cited.citation_sources or cited.citations or []
        pages = candidate.url_context_metadata
        if pages is not None and pages.url_metadata:
            self._pages = pages.url_metadata

    def annotations(self, spoken: SpokenText, key: str) -> list[Delta]:
        """The citations on the message of that key."""
        found: dict[bytes, Delta] = {}
        for segment, source in self._cited():
            span = spoken.place(segment, key) if source.uri else None
            if span is not None:
                citation = _citation(span, source)
                found[citation] = Annotation(key, Raw(citation))
        return list(found.values())

    def _cited(self) -> Iterator[tuple[Segment, CitedSource]]:
        """Pieces of the answer and what they rest on, at most so many."""
        pairs = [
            (support.segment or Segment(), source)
            for support in self._supports
            for index in (support.grounding_chunk_indices or ())[:_MOST_SOURCES]
            if 0 <= index < len(self._chunks) and (source := _source(self._chunks[index])) is not None
        ]
        pairs += [
            (Segment(start_index=quoted.start_index, end_index=quoted.end_index), CitedSource(quoted.uri, quoted.title))
            for quoted in self._citations
        ]
        return iter(pairs[:_MOST_CITATIONS])

    def searches(self, *, searched_already: bool) -> list[Delta]:
        """The search behind the answer, unless it was seen already, and the pages that were fetched."""
        found: list[Delta] = []
        sources = [source for chunk in self._chunks if (source := chunk.web) is not None and source.uri]
        if not searched_already and (self._queries or sources):
            found += [SearchOpened("search"), SearchDone("search", searched(self._queries, sources))]
        for number, page in enumerate(self._pages):
            if page.retrieved_url:
                failed = page.url_retrieval_status not in (None, "URL_RETRIEVAL_STATUS_SUCCESS")
                key = f"page-{number}"
                found += [SearchOpened(key), SearchDone(key, opened_page(page.retrieved_url), failed=failed)]
        return found

    def _ground(self, grounding: Grounding) -> None:
        for query in grounding.web_search_queries or ():
            if query and query not in self._queries:
                self._queries.append(query)
        self._chunks = grounding.grounding_chunks or self._chunks
        supports = (grounding.grounding_supports or self._supports)[:_MOST_CITATIONS]
        self._supports = supports


def searched(queries: list[str], sources: list[CitedSource]) -> Raw:
    """The action of a search."""
    action: dict[str, object] = {"type": "search", "query": queries[0] if queries else ""}
    if queries:
        action["queries"] = queries
    if sources:
        action["sources"] = [{"type": "url", "url": source.uri} for source in sources]
    return Raw(_encode(action))


def opened_page(url: str) -> Raw:
    """The action of a page that was looked at."""
    return Raw(_encode({"type": "open_page", "url": url}))


def _source(chunk: GroundingChunk) -> CitedSource | None:
    return chunk.web or chunk.maps or chunk.retrieved_context


def _span(text: str, segment: Segment) -> tuple[int, int] | None:
    """A segment of this text in characters, `None` if it does not lie in it or says other words."""
    start, end = segment.start_index or 0, segment.end_index or 0
    content = text.encode()
    if not 0 <= start < end <= len(content):
        return None
    before = content[: int(start)].decode("utf-8", "ignore")
    words = content[int(start) : int(end)].decode("utf-8", "ignore")
    if segment.text is not None and segment.text != words:
        return None
    return len(before), len(before) + len(words)


def _citation(span: tuple[int, int], source: CitedSource) -> bytes:
    return _encode(
        {
            "type": "url_citation",
            "start_index": span[0],
            "end_index": span[1],
            "url": source.uri,
            "title": source.title or "",
        }
    )
