"""No key, no account: the `ddgs` package, which asks public search pages. For a first try, not for many users.

It does its requests itself, blocking, in threads of its own: there is no way to stop them, only to wait no longer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import util

from msgspec import Struct, convert

from antiphon.tools.web.engine import EngineFault, Hit, Query, plain_text, with_sites

__all__ = ["Ddgs", "hits_of", "is_installed"]

#: Searches at once. Others wait within their own time limit; public pages refuse whoever asks more.
_THREADS = 2


class _Result(Struct, frozen=True):
    href: str = ""
    title: str = ""
    body: str = ""


def is_installed() -> bool:
    """Whether the package is there, with `antiphon[search]`."""
    return util.find_spec("ddgs") is not None


class Ddgs:
    """Use `close` at the end: threads in the middle of a search are not waited for."""

    name = "ddgs"

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = max(1, round(timeout_s))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ddgs")

    def close(self) -> None:
        """Take no more searches."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def search(self, query: Query) -> Sequence[Hit]:
        """See `Engine`. On cancel the thread ends by itself within the time limit, and nobody reads what it found."""
        loop = asyncio.get_running_loop()
        return hits_of(await loop.run_in_executor(self._threads, self._ask, with_sites(query), query.count))

    def _ask(self, text: str, count: int) -> Sequence[Mapping[str, object]]:
        from ddgs import DDGS  # noqa: PLC0415 - an extra, and slow to import
        from ddgs.exceptions import DDGSException, TimeoutException  # noqa: PLC0415 - as above

        try:
            return DDGS(timeout=self._timeout_s).text(text, max_results=count)
        except TimeoutException as error:
            raise EngineFault("The search engine did not answer in time.", detail=str(error)[:400]) from error
        except DDGSException as error:
            if "No results found" in str(error):
                return []
            raise EngineFault("The search engine could not be reached, or refuses.", detail=str(error)[:400]) from error


def hits_of(found: Sequence[Mapping[str, object]]) -> list[Hit]:
    """Its results in our words."""
    return [Hit(one.href, plain_text(one.title), plain_text(one.body)) for one in convert(found, type=list[_Result])]
