"""The `web_search` tool: what the model may call, and what comes of it. Never raises over a search or a page."""

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.records import Tenant
from antiphon.protocol.request import FunctionTool, HostedTool
from antiphon.tools.base import Caller, Outcome
from antiphon.tools.sources import Source, SourceBook, address_key, addresses_in
from antiphon.tools.web import shown
from antiphon.tools.web.arguments import Arguments, read_arguments
from antiphon.tools.web.asked import Asked, asked
from antiphon.tools.web.citations import LinkCiter
from antiphon.tools.web.engine import ContextSize, Engine, EngineFault, Location, Query, search
from antiphon.tools.web.extract import Page
from antiphon.tools.web.functions import FIND, OPEN, SEARCH, web_functions
from antiphon.tools.web.page import PageFault, PageReader

__all__ = ["OpenedSearch", "WebSearch", "WebSearchOptions"]

#: Addresses that count as shown; what is shown later does not.
_MOST_SHOWN = 20_000
_encode = msgspec.json.Encoder().encode


class WebSearchOptions(Struct, frozen=True):
    """What the operator decides. `cost_micros` is what one search costs, in millionths of a US dollar."""

    max_results: int = 10
    timeout_s: float = 10.0
    context: ContextSize = "medium"
    open_pages: Literal["shown", "any", "off"] = "shown"
    cost_micros: int = 0


class WebSearch:
    """The kind of tool; see `HostedKind`. Without a `reader` there is searching only.

    `new_mark` gives a text that nobody can guess, each time another: the marks around the words of strangers.
    """

    def __init__(
        self, engine: Engine, reader: PageReader | None, *, options: WebSearchOptions, new_mark: Callable[[], str]
    ) -> None:
        self.engine = engine
        self.reader = reader if options.open_pages != "off" else None
        self.options = options
        self.new_mark = new_mark

    def serves(self, kind: str) -> bool:
        """`web_search`, `web_search_preview`, and both with a date."""
        return kind.startswith("web_search")

    async def open(self, tool: HostedTool, caller: Caller) -> "OpenedSearch":
        """See `HostedKind`. Waits for nothing."""
        options = self.options
        wanted = asked(tool.raw, context=options.context, most_results=options.max_results, place=caller.place)
        return OpenedSearch(self, wanted, caller)


class OpenedSearch:
    """The tool in one response. `book` holds what was found, for citations."""

    item_type = "web_search_call"

    def __init__(self, kind: WebSearch, wanted: Asked, caller: Caller) -> None:
        self._kind = kind
        self._wanted = wanted
        self._tenant: Tenant = caller.tenant
        self.book = SourceBook(caller.sources)
        self._shown: set[str] = set()
        pages = (text for name, text in caller.read if name == OPEN)
        for text in (*caller.said, *(source.url for source in caller.sources), *pages):
            self._note(text)

    @property
    def functions(self) -> tuple[FunctionTool, ...]:
        """Nothing where the client wants nothing fetched."""
        if not self._wanted.live:
            return ()
        return web_functions(place=_place(self._wanted.location), pages=self._kind.reader is not None)

    def begun(self, name: str, arguments: str) -> Raw:
        """See `OpenedTool`."""
        return self._action(name, read_arguments(name, arguments))

    async def call(self, name: str, arguments: str) -> Outcome:
        """See `OpenedTool`."""
        said = read_arguments(name, arguments)
        action = self._action(name, said)
        if not self._wanted.live:
            return _failed(name, "nothing may be fetched for this request.", action)
        if name == SEARCH:
            return await self._search(said, action)
        reader = self._kind.reader
        if name in (OPEN, FIND) and reader is not None:
            return await self._visit(name, said, reader)
        return _failed(name[:80], "there is no such tool.", action)

    def new_citer(self) -> "LinkCiter":
        """See `OpenedTool`."""
        return LinkCiter(self.book)

    async def close(self) -> None:
        """Nothing is held."""

    async def _search(self, said: Arguments, action: Raw) -> Outcome:
        if not said.query:
            return _failed(SEARCH, "`query` is missing.", action)
        wanted, options = self._wanted, self._kind.options
        query = Query(
            said.query,
            wanted.room.results,
            domains=wanted.domains,
            location=wanted.location,
            context=wanted.context,
            snippet_chars=wanted.room.snippet_chars,
        )
        try:
            hits = await search(self._kind.engine, query, timeout_s=options.timeout_s)
        except EngineFault as fault:
            return _failed("The search", str(fault), action, detail=fault.detail)
        sources = tuple(Source(hit.url, hit.title[:300], hit.snippet[: wanted.room.snippet_chars]) for hit in hits)
        numbered = [(self.book.add(source), hit) for source, hit in zip(sources, hits, strict=True)]
        for hit in hits:
            self._note(hit.url)
        return Outcome(
            shown.results(numbered, snippet_chars=wanted.room.snippet_chars, mark=self._kind.new_mark()),
            _searched(said.query, [source.url for source in sources]),
            sources,
            cost_micros=options.cost_micros,
        )

    async def _visit(self, name: str, said: Arguments, reader: PageReader) -> Outcome:
        what = "Opening the page" if name == OPEN else "Looking into the page"
        url = self._address(said.url)
        action = self._action(name, said)
        if not url or (name == FIND and not said.pattern):
            return _failed(what, "`url` is missing." if not url else "`pattern` is missing.", action)
        if self._kind.options.open_pages == "shown" and address_key(url) not in self._shown:
            return _failed(what, "only pages whose address was shown may be opened: search first.", action)
        try:
            page = await reader.read(self._tenant, url, domains=self._wanted.domains)
        except PageFault as fault:
            return _failed(what, str(fault), action, detail=fault.detail)
        source = Source(page.url, page.title)
        self.book.add(source)
        return Outcome(self._view(name, said, page), action, (source,))

    def _view(self, name: str, said: Arguments, page: Page) -> str:
        mark = self._kind.new_mark()
        if name == FIND:
            return shown.found_places(page, said.pattern, mark=mark)
        chars = self._wanted.room.page_chars
        part = min(max(1, said.part), shown.parts_of(page, chars=chars))
        text = shown.page_part(page, part, chars=chars, mark=mark)
        self._note(text)
        return text

    def _action(self, name: str, said: Arguments) -> Raw:
        if name == OPEN:
            return Raw(_encode({"type": "open_page", "url": self._address(said.url)}))
        if name == FIND:
            return Raw(_encode({"type": "find_in_page", "url": self._address(said.url), "pattern": said.pattern}))
        return _searched(said.query, None)

    def _address(self, url: str) -> str:
        """As it was found: weak models give the number of a result, or nearly its address."""
        number = url.strip("[]【】 ")
        found = self.book.by_number(int(number)) if number.isdecimal() and len(number) < 5 else self.book.find(url)
        return found.url if found is not None else url

    def _note(self, text: str) -> None:
        """Addresses in it may be opened from now on."""
        for url in addresses_in(text):
            if len(self._shown) < _MOST_SHOWN:
                self._shown.add(address_key(url))


def _searched(query: str, urls: list[str] | None) -> Raw:
    action: dict[str, object] = {"type": "search", "query": query, "queries": [query] if query else []}
    if urls is not None:
        action["sources"] = [{"type": "url", "url": url} for url in urls]
    return Raw(_encode(action))


def _failed(what: str, why: str, action: Raw, *, detail: str = "") -> Outcome:
    return Outcome(shown.failure(what, why), action, failed=True, detail=detail or why)


def _place(location: Location) -> str:
    return ", ".join(part for part in (location.city, location.region, location.country) if part)
