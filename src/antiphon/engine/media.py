"""Media that clients name by URL, fetched for upstreams that must not or cannot fetch it themselves."""

import asyncio
import base64
from collections.abc import Iterator, Mapping, Sequence

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    CustomToolCallOutput,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputItem,
    Message,
    Part,
)
from antiphon.upstream.fetch import GuardedFetcher

__all__ = ["MediaInliner", "UrlFault", "with_place"]

_KINDS = ("image/", "application/pdf", "text/", "audio/", "video/")


class UrlFault(RequestFault):
    """A URL that may not or cannot be fetched. `url` tells which, for whoever knows where it stands."""

    def __init__(self, url: str, fault: RequestFault) -> None:
        super().__init__(fault.message, code=fault.code, status=fault.status, detail=fault.detail)
        self.url = url


class MediaInliner:
    """Turns URLs into data URLs through the guarded fetcher. `None` instead of a fetcher forbids fetching."""

    def __init__(self, fetcher: GuardedFetcher | None) -> None:
        self._fetcher = fetcher

    async def inline(self, urls: Sequence[str]) -> Mapping[str, str]:
        """Each URL's content as a data URL, fetched side by side.

        Raises:
            RequestFault: 400, for the first that may not or cannot be fetched: a `UrlFault` where it is one of them.
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
    try:
        fetched = await fetcher.fetch(url, kinds=_KINDS)
    except RequestFault as fault:
        raise UrlFault(url, fault) from fault
    content = await asyncio.to_thread(base64.b64encode, fetched.body)
    return f"data:{fetched.media_type};base64,{content.decode()}"


def _first(faults: BaseExceptionGroup[RequestFault]) -> RequestFault:
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    assert isinstance(fault, RequestFault)  # noqa: S101 - the group holds nothing else
    return fault


def with_place(fault: UrlFault, items: Sequence[InputItem]) -> RequestFault:
    """The fault with the first place of its URL as `param`. What came from history has no place in the request."""
    place = next((place for item in items for place, url in _urls(item) if url == fault.url), "input")
    return RequestFault(fault.message, code=fault.code, status=fault.status, param=place, detail=fault.detail)


def _urls(item: InputItem) -> Iterator[tuple[str, str | None]]:
    """The URLs in an item with their places."""
    parts, where = _parts(item)
    for index, part in enumerate(parts):
        url, field = None, ""
        if isinstance(part, InputImage):
            url, field = part.image_url, "image_url"
        elif isinstance(part, InputFile):
            url, field = part.file_url, "file_url"
        yield f"{item.path}.{where}[{index}].{field}" if item.path.startswith("input[") else item.path, url


def _parts(item: InputItem) -> tuple[Sequence[Part], str]:
    match item.value:
        case Message(content=list(parts)):
            return parts, "content"
        case FunctionCallOutput(output=list(parts)) | CustomToolCallOutput(output=list(parts)):
            return parts, "output"
    return (), ""
