"""The settings of our own web search, for models whose provider has none."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.config.origin import Origin
from antiphon.config.problems import Problem
from antiphon.config.secret import Secret

__all__ = ["SEARCH_KEYS", "SearchEngineName", "WebSearchSettings", "search_problems"]

SearchEngineName = Literal["searxng", "brave", "tavily", "exa", "ddgs", "off"]

_HostOrNetwork = Annotated[str, Meta(extra={"check": "host_or_network"})]
_Port = Annotated[int, Meta(ge=1, le=65535)]

#: The usual environment variables for the keys of engines that need one.
SEARCH_KEYS: Mapping[str, str] = {"brave": "BRAVE_API_KEY", "tavily": "TAVILY_API_KEY", "exa": "EXA_API_KEY"}


class WebSearchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Web search for models whose provider has none."""

    engine: Annotated[
        SearchEngineName | None,
        Meta(description="Who is asked. Default: `off` with a configuration file, `ddgs` (no key needed) without one."),
    ] = None
    url: Annotated[
        str | None,
        Meta(
            description="Where the engine is. `searxng` needs it; the others have an address.",
            extra={"check": "base_url"},
        ),
    ] = None
    api_key: Annotated[
        Secret | None,
        Meta(
            description="The engine's key. Default: `BRAVE_API_KEY`, `TAVILY_API_KEY` or `EXA_API_KEY`.",
            extra={"check": "header_value"},
        ),
    ] = None
    max_results: Annotated[int, Meta(ge=1, le=20, description="Results of one search, at most.")] = 10
    timeout_s: Annotated[float, Meta(gt=0, le=120, description="Seconds for one search.")] = 10.0
    context: Annotated[
        Literal["low", "medium", "high"],
        Meta(description="How much of results and pages a model reads when the request does not say."),
    ] = "medium"
    open_pages: Annotated[
        Literal["shown", "any", "off"],
        Meta(
            description="Pages that a model may open: those whose address it was shown (by the user, in results, on "
            "other pages), any, or none."
        ),
    ] = "shown"
    allow: Annotated[
        tuple[_HostOrNetwork, ...],
        Meta(description="Hosts or networks whose pages may be opened although their addresses are private."),
    ] = ()
    ports: Annotated[tuple[_Port, ...], Meta(description="Ports that pages may be on.")] = (80, 443)
    page_timeout_s: Annotated[float, Meta(gt=0, le=120, description="Seconds to fetch and read one page.")] = 15.0
    max_page_mib: Annotated[
        int, Meta(ge=1, le=16, description="Of a larger page only this much is read, in MiB; of HTML never over one.")
    ] = 2
    robots: Annotated[bool, Meta(description="Do as the sites' robots.txt says when pages are opened.")] = True
    cache_mib: Annotated[
        int, Meta(ge=0, le=4096, description="Text of pages kept in memory, in MiB. Tenants never share. 0 keeps none.")
    ] = 32
    cache_s: Annotated[float, Meta(gt=0, le=86_400, description="Seconds that a page is kept.")] = 900.0
    cost_per_1000: Annotated[
        float, Meta(ge=0, le=1_000_000, description="What a thousand searches cost, in US dollars.")
    ] = 0.0


def search_problems(settings: WebSearchSettings, origin: Origin) -> list[Problem]:
    """What the chosen engine needs and has not got."""
    engine = settings.engine or "off"
    if engine == "searxng" and settings.url is None:
        return [origin.problem(("web_search", "engine"), "`searxng` needs `web_search.url`, the address of yours")]
    variable = SEARCH_KEYS.get(engine)
    if variable is not None and settings.api_key is None and not origin.environ.get(variable):
        return [
            origin.problem(("web_search", "engine"), f"`{engine}` needs a key: `web_search.api_key`, or {variable}")
        ]
    return []
