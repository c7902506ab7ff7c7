"""`web_sources` of an answer: the pages that a search of the web found, for clients that read no items."""

import msgspec
from msgspec import Struct, field

from antiphon.protocol.deltas import OutcomeDelta, PagesFound
from antiphon.protocol.response import MessageItem, OutputTextPart, Response, WebSearchItem

__all__ = ["WebSources"]


class _Source(Struct, frozen=True):
    """One entry. Providers that search themselves tell no snippets."""

    title: str
    url: str
    snippet: str


class _Page(Struct, frozen=True):
    url: str | None = None
    title: str | None = None


class _Action(Struct, frozen=True):
    sources: list[_Page] = field(default_factory=list)


_action = msgspec.json.Decoder(_Action)
_page = msgspec.json.Decoder(_Page)


class WebSources:
    """Of one answer. `asked`: web search was asked for, so that the field is there even where nothing was found."""

    __slots__ = ("_asked", "_found")

    def __init__(self, *, asked: bool) -> None:
        self._asked = asked
        self._found: dict[str, _Source] = {}

    def see(self, delta: OutcomeDelta) -> None:
        """What a search that ran here found."""
        if isinstance(delta, PagesFound):
            for url, title, snippet in delta.pages:
                self._add(url, title, snippet)

    def fields(self, response: Response) -> dict[str, object]:
        """The field, with what the finished response tells besides; nothing where nobody searched."""
        searched = False
        for item in response.output:
            if isinstance(item, WebSearchItem):
                searched = True
                self._add_action(item)
            elif isinstance(item, MessageItem):
                self._add_cited(item)
        if not (searched or self._asked):
            return {}
        return {"web_sources": list(self._found.values())}

    def _add(self, url: str, title: str, snippet: str) -> None:
        have = self._found.get(url) or _Source("", url, "")
        self._found[url] = _Source(have.title or title, url, have.snippet or snippet)

    def _add_action(self, item: WebSearchItem) -> None:
        try:
            sources = _action.decode(item.action).sources
        except msgspec.DecodeError:
            return
        for source in sources:
            if source.url:
                self._add(source.url, source.title or "", "")

    def _add_cited(self, item: MessageItem) -> None:
        annotations = (raw for part in item.content if isinstance(part, OutputTextPart) for raw in part.annotations)
        for raw in annotations:
            try:
                cited = _page.decode(raw)
            except msgspec.DecodeError:
                continue
            if cited.url:
                self._add(cited.url, cited.title or "", "")
