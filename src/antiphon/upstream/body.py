"""One answer of a provider: its status, its headers, and its body as it arrives."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import ClientError, ClientPayloadError, ClientResponse, SocketTimeoutError

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.inflate import InflateError, Inflater
from antiphon.upstream.translate import fault_after_head, protocol_fault
from antiphon.upstream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exchange", "accept"]

_IDENTITY = frozenset({"", "identity", "none"})
_INFLATABLE = frozenset({"gzip", "x-gzip", "deflate"})


def accept(response: ClientResponse, request: UpstreamRequest, *, watch: Watch, decoded_cap_bytes: int) -> "Exchange":
    """The exchange for an answer whose head has arrived.

    Raises:
        NetworkFault: a redirect, which is never followed, because it would carry the key and the prompt to a place
            that nobody configured; or a compression that we cannot undo. The connection is closed by then.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    fault: NetworkFault | None = None
    if 300 <= response.status < 400:
        fault = protocol_fault("answered with a redirect", provider=request.provider, phase="head")
    elif encoding not in _IDENTITY and encoding not in _INFLATABLE:
        what = "compressed its answer in a way that was not asked for"
        fault = protocol_fault(what, provider=request.provider, phase="head", detail=f"content-encoding {encoding!r}")
    inflater = Inflater(encoding, cap_bytes=decoded_cap_bytes) if encoding in _INFLATABLE else None
    exchange = Exchange(response, request, watch=watch, inflater=inflater)
    if fault is not None:
        exchange.close()
        raise fault
    return exchange


class Exchange:
    """An answer under way. Made by `UpstreamClient.open`; use it as an async context manager, or call `close`.

    The connection goes back to the pool by itself once the whole body has arrived, so read on until `b""` even
    after the dialect's own end marker. Only one task may read. Unread bytes are held up to a bound (128 KiB); beyond
    it the provider is read more slowly, and its silence is then not counted as a stall.

    Attributes:
        status: the HTTP status.
        headers: looked up without regard to case.
        content_type: the media type in lower case, without parameters; empty if there was none.
    """

    __slots__ = (
        "_content",
        "_failure",
        "_inflater",
        "_loop",
        "_request",
        "_response",
        "_waiting_since",
        "_watch",
        "content_type",
        "headers",
        "status",
    )

    def __init__(
        self, response: ClientResponse, request: UpstreamRequest, *, watch: Watch, inflater: Inflater | None
    ) -> None:
        self._response = response
        self._content = response.content
        self._request = request
        self._failure: NetworkFault | None = None
        self._inflater = inflater
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._watch = watch
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self._content.is_eof():
            watch.enter(self, request.idle_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def read(self) -> bytes:
        """Whatever has arrived since the last call, waiting for the first byte; `b""` at a clean end, and after it.

        Raises:
            NetworkFault: no byte for `idle_s` (`upstream_stall`), a body that was cut (`upstream_reset`), or
                compressed data that is broken or too much (`upstream_protocol_error`). Bytes that arrived before
                are always given first. The connection is closed by then.

        Cancelling closes the connection at once.
        """
        if self._failure is not None:
            raise self._failure
        if self._inflater is None:
            return await self._receive()
        return await self._receive_inflated(self._inflater)

    async def read_all(self, limit_bytes: int) -> bytes:
        """The rest of the body.

        Raises:
            NetworkFault: as for `read`, and `upstream_protocol_error` as soon as there is more than `limit_bytes`.
        """
        parts = []
        left = limit_bytes
        while part := await self.read():
            left -= len(part)
            if left < 0:
                raise self._fail(protocol_fault(f"sent more than {limit_bytes} bytes", provider=self._request.provider))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Drop the connection, unless the whole body was received: then there is nothing to do.

        It is dropped hard. A polite end would let a TLS peer go on generating, and billing, until it answers.
        """
        self._watch.leave(self)
        connection = self._response.connection
        if connection is None:
            return
        transport = connection.transport
        self._response.close()
        if transport is not None:
            transport.abort()

    def look(self, now: float) -> float | None:
        """Implements `watch.Wait`: breaks a read that has waited for too long, or that nobody will ever end."""
        if self._content.is_eof():
            return None
        connection = self._response.connection
        left_s = self._request.idle_s
        if self._waiting_since is not None:
            left_s -= now - self._waiting_since
        if left_s <= 0:
            self._content.set_exception(SocketTimeoutError("no byte for the idle limit"))
            return None
        if connection is not None and connection.closed:
            # aiohttp 3.14 drops the connection when the framing of a body is wrong, and forgets to tell the reader.
            self._content.set_exception(ClientPayloadError("the framing of the body is wrong"))
            return None
        return left_s

    async def _receive(self) -> bytes:
        content = self._content
        try:
            if content.is_eof():
                return content.read_nowait()
            self._waiting_since = self._loop.time()
            received = await content.readany()
        except (ClientError, OSError) as error:
            # aiohttp raises before it hands out what had arrived in front of the cut, and has no public way to it.
            rest = content._read_nowait(-1)  # noqa: SLF001 - the partial answer is promised; a test guards this
            fault = self._fail(fault_after_head(error, provider=self._request.provider, idle_s=self._request.idle_s))
            fault.__cause__ = error
            if not rest:
                raise fault from error
            return rest
        except asyncio.CancelledError:
            self.close()
            raise
        self._waiting_since = None
        return received

    async def _receive_inflated(self, inflater: Inflater) -> bytes:
        try:
            while not (plain := inflater.more()):
                piece = await self._receive()
                if not piece:
                    inflater.finish()
                    return b""
                if plain := inflater.feed(piece):
                    return plain
        except InflateError as error:
            fault = protocol_fault("sent compressed data that cannot be read", provider=self._request.provider)
            raise self._fail(fault) from error
        return plain

    def _fail(self, fault: NetworkFault) -> NetworkFault:
        # Kept, so that whoever reads again gets the same answer and never a clean end.
        self._failure = fault
        self.close()
        return fault
