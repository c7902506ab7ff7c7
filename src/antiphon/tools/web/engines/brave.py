"""Brave Search: `GET /res/v1/web/search`, key in `X-Subscription-Token`, see its API reference (2026-11)."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from msgspec import Struct

from antiphon.tools.web.engine import EngineAccess, Hit, Location, Query, plain_text, with_sites

__all__ = ["ADDRESS", "Brave"]

ADDRESS = "https://api.search.brave.com/res/v1/web/search"

#: Beyond these a query is refused, so it is cut.
_MAX_CHARS, _MAX_WORDS, _MAX_COUNT = 400, 50, 20

#: The only values of `country`; any other is refused.
_COUNTRIES = frozenset(
    {"AR", "AU", "AT", "BE", "BR", "CA", "CL", "DK", "FI", "FR", "DE", "HK", "IN", "ID", "IT", "JP", "KR", "MY", "MX"}
    | {"NL", "NZ", "NO", "CN", "PL", "PT", "PH", "RU", "SA", "ZA", "ES", "SE", "CH", "TW", "TR", "GB", "US"}
)


class _Result(Struct, frozen=True):
    url: str = ""
    title: str | None = None
    description: str | None = None
    page_age: str | None = None
    extra_snippets: list[str] | None = None


class _Web(Struct, frozen=True):
    results: list[_Result]


class _Answer(Struct, frozen=True):
    web: _Web | None = None  # absent when nothing was found


class Brave:
    """`access.headers` hold the key."""

    name = "brave"

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def search(self, query: Query) -> Sequence[Hit]:
        """See `Engine`."""
        asked = {
            "q": " ".join(with_sites(query).split()[:_MAX_WORDS])[:_MAX_CHARS],
            "count": str(min(query.count, _MAX_COUNT)),
            "result_filter": "web",
            "text_decorations": "false",
        }
        country = (query.location.country or "").upper()
        if country in _COUNTRIES:
            asked["country"] = country
        headers = dict(_place(query.location))
        answer = await self._access.get(urlencode(asked), _Answer, headers=headers)
        return [_hit(one) for one in answer.web.results] if answer.web is not None else []


def _hit(result: _Result) -> Hit:
    snippets = [result.description or "", *(result.extra_snippets or ())]
    snippet = " … ".join(plain_text(one) for one in snippets if one)
    return Hit(result.url, plain_text(result.title or ""), snippet, (result.page_age or "")[:10])


def _place(location: Location) -> Iterator[tuple[str, str]]:
    """Only what fits into a header: elsewhere the country must do."""
    for name, value in (
        ("x-loc-city", location.city),
        ("x-loc-state-name", location.region),
        ("x-loc-country", location.country),
        ("x-loc-timezone", location.timezone),
    ):
        if value and value.isascii() and value.isprintable():
            yield name, value
