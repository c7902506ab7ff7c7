"""SearXNG: a metasearch engine that one runs oneself. `GET /search?format=json`, see its Search API (2026-10).

JSON must be switched on there (`search.formats` in its settings.yml); otherwise it answers 403. It tells nothing of how
many results are wanted, and passes the operators in a query to the engines behind it.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct, field

from antiphon.tools.web.engine import EngineAccess, EngineFault, Hit, Query, plain_text, with_sites

__all__ = ["Searxng"]


class _Result(Struct, frozen=True):
    url: str | None = None  # null for results that are no pages, such as tables
    title: str | None = None
    content: str | None = None
    published: str | None = field(default=None, name="publishedDate")


class _Answer(Struct, frozen=True):
    results: list[_Result]
    unresponsive_engines: list[object] = []


class Searxng:
    """`access.url` ends in `/search`."""

    name = "searxng"

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def search(self, query: Query) -> Sequence[Hit]:
        """See `Engine`. Where all the engines behind it failed, so did the search."""
        answer = await self._access.get(urlencode({"q": with_sites(query), "format": "json"}), _Answer)
        if not answer.results and answer.unresponsive_engines:
            detail = f"unresponsive: {answer.unresponsive_engines}"[:400]
            raise EngineFault("The search engine got no answer from the engines behind it.", detail=detail)
        return [
            Hit(one.url, plain_text(one.title or ""), plain_text(one.content or ""), one.published or "")
            for one in answer.results
            if one.url
        ]
