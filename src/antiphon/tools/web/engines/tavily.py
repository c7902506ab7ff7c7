"""Tavily: `POST /search`, key as bearer token, see its API reference and its Python client (2026-11)."""

from collections.abc import Sequence

from msgspec import Struct

from antiphon.tools.web.engine import EngineAccess, Hit, Query, plain_text

__all__ = ["ADDRESS", "Tavily"]

ADDRESS = "https://api.tavily.com/search"

_MAX_COUNT, _MAX_ALLOWED, _MAX_BLOCKED = 20, 300, 150


class _Result(Struct, frozen=True):
    url: str = ""
    title: str | None = None
    content: str | None = None
    published_date: str | None = None


class _Answer(Struct, frozen=True):
    results: list[_Result]


class Tavily:
    """`access.headers` hold the key. Context size `high` is its `advanced` search, which costs double."""

    name = "tavily"

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def search(self, query: Query) -> Sequence[Hit]:
        """See `Engine`."""
        body: dict[str, object] = {
            "query": query.text,
            "max_results": min(query.count, _MAX_COUNT),
            "search_depth": "advanced" if query.context == "high" else "basic",
        }
        if query.domains.allowed:
            body["include_domains"] = query.domains.allowed[:_MAX_ALLOWED]
        if query.domains.blocked:
            body["exclude_domains"] = query.domains.blocked[:_MAX_BLOCKED]
        answer = await self._access.post(body, _Answer)
        return [
            Hit(one.url, plain_text(one.title or ""), plain_text(one.content or ""), one.published_date or "")
            for one in answer.results
        ]
