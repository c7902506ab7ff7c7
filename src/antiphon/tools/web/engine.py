"""What a search engine is to us, and what all of them share: one request in limited time, errors that may be shown.

An engine turns a `Query` into its own words and its answer into `Hit`s. It may leave out what it cannot do: results are
filtered by domain and cut to their number by `search` in any case.
"""

import asyncio
import html
import re
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.tools.web.domains import DomainFilter
from antiphon.upstream.client import UpstreamClient

__all__ = [
    "ContextSize",
    "Engine",
    "EngineAccess",
    "EngineFault",
    "Hit",
    "Location",
    "Query",
    "plain_text",
    "search",
    "with_sites",
]

ContextSize = Literal["low", "medium", "high"]
T = TypeVar("T")

#: More than any engine sends for 20 results.
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
#: Servers take none that is longer, and every later turn would carry it.
_LONGEST_URL = 8192
#: Longer operators make a query that few engines take.
_MOST_OPERATORS = 8
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")


class Location(Struct, frozen=True):
    """About where the user is, as far as the client said. `country` has two letters."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class Query(Struct, frozen=True):
    """What is looked for.

    Attributes:
        count: results wanted, at most.
        snippet_chars: how much of each page the reader has room for.
    """

    text: str
    count: int
    domains: DomainFilter = DomainFilter()
    location: Location = Location()
    context: ContextSize = "medium"
    snippet_chars: int = 600


class Hit(Struct, frozen=True):
    """One result. `published` is a date as the engine writes it."""

    url: str
    title: str = ""
    snippet: str = ""
    published: str = ""


class EngineFault(Exception):  # noqa: N818 - a fault is the domain's word
    """A search that failed. The text may be shown to models and clients, `detail` only to operators."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Engine(Protocol):
    """A search engine."""

    @property
    def name(self) -> str:
        """As it is configured."""

    async def search(self, query: Query) -> Sequence[Hit]:
        """What it finds, best first; more or others than asked for do no harm. Raises `EngineFault`."""


async def search(engine: Engine, query: Query, *, timeout_s: float) -> list[Hit]:
    """Ask the engine; of what it finds keep what has a usable address, once, in the domains asked for.

    Raises `EngineFault`, also when it takes longer than `timeout_s`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            hits = await engine.search(query)
    except TimeoutError as error:
        raise EngineFault(f"The search engine did not answer within {timeout_s:g} seconds.") from error
    kept: dict[str, Hit] = {}
    for hit in hits:
        if len(hit.url) <= _LONGEST_URL and query.domains.permits(hit.url):
            kept.setdefault(hit.url, hit)
    return list(kept.values())[: query.count]


class EngineAccess(Struct, frozen=True):
    """The way to one engine's server.

    Attributes:
        url: its address, the endpoint included.
        headers: what it wants with every request, the key too.
        secret: what must not appear in a message although the server repeats it.
    """

    client: UpstreamClient
    name: str
    url: str
    headers: Mapping[str, str] = {}
    secret: str = ""
    timeout_s: float = 10.0

    async def get(self, query: str, answer: type[T], *, headers: Mapping[str, str] = {}) -> T:
        """GET with that query string, already encoded. Raises `EngineFault`."""
        request = self._request(f"{self.url}?{query}", b"", headers)
        return await self._ask(request, answer, post=False)

    async def post(self, body: Mapping[str, object], answer: type[T]) -> T:
        """POST of JSON. Raises `EngineFault`."""
        request = self._request(self.url, msgspec.json.encode(body), {"content-type": "application/json"})
        return await self._ask(request, answer, post=True)

    def _request(self, url: str, body: bytes, headers: Mapping[str, str]) -> UpstreamRequest:
        return UpstreamRequest(
            url=url,
            body=body,
            headers={"accept": "application/json", **self.headers, **headers},
            provider=self.name,
            first_byte_s=self.timeout_s,
            idle_s=self.timeout_s,
        )

    async def _ask(self, request: UpstreamRequest, answer: type[T], *, post: bool) -> T:
        try:
            async with await (self.client.open(request) if post else self.client.get(request)) as exchange:
                body = await exchange.read_all(_MAX_ANSWER_BYTES)
        except NetworkFault as fault:
            slow = fault.code in ("upstream_timeout", "upstream_stall")
            what = "did not answer in time" if slow else "could not be reached"
            raise EngineFault(f"The search engine {what}.", detail=fault.detail or fault.message) from fault
        if exchange.status != 200:
            raise EngineFault(_refusal(exchange.status, body), detail=self._shown(exchange.status, body))
        try:
            return msgspec.json.decode(body, type=answer)
        except msgspec.DecodeError as error:  # a ValidationError is one, too
            detail = f"{error}: {self._shown(exchange.status, body)}"
            raise EngineFault(
                "The search engine answered with something that cannot be read.", detail=detail
            ) from error

    def _shown(self, status: int, body: bytes) -> str:
        """The beginning of an answer, for operators. Some servers repeat the key they refuse."""
        text = body[:2000].decode("utf-8", "replace")
        return f"status {status}: {text.replace(self.secret, '***') if self.secret else text}"[:400]


def _refusal(status: int, body: bytes) -> str:
    # Brave answers a wrong key with 422, like any other mistake; its code tells (its API reference, 2026-11).
    if status in (401, 403) or (status == 422 and b"SUBSCRIPTION_TOKEN" in body):
        return "The search engine refuses this gateway's access to it."
    if status in (402, 429, 432, 433):  # 432 and 433 are Tavily's: the plan's or the key's quota is used up
        return "The search engine takes no more searches at the moment."
    return f"The search engine answered with status {status}."


def plain_text(text: str) -> str:
    """A title or snippet without the markup that engines put around matches, on one line."""
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def with_sites(query: Query) -> str:
    """The query with the domains as `site:` operators, as far as there are few of them."""
    allowed = [f"site:{one}" for one in query.domains.allowed]
    blocked = [f"-site:{one}" for one in query.domains.blocked]
    words = [query.text]
    if len(allowed) == 1:
        words += allowed
    elif 1 < len(allowed) <= _MOST_OPERATORS:
        words.append("(" + " OR ".join(allowed) + ")")
    if len(blocked) <= _MOST_OPERATORS:
        words += blocked
    return " ".join(words)
