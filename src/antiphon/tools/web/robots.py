"""What sites say about being read by programs (RFC 9309), asked through the guarded fetcher and remembered a while.

The parser is Protego. It only ever sees text of bounded size; its matching takes time in proportion to that, and its
parsing up to a second, so it parses in a thread.
"""

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct
from yarl import URL

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.records import Tenant
from antiphon.tools.web.cache import TenantCache
from antiphon.upstream.fetch import GuardedFetcher

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["ROBOTS_BYTES", "ROBOTS_CACHE_BYTES", "USER_AGENT", "Robots"]

#: The name to which rules apply; the first word of what the fetcher calls itself.
USER_AGENT = "antiphon"
#: The standard asks for at least 500 KiB.
ROBOTS_BYTES = 512 * 1024
#: What is kept of all sites; a quarter of it holds the rules of one.
ROBOTS_CACHE_BYTES = 64 * ROBOTS_BYTES
#: What rules take in memory, for each byte of their text (up to 66 where all of them are patterns), and besides.
_GROWTH, _BESIDES = 15, 512


class _Rules(Struct, frozen=True):
    """A site's rules, or for all of it yes or no."""

    parsed: "Protego | bool"

    def permits(self, url: str) -> bool:
        return self.parsed if isinstance(self.parsed, bool) else self.parsed.can_fetch(url, USER_AGENT)


class Robots:
    """`fetcher` is one of its own: fetches of pages wait for these."""

    def __init__(self, fetcher: GuardedFetcher, cache: "TenantCache[_Rules]") -> None:
        self._fetcher = fetcher
        self._cache = cache

    async def permits(self, tenant: Tenant, url: str) -> bool:
        """Whether the page may be read. A site that cannot say (its server is broken or slow) says no."""
        site = str(URL(url, encoded=url.isascii()).origin())
        rules = self._cache.get(tenant, site)
        if rules is None:
            rules, size = await self._asked(site)
            self._cache.put(tenant, site, rules, size=_GROWTH * size + _BESIDES)
        return rules.permits(url)

    async def _asked(self, site: str) -> tuple[_Rules, int]:
        try:
            found = await self._fetcher.visit(f"{site}/robots.txt", kinds=("text/", ""))
        except RequestFault as fault:
            # No text, or leading somewhere that nobody may go: as good as none. Everything else is "unreachable".
            return _Rules(fault.code in ("unsupported_file_type", "invalid_file_url")), 0
        if found.status != 200:
            return _Rules(found.status < 500), 0
        from protego import Protego  # noqa: PLC0415 - an extra

        parsed = await asyncio.to_thread(Protego.parse, found.body.decode("utf-8", "replace"))
        return _Rules(parsed), len(found.body)
