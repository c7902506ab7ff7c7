"""Exa: `POST /search`, key in `x-api-key`, see its OpenAPI description (1.2) and reference (2026-11)."""

from collections.abc import Sequence

from msgspec import Struct, field

from antiphon.tools.web.engine import EngineAccess, Hit, Query, plain_text

__all__ = ["ADDRESS", "Exa"]

ADDRESS = "https://api.exa.ai/search"


class _Result(Struct, frozen=True):
    url: str = ""
    title: str | None = None
    published: str | None = field(default=None, name="publishedDate")
    highlights: list[str] | None = None
    text: str | None = None


class _Answer(Struct, frozen=True):
    results: list[_Result]


class Exa:
    """`access.headers` hold the key."""

    name = "exa"

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def search(self, query: Query) -> Sequence[Hit]:
        """See `Engine`."""
        body: dict[str, object] = {
            "query": query.text,
            "type": "auto",
            "numResults": query.count,
            "contents": {"highlights": {"maxCharacters": query.snippet_chars}},
        }
        if query.domains.allowed:
            body["includeDomains"] = query.domains.allowed
        if query.domains.blocked:
            body["excludeDomains"] = query.domains.blocked
        if query.location.country:
            body["userLocation"] = query.location.country.upper()
        answer = await self._access.post(body, _Answer)
        return [_hit(one) for one in answer.results]


def _hit(result: _Result) -> Hit:
    snippet = " … ".join(result.highlights or ()) or result.text or ""
    return Hit(result.url, plain_text(result.title or ""), plain_text(snippet), (result.published or "")[:10])
