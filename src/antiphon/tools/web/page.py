"""Reads pages of the web: guarded, bounded, as their sites permit, remembered for the tenant that asked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import util

from msgspec import Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.records import Tenant
from antiphon.tools.web.cache import TenantCache
from antiphon.tools.web.domains import DomainFilter, ascii_url
from antiphon.tools.web.extract import KINDS, Page, page_of
from antiphon.tools.web.robots import ROBOTS_BYTES, ROBOTS_CACHE_BYTES, Robots
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher, Resolve, system_resolve

__all__ = ["PageFault", "PageReader", "PageSettings", "can_read_pages"]

#: Pages taken apart at once. A hostile one takes seconds, and Python's one lock with it every few milliseconds.
_THREADS = 2
_ROBOTS_S = 5.0
_NOT_KEPT = 512  # bytes that a kept page takes besides its text


class PageSettings(Struct, frozen=True):
    """Bounds of one page, and of what is kept."""

    policy: AddressPolicy = AddressPolicy()
    max_bytes: int = 2 * 1024 * 1024
    total_s: float = 15.0
    robots: bool = True
    cache_bytes: int = 32 * 1024 * 1024
    cache_s: float = 900.0


class PageFault(Exception):  # noqa: N818 - a fault is the domain's word
    """A page that cannot be read. The text may be shown to models and clients, `detail` only to operators."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def can_read_pages() -> bool:
    """Whether what takes pages apart is installed, with `antiphon[search]`."""
    return util.find_spec("trafilatura") is not None and util.find_spec("protego") is not None


class PageReader:
    """Use `close` at the end: threads in the middle of a page are not waited for."""

    def __init__(
        self, settings: PageSettings, *, monotonic: Callable[[], float], resolve: Resolve = system_resolve
    ) -> None:
        self._settings = settings
        bounds = FetchSettings(policy=settings.policy, max_bytes=settings.max_bytes, total_s=settings.total_s)
        self._fetcher = GuardedFetcher(bounds, resolve=resolve)
        self._pages: TenantCache[Page] = TenantCache(
            max_bytes=settings.cache_bytes, keep_s=settings.cache_s, monotonic=monotonic
        )
        small = FetchSettings(policy=settings.policy, max_bytes=ROBOTS_BYTES, total_s=min(_ROBOTS_S, settings.total_s))
        self._robots = Robots(
            GuardedFetcher(small, resolve=resolve),
            TenantCache(max_bytes=ROBOTS_CACHE_BYTES, keep_s=settings.cache_s, monotonic=monotonic),
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="page")

    def close(self) -> None:
        """Take no more pages."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def read(self, tenant: Tenant, url: str, *, domains: DomainFilter) -> Page:
        """The page, from the cache if it was read a moment ago. Redirects must stay in the domains, too.

        Raises `PageFault`. Takes at most `total_s`; on cancel the connection is closed, and a page that is being
        taken apart is dropped when that ends.
        """
        try:
            fragmentless = ascii_url(url.partition("#")[0])
        except ValueError as error:
            raise PageFault("This is not the address of a page.") from error
        page = self._pages.get(tenant, fragmentless)
        if page is None:
            try:
                async with asyncio.timeout(self._settings.total_s):
                    page = await self._fetched(tenant, fragmentless, domains)
            except TimeoutError as error:
                raise PageFault("Reading this page took too long.") from error
            self._pages.put(tenant, fragmentless, page, size=4 * len(page.text) + _NOT_KEPT)
        if not domains.permits(page.url):
            raise PageFault(_ELSEWHERE)
        return page

    async def _fetched(self, tenant: Tenant, url: str, domains: DomainFilter) -> Page:
        async def permit(there: str) -> None:
            if not domains.permits(there):
                raise RequestFault(_ELSEWHERE)
            if self._settings.robots and not await self._robots.permits(tenant, there):
                raise RequestFault("The site's robots.txt does not permit reading this page.")

        try:
            visited = await self._fetcher.visit(url, kinds=KINDS, permit=permit)
        except RequestFault as fault:
            raise PageFault(fault.message, detail=fault.detail) from fault
        if visited.status != 200:
            raise PageFault(f"The site answered with status {visited.status}.")
        page = await asyncio.get_running_loop().run_in_executor(self._threads, page_of, visited)
        if not page.text.strip():
            raise PageFault("This page has no text that can be read; it may need a browser.")
        return page


_ELSEWHERE = "This page is not in the domains that were asked for."
