"""The one way out to providers: POST over pooled HTTP/1.1, with a limit on every wait.

aiohttp does the work and shows nowhere else. This module knows bytes, statuses and time limits; it knows nothing of
dialects, models or retries. Everything that fails leaves here as a `NetworkFault`.
"""

import asyncio
import re
import socket
import ssl
import sys
from types import TracebackType
from typing import Self
from weakref import WeakSet

from aiohttp import (
    AddrInfoType,
    ClientConnectionResetError,
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.base_protocol import BaseProtocol

from antiphon import __version__
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.body import Exchange, accept
from antiphon.upstream.sending import Body, OneWriteRequest
from antiphon.upstream.translate import (
    fault_before_head,
    first_byte_fault,
    unreachable_fault,
)
from antiphon.upstream.watch import Watch

__all__ = ["Exchange", "UpstreamClient"]

#: How many distinct `ca_file`s are remembered. They come from the configuration, so this is only a backstop: beyond
#: it the oldest is forgotten and read again when needed.
_MAX_CA_FILES = 64

#: One line of an answer's head. Some providers send policies and traces far beyond aiohttp's default of 8 KiB.
_MAX_HEAD_LINE_BYTES = 64 * 1024

#: Unread body bytes held per connection; at twice this many the upstream is read more slowly.
_READ_BUFFER_BYTES = 64 * 1024

#: Python below 3.12.8 leaves TLS connections half open when the far side does not answer the closing handshake.
_NEEDS_TLS_CLEANUP = sys.version_info < (3, 12, 8)

#: A connection that was closed while we reused it fails within a round trip. Later, the provider may have been at work.
_STALE_WITHIN_S = 1.0

#: How many sets of headers known to be sound are remembered. There is one for each provider and kind of request.
_MAX_HEADER_SETS = 256

_FORBIDDEN_IN_HEADERS = re.compile("[\r\n\0]")


class UpstreamClient:
    """A pool of connections to all providers. Use as `async with UpstreamClient() as client`.

    The pool has no upper bound: how many runs there may be is decided where they are admitted. Leaving the context
    closes every connection; exchanges still open then end in a `NetworkFault`.

    Args:
        connect_s: limit for a new connection: name, TCP and TLS together, through the proxy if there is one.
        keepalive_s: how long an idle connection is kept.
        decoded_cap_bytes: most that one compressed answer may become, see `Exchange`.
    """

    def __init__(
        self, *, connect_s: float = 5.0, keepalive_s: float = 60.0, decoded_cap_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self._connect_timeout = ClientTimeout(total=None, connect=connect_s)
        self._keepalive_s = keepalive_s
        self._decoded_cap_bytes = decoded_cap_bytes
        self._watch: Watch | None = None
        self._authorities: dict[str, ssl.SSLContext] = {}
        self._seasoned: WeakSet[BaseProtocol] = WeakSet()
        self._sound_headers: set[tuple[tuple[str, str], ...]] = set()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._watch = Watch()
        connector = TCPConnector(
            limit=0,
            keepalive_timeout=self._keepalive_s,
            enable_cleanup_closed=_NEEDS_TLS_CLEANUP,
            socket_factory=_open_socket,
        )
        self._session = ClientSession(
            connector=connector,
            request_class=OneWriteRequest,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=self._connect_timeout,
            read_bufsize=_READ_BUFFER_BYTES,
            max_line_size=_MAX_HEAD_LINE_BYTES,
            max_field_size=_MAX_HEAD_LINE_BYTES,
            headers={"accept": "*/*", "accept-encoding": "identity", "user-agent": f"antiphon/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.close()
            await self._session.close()

    async def open(self, request: UpstreamRequest) -> Exchange:
        """Send the request and wait for the status and headers.

        A pooled connection that the provider closed in the very moment of reuse, before a byte of an answer, is
        replaced once: it had given that connection up before it could read the request.

        Statuses from 400 on are returned like any other: their body is the codec's to read.

        Raises:
            NetworkFault: unreachable, no answer within `first_byte_s`, a redirect (never followed), or no HTTP.

        Cancelling closes the connection at once.
        """
        if self._watch is None:
            raise RuntimeError("UpstreamClient is used outside of its context")
        self._check_headers(request)
        try:
            with self._watch.limit(request.first_byte_s):
                response = await self._send(request)
        except TimeoutError as error:
            raise first_byte_fault(request.first_byte_s, provider=request.provider) from error
        return accept(response, request, watch=self._watch, decoded_cap_bytes=self._decoded_cap_bytes)

    async def _send(self, request: UpstreamRequest) -> ClientResponse:
        try:
            return await self._post(request)
        except _StaleConnectionError:
            pass
        try:
            return await self._post(request)
        except _StaleConnectionError as error:
            raise fault_before_head(error.cause, provider=request.provider) from error.cause

    async def _post(self, request: UpstreamRequest) -> ClientResponse:
        body = Body(request.body)
        started = self._loop.time()
        try:
            response = await self._session.request(
                "POST",
                request.url,
                data=body,
                headers=request.headers,
                allow_redirects=False,
                proxy=request.proxy,
                ssl=True if request.ca_file is None else await self._trusting(request.ca_file, request.provider),
            )
        except (ClientError, OSError) as error:
            body.abort()
            # No protocol: closed after it was taken from the pool, but before a byte was written.
            pooled = body.protocol is None or body.protocol in self._seasoned
            if pooled and _is_disconnect(error) and self._loop.time() - started < _STALE_WITHIN_S:
                raise _StaleConnectionError(error) from error
            raise fault_before_head(error, provider=request.provider) from error
        except asyncio.CancelledError:
            body.abort()
            raise
        if body.protocol is not None:
            self._seasoned.add(body.protocol)
        return response

    def _check_headers(self, request: UpstreamRequest) -> None:
        # The same few sets of headers come again and again.
        headers = tuple(request.headers.items())
        if headers in self._sound_headers:
            return
        if any(_FORBIDDEN_IN_HEADERS.search(name) or _FORBIDDEN_IN_HEADERS.search(value) for name, value in headers):
            raise NetworkFault(
                f"The configuration of the provider {request.provider} has a header that cannot be sent.",
                code="upstream_unreachable",
                phase="setup",
                retryable=False,
                detail="CR, LF or NUL in a header",
            )
        while len(self._sound_headers) >= _MAX_HEADER_SETS:
            self._sound_headers.pop()
        self._sound_headers.add(headers)

    async def _trusting(self, ca_file: str, provider: str) -> ssl.SSLContext:
        context = self._authorities.get(ca_file)
        if context is None:
            try:
                context = await asyncio.to_thread(_tls_context, ca_file)
            except (OSError, ssl.SSLError) as error:
                raise unreachable_fault(error, provider=provider, phase="setup") from error
            while len(self._authorities) >= _MAX_CA_FILES:
                del self._authorities[next(iter(self._authorities))]
            # Two first requests may both have read the file; connections are pooled by context, so both use one.
            context = self._authorities.setdefault(ca_file, context)
        return context


class _StaleConnectionError(Exception):
    """A reused connection turned out to be closed already."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _is_disconnect(error: Exception) -> bool:
    if isinstance(error, ServerDisconnectedError):
        # Its message is text only as long as no part of an answer has arrived.
        return isinstance(error.message, str)
    return isinstance(error, ClientOSError | ClientConnectionResetError) and not isinstance(error, ClientConnectorError)


def _tls_context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _open_socket(address: AddrInfoType) -> socket.socket:
    # A model may think for many minutes without a byte; keep-alive probes stop middle boxes from forgetting us, and
    # notice a peer that vanished without a word.
    family, kind, protocol = address[:3]
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    return opened
