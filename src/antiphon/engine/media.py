"""Media that clients name by URL, fetched for upstreams that must not or cannot fetch it themselves."""

import asyncio
import base64
from collections.abc import Mapping, Sequence

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.fetch import GuardedFetcher

__all__ = ["MediaInliner"]

_KINDS = ("image/", "application/pdf", "text/", "audio/", "video/")


class MediaInliner:
    """Turns URLs into data URLs through the guarded fetcher. `None` instead of a fetcher forbids fetching."""

    def __init__(self, fetcher: GuardedFetcher | None) -> None:
        self._fetcher = fetcher

    async def inline(self, urls: Sequence[str]) -> Mapping[str, str]:
        """Each URL's content as a data URL, fetched side by side.

        Raises:
            RequestFault: 400, for the first that may not or cannot be fetched.
        """
        fetcher = self._fetcher
        if fetcher is None:
            raise RequestFault(
                "This gateway does not fetch URLs for this model. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param="input",
            )
        tasks: list[asyncio.Task[str]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(_data_url(fetcher, url)) for url in urls]
        except* RequestFault as faults:
            raise _first(faults) from faults
        return dict(zip(urls, (task.result() for task in tasks), strict=True))


async def _data_url(fetcher: GuardedFetcher, url: str) -> str:
    fetched = await fetcher.fetch(url, kinds=_KINDS)
    content = await asyncio.to_thread(base64.b64encode, fetched.body)
    return f"data:{fetched.media_type};base64,{content.decode()}"


def _first(faults: BaseExceptionGroup[RequestFault]) -> RequestFault:
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    assert isinstance(fault, RequestFault)  # noqa: S101 - the group holds nothing else
    return fault
