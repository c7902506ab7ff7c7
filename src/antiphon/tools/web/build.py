"""From settings to the tool. Whoever asks for it closes it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from antiphon.config.settings import Settings
from antiphon.tools.web.engines.ddgs import Ddgs
from antiphon.tools.web.engines.registry import build_engine
from antiphon.tools.web.page import PageReader, PageSettings, can_read_pages
from antiphon.tools.web.tool import WebSearch, WebSearchOptions
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.client import UpstreamClient

__all__ = ["open_web_search"]

_MIB = 1024 * 1024


@asynccontextmanager
async def open_web_search(
    settings: Settings, client: UpstreamClient, *, monotonic: Callable[[], float], new_mark: Callable[[], str]
) -> AsyncIterator[WebSearch | None]:
    """The tool for as long as the context lasts; nothing where it is off. Raises `ConfigError`."""
    engine = build_engine(settings, client)
    if engine is None:
        yield None
        return
    reads = settings.web_search.open_pages != "off" and can_read_pages()
    reader = PageReader(_pages(settings), monotonic=monotonic) if reads else None
    try:
        yield WebSearch(engine, reader, options=_options(settings), new_mark=new_mark)
    finally:
        if reader is not None:
            reader.close()
        if isinstance(engine, Ddgs):
            engine.close()


def _options(settings: Settings) -> WebSearchOptions:
    search = settings.web_search
    return WebSearchOptions(
        max_results=search.max_results,
        timeout_s=search.timeout_s,
        context=search.context,
        open_pages=search.open_pages,
        cost_micros=round(search.cost_per_1000 * 1000),
    )


def _pages(settings: Settings) -> PageSettings:
    search = settings.web_search
    return PageSettings(
        policy=AddressPolicy.allowing(search.allow, ports=search.ports),
        max_bytes=search.max_page_mib * _MIB,
        total_s=search.page_timeout_s,
        robots=search.robots,
        cache_bytes=search.cache_mib * _MIB,
        cache_s=search.cache_s,
    )
