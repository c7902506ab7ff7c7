"""`X-Web-Search-Used`, `-Count`, `-Status`: what came of searching the web, as far as it is known when they leave."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct, field

from antiphon.edge.asgi import Headers
from antiphon.protocol.deltas import OutcomeDelta, PagesFound
from antiphon.protocol.events import AnnotationAdded, Event, ItemAdded, ItemDone
from antiphon.protocol.request import WEB_SEARCH, Notice
from antiphon.protocol.response import WebSearchItem

__all__ = ["WebHeaders"]


class _Page(Struct, frozen=True):
    url: str | None = None


class _Action(Struct, frozen=True):
    sources: list[_Page] = field(default_factory=list)


_action = msgspec.json.Decoder(_Action)
_page = msgspec.json.Decoder(_Page)


class WebHeaders:
    """Of one answer to a request that may search. Give it all that is said and sent, and ask when headers leave.

    The status is one of: `completed`, a search gave something; `failed`, none did that was tried; `unused`, the model
    searched for nothing; `unavailable`, nobody can search for this model; `pending`, a stream begins before that is
    known.
    """

    __slots__ = ("_begun", "_done", "_failed", "_unavailable", "_urls")

    def __init__(self) -> None:
        self._begun = 0
        self._done = 0
        self._failed = 0
        self._unavailable = False
        self._urls: set[str] = set()

    def expect(self, notices: Sequence[Notice]) -> None:
        """What is not done as asked at the place that is asked now."""
        self._unavailable = any(
            notice.kind == "dropped" and notice.where.rpartition(".")[2].startswith(WEB_SEARCH) for notice in notices
        )

    def see(self, delta: OutcomeDelta) -> None:
        """What was said beside the events."""
        if isinstance(delta, PagesFound):
            self._urls.update(url for url, _, _ in delta.pages)

    def look(self, events: Sequence[Event]) -> None:
        """What is sent."""
        for event in events:
            match event:
                case ItemAdded(item=WebSearchItem()):
                    self._begun += 1
                case ItemDone(item=WebSearchItem() as item):
                    self._done += item.status == "completed"
                    self._failed += item.status == "failed"
                    self._note(item.action)
                case AnnotationAdded(annotation=raw):
                    self._cite(raw)

    def headers(self, *, ended: bool) -> Headers:
        """The three."""
        return [
            (b"x-web-search-used", b"true" if self._done else b"false"),
            (b"x-web-search-count", b"%d" % len(self._urls)),
            (b"x-web-search-status", self._status(ended=ended)),
        ]

    def _status(self, *, ended: bool) -> bytes:
        if self._done:
            return b"completed"
        if self._unavailable:
            return b"unavailable"
        if self._failed and (ended or self._begun == self._failed):
            return b"failed"
        return b"unused" if ended else b"pending"

    def _note(self, action: Raw) -> None:
        try:
            sources = _action.decode(action).sources
        except msgspec.DecodeError:
            return
        self._urls.update(source.url for source in sources if source.url)

    def _cite(self, annotation: Raw) -> None:
        try:
            url = _page.decode(annotation).url
        except msgspec.DecodeError:
            return
        if url:
            self._urls.add(url)
