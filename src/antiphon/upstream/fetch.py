"""The only way to a URL that a user, a model or a page named: images and files in requests, pages of the web.

Whoever sends a request chooses the URL, and this machine may reach what the sender may not. So every hop is resolved
once, all its addresses are judged, and the connection goes to exactly those addresses: a name that changes its answer
in between (DNS rebinding) changes nothing. No cookies, no credentials, no proxies from the environment, no connection
kept for the next fetch, no content encodings, no redirect followed unseen.

Deployments that must not trust this alone restrict the process's egress as well; an address of this machine's own
that is public cannot be told from any other.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct, field
from yarl import URL

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.addresses import REFUSED, AddressPolicy, Destination, DestinationError, parse_destination
from antiphon.upstream.media import sniff

__all__ = ["FetchSettings", "Fetched", "GuardedFetcher", "Permit", "Resolve", "Visited", "system_resolve"]

#: Addresses of a name, as text, in the order in which to try them. Raises `OSError` when there are none.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

#: Asked before each hop, the first included. Raises `RequestFault` to stop there.
Permit = Callable[[str], Awaitable[None]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ADDRESSES_TRIED = 4


class FetchSettings(Struct, frozen=True):
    """Bounds of one fetch, and of all together.

    Attributes:
        max_bytes: size of one body. `max_bytes * concurrency` is what all fetches may hold in memory.
        total_s: from the call to the last byte, redirects and the wait for a free place included.
        connect_s: one TCP connect.
        max_redirects: hops after the first.
        concurrency: fetches under way at once; more of them wait within their own `total_s`.
    """

    policy: AddressPolicy = field(default_factory=AddressPolicy)
    max_bytes: int = 20 * 1024 * 1024
    total_s: float = 20.0
    connect_s: float = 5.0
    max_redirects: int = 3
    concurrency: int = 8


class Fetched(Struct, frozen=True):
    """What was at the URL. `media_type` is lower case without parameters and, where known by sight, true."""

    media_type: str
    body: bytes


class Visited(Struct, frozen=True):
    """What a visit came to.

    Attributes:
        url: where it was, behind all redirects.
        status: as the server said; unless it is 200 there is no body.
        charset: as declared, or empty.
        cut: there was more than was wanted.
    """

    url: str
    status: int
    media_type: str = ""
    charset: str = ""
    body: bytes = b""
    cut: bool = False


class _Codes(Struct, frozen=True):
    """OpenAI's names for what can be wrong with an image, and their like for other files."""

    url: str
    download: str
    size: str
    media: str
    empty: str


_IMAGE = _Codes(
    url="invalid_image_url",
    download="failed_to_download_image",
    size="image_file_too_large",
    media="unsupported_image_media_type",
    empty="empty_image_file",
)
_FILE = _Codes(
    url="invalid_file_url",
    download="failed_to_download_file",
    size="file_too_large",
    media="unsupported_file_type",
    empty="empty_file",
)


class _Order(Struct, frozen=True):
    """`visits`: any status will do, and the beginning of what is too large."""

    kinds: tuple[str, ...]
    codes: _Codes
    visits: bool = False
    permit: Permit | None = None

    def takes(self, media_type: str) -> bool:
        return any(media_type.startswith(kind) if kind.endswith("/") else media_type == kind for kind in self.kinds)


async def system_resolve(host: str) -> Sequence[str]:
    """Ask the operating system. A look-up that is cancelled goes on in its thread and is ignored."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class GuardedFetcher:
    """Fetches user-named URLs within `settings`. Holds no connection between fetches; nothing to close.

    Tests and intranets open it through `settings.policy`; `resolve` and `tls` are seams for tests and private roots.
    """

    def __init__(
        self, settings: FetchSettings, *, resolve: Resolve = system_resolve, tls: SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._tls = tls
        self._places = asyncio.Semaphore(settings.concurrency)

    async def fetch(self, url: str, *, kinds: tuple[str, ...] = ("image/",)) -> Fetched:
        """The body at `url`, if its media type is one of `kinds` (exact, or a prefix that ends in a slash).

        Raises `RequestFault` (400, without `param`: the caller knows the field) for everything that can go wrong:
        the client named the URL. Waits while `concurrency` others are under way. On cancel the connection is closed.
        """
        codes = _IMAGE if all(kind.startswith("image/") for kind in kinds) else _FILE
        found = await self._get(url, _Order(kinds, codes))
        if not found.body:
            raise RequestFault("The URL led to an empty file.", code=codes.empty)
        return Fetched(found.media_type, found.body)

    async def visit(self, url: str, *, kinds: tuple[str, ...], permit: Permit | None = None) -> Visited:
        """What a page's server says, whatever its status; of a large body the first `max_bytes`.

        `kinds` as for `fetch`; `permit` runs within `total_s` too. Raises `RequestFault` as `fetch` does, and
        whatever `permit` raises. On cancel the connection is closed.
        """
        return await self._get(url, _Order(kinds, _FILE, visits=True, permit=permit))

    async def _get(self, url: str, order: _Order) -> Visited:
        try:
            async with asyncio.timeout(self._settings.total_s), self._places:
                return await self._follow(url, order)
        except DestinationError as error:
            raise RequestFault(str(error), code=order.codes.url) from error
        except TimeoutError as error:
            message = "The server of this URL did not answer in time."
            raise RequestFault(message, code=order.codes.download) from error
        except (aiohttp.ClientError, OSError) as error:
            message = "The server of this URL could not be reached, or broke off."
            raise RequestFault(message, code=order.codes.download, detail=repr(error)) from error

    async def _follow(self, text: str, order: _Order) -> Visited:
        here = parse_destination(text, self._settings.policy)
        for _ in range(self._settings.max_redirects + 1):
            if order.permit is not None:
                await order.permit(str(here.url))
            step = await self._hop(here, order)
            if isinstance(step, Visited):
                return step
            there = parse_destination(step, self._settings.policy)
            if here.url.scheme == "https" and there.url.scheme != "https":
                raise DestinationError("The URL redirects from https to http.")
            here = there
        raise DestinationError(f"The URL redirects more than {self._settings.max_redirects} times.")

    async def _hop(self, there: Destination, order: _Order) -> Visited | str:
        """One request to one host: the body, or where it redirects to."""
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(there.host, await self._permitted_addresses(there)),
            use_dns_cache=False,
            force_close=True,
            ssl=self._tls if self._tls is not None else True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                # The whole fetch is under `total_s`; a slow name server cannot be hidden in `sock_connect`.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_s),
                headers={"accept": _accept(order), "accept-encoding": "identity", "user-agent": "antiphon"},
            ) as session,
            session.get(there.url, allow_redirects=False) as response,
        ):
            if response.status in _REDIRECTS:
                return _location(response, there.url)
            return await self._read(response, order)

    async def _permitted_addresses(self, there: Destination) -> Sequence[str]:
        if there.literal:
            return [there.host]  # judged by `parse_destination`, and connected to as it stands
        try:
            addresses = await self._resolve(there.host)
        except OSError as error:
            raise DestinationError(REFUSED) from error
        permits = self._settings.policy.permits_address
        # All of them: a name with one private address among public ones is an attack or a mistake.
        if not addresses or not all(permits(address, host=there.host) for address in addresses):
            raise DestinationError(REFUSED)
        return addresses[:_ADDRESSES_TRIED]

    async def _read(self, response: aiohttp.ClientResponse, order: _Order) -> Visited:
        url = str(response.url)
        if order.visits and response.status != 200:
            return Visited(url, response.status)
        media_type = self._vet_head(response, order)
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._settings.max_bytes:
                if order.visits:
                    break
                raise self._too_large(order)
        cut = len(body) > self._settings.max_bytes
        content = bytes(body[: self._settings.max_bytes])
        kind = _true_type(media_type, content[:64], order) if content else media_type
        return Visited(url, response.status, kind, response.charset or "", content, cut)

    def _vet_head(self, response: aiohttp.ClientResponse, order: _Order) -> str:
        if response.status != 200:
            message = f"The server of this URL answered with status {response.status}."
            raise RequestFault(message, code=order.codes.download)
        coding = ",".join(response.headers.getall("content-encoding", ())).strip().lower()
        # A body that expands while it is read is how a few bytes become gigabytes; we asked for none.
        if coding not in ("", "identity"):
            raise RequestFault("The server of this URL compressed the file unasked.", code=order.codes.download)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not order.takes(media_type):
            raise _wrong_type(media_type, order)
        if (response.content_length or 0) > self._settings.max_bytes and not order.visits:
            raise self._too_large(order)
        return media_type

    def _too_large(self, order: _Order) -> RequestFault:
        return RequestFault(
            f"The file at this URL is larger than {self._settings.max_bytes} bytes.", code=order.codes.size
        )


class _Pinned(AbstractResolver):
    """Answers for one host with the addresses that were judged, and for no other."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the interface is aiohttp's
    ) -> list[ResolveResult]:
        if host.lower() != self._host:
            raise OSError(f"{host!r} was not judged")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _accept(order: _Order) -> str:
    return ", ".join(kind + "*" if kind.endswith("/") else kind for kind in order.kinds if kind)


def _location(response: aiohttp.ClientResponse, here: URL) -> str:
    target = response.headers.get("location", "")
    # Checked before it is joined, for joining normalises; checked again as a whole by the next hop.
    if not target or not target.isprintable() or "\\" in target:
        raise DestinationError("The URL redirects to something that is no URL.")
    try:
        return str(here.join(URL(target, encoded=target.isascii())))
    except ValueError as error:
        raise DestinationError("The URL redirects to something that is no URL.") from error


def _true_type(declared: str, head: bytes, order: _Order) -> str:
    """The declared type; of an image or a PDF only if its first bytes agree, so SVG and other scripts never pass."""
    declared = "image/jpeg" if declared == "image/jpg" else declared
    if declared.startswith(("image/", "application/pdf")) and sniff(head) != declared:
        raise _wrong_type(declared, order)
    return declared


def _wrong_type(declared: str, order: _Order) -> RequestFault:
    # Only a type of the usual form is repeated: the header is the far end's text, not ours.
    named = f" of type {declared}" if declared.isascii() and declared.replace("/", "").isalnum() else ""
    return RequestFault(
        f"The file at this URL{named} is not what its type says, or not one of: {_accept(order)}.",
        code=order.codes.media,
    )
