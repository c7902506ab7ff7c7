"""Searching the web at a provider that speaks Chat: how it is asked to, and what its answers tell of it.

In an answer there is no sign of a search but what it gave: citations on the text, or with Perplexity a list of results
to which numbers in the text refer. Of these the search is made that clients of the Responses API know.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.deltas import Annotation, Delta, SearchDone, SearchOpened, Stopped, Text
from antiphon.protocol.request import WEB_SEARCH, HostedTool, Notice, Request
from antiphon.providers.quirks.base import ChatSearch

__all__ = ["SearchReader", "lost_count", "native_search", "search_reader", "write_search"]

_KEY = "search"
_LACKS = "not_supported_by_upstream"
_SERVER_TOOL = "openrouter:web_search"
#: Perplexity's filter is one list, in which what is not wanted has this before it.
_NOT = "-"
_NUMBER = re.compile(r"\[(\d{1,3})\](?!\()")
#: More is no citation any more.
_MOST_CITATIONS = 1000
_encode = msgspec.json.Encoder().encode


class _Filters(Struct, frozen=True):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class _Search(Struct, frozen=True):
    """What a client can say of a search. `None` where it did not."""

    filters: _Filters | None = None
    user_location: dict[str, Raw] | None = None
    search_context_size: str | None = None
    max_results: int | None = None


class _Page(Struct, frozen=True):
    url: str | None = None
    title: str | None = None


class _Found(Struct, frozen=True):
    """What Perplexity found. `citations` is the older of the two."""

    search_results: list[_Page] | None = None
    citations: list[str] | None = None


_search = msgspec.json.Decoder(_Search)
_page = msgspec.json.Decoder(_Page)
_found = msgspec.json.Decoder(_Found)


def native_search(request: Request, form: ChatSearch) -> list[HostedTool]:
    """The searches of a request that this provider does itself."""
    if form == "none":
        return []
    return [tool for tool in request.tools if isinstance(tool, HostedTool) and tool.type.startswith(WEB_SEARCH)]


def write_search(tool: HostedTool, form: ChatSearch, notices: list[Notice]) -> tuple[Mapping[str, object], object]:
    """Fields of the body that ask for it, and an entry of its `tools`, each where this provider has it so."""
    asked = _search.decode(tool.raw)
    filters = asked.filters or _Filters()
    sized = {"search_context_size": asked.search_context_size}
    if filters.allowed_domains and filters.blocked_domains and form != "options":  # neither takes both
        notices.append(_lost(tool, "filters.blocked_domains"))
    if form == "server_tool":
        parameters = {
            "max_results": asked.max_results,
            **sized,
            "allowed_domains": filters.allowed_domains,
            "excluded_domains": None if filters.allowed_domains else filters.blocked_domains,
            "user_location": asked.user_location,
        }
        return {}, {"type": _SERVER_TOOL, "parameters": _said(parameters)}
    place = asked.user_location or {}
    if form == "options":
        if filters.allowed_domains or filters.blocked_domains:
            notices.append(_lost(tool, "filters"))
        nested = {"type": "approximate", "approximate": {k: v for k, v in place.items() if k != "type"}}
        return {"web_search_options": _said({**sized, "user_location": nested if place else None})}, None
    known = {name: place.get(name) for name in ("country", "region", "city")}
    fields = _said({**sized, "user_location": _said(known) or None})
    domains = filters.allowed_domains or [_NOT + name for name in filters.blocked_domains or ()]
    return _said({"web_search_options": fields or None, "search_domain_filter": domains or None}), None


def lost_count(request: Request, form: ChatSearch) -> tuple[Notice, ...]:
    """A notice where the client wants a number of results, and the provider that searches knows of none."""
    if request.web_results is None or form in ("none", "server_tool"):
        return ()
    return (Notice("web_results_count", "dropped", _LACKS),)


def search_reader(request: Request, form: ChatSearch) -> "SearchReader | None":
    """For one answer; `None` where nothing is searched."""
    if form == "none":
        return None
    asked = request.searches_web
    if form != "always" and not asked:
        return None
    return SearchReader(numbered=form == "always", asked=asked)


class SearchReader:
    """Of one answer. Adds the search, right before the model stops, and what cites its results.

    Args:
        numbered: the text cites by numbers, and the results come beside it.
        asked: the client asked for a search, and so shall be told of it; else only of what is cited.
    """

    __slots__ = ("_asked", "_cited", "_numbered", "_pages", "_text")

    def __init__(self, *, numbered: bool, asked: bool) -> None:
        self._asked = asked
        self._numbered = numbered
        self._pages: list[_Page] = []
        self._cited: dict[str, None] = {}
        self._text: list[str] = []

    def pass_on(self, data: bytes, out: list[Delta], start: int) -> None:
        """Look at the deltas from `start` on, which this chunk caused."""
        if self._numbered:
            self._look(data)
        for at in range(start, len(out)):
            delta = out[at]
            if isinstance(delta, Stopped):
                out[at:at] = self._told()
                return
            if isinstance(delta, Text) and self._numbered:
                self._text.append(delta.text)
            elif isinstance(delta, Annotation):
                url = _page.decode(delta.annotation).url
                if url:
                    self._cited[url] = None

    def _look(self, data: bytes) -> None:
        try:
            found = _found.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return
        pages = found.search_results or [_Page(url) for url in found.citations or ()]
        self._pages = pages or self._pages

    def _told(self) -> Iterator[Delta]:
        yield from self._citations()
        urls = list(dict.fromkeys((*self._cited, *(page.url for page in self._pages if page.url))))
        if urls and self._asked:
            sources = [{"type": "url", "url": url} for url in urls]
            yield SearchOpened(_KEY)
            yield SearchDone(_KEY, Raw(_encode({"type": "search", "query": "", "sources": sources})))

    def _citations(self) -> Iterator[Delta]:
        text = "".join(self._text)
        for count, marker in enumerate(_NUMBER.finditer(text) if self._pages else ()):
            number = int(marker[1])
            page = self._pages[number - 1] if 1 <= number <= len(self._pages) else _Page()
            if not page.url or count >= _MOST_CITATIONS:
                continue
            cited = {
                "type": "url_citation",
                "start_index": marker.start(),
                "end_index": marker.end(),
                "url": page.url,
                "title": page.title or "",
            }
            yield Annotation("text", Raw(_encode(cited)))


def _said(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _lost(tool: HostedTool, option: str) -> Notice:
    return Notice(f"tools.{tool.type}.{option}", "dropped", _LACKS)
