"""One answer of a provider: its status, its headers, and its body as it arrives."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import ClientError, ClientPayloadError, ClientResponse, SocketTimeoutError

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.inflate import InflateError, Inflater
from antiphon.upstream.translate import fault_after_head, protocol_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exchange", "accept"]

_IDENTITY = frozenset({"", "identity", "none"})
_LOOK_EVERY_S = 1.0
_INFLATABLE = frozenset({"gzip", "x-gzip", "deflate"})


def accept(response: ClientResponse, request: UpstreamRequest, *, decoded_cap_bytes: int) -> "Exchange":
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
    exchange = Exchange(response, request, inflater=inflater)
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

    __slots__ = ("_failure", "_inflater", "_request", "_response", "_watch", "content_type", "headers", "status")

    def __init__(self, response: ClientResponse, request: UpstreamRequest, *, inflater: Inflater | None) -> None:
        self._response = response
        self._request = request
        self._failure: NetworkFault | None = None
        self._watch = _StallWatch(response, request.idle_s)
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._inflater = inflater

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
        self._watch.stop()
        connection = self._response.connection
        if connection is None:
            return
        transport = connection.transport
        self._response.close()
        if transport is not None:
            transport.abort()

    async def _receive(self) -> bytes:
        content = self._response.content
        self._watch.begin()
        try:
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
        if received:
            self._watch.end()
        else:
            self._watch.stop()
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


class _StallWatch:
    """Breaks a read that has waited for `limit_s`.

    One timer serves the whole body and is set anew only when it fires, so that a chunk costs two assignments
    instead of a new timer. It looks every second, for a broken connection too.
    """

    __slots__ = ("_limit_s", "_loop", "_response", "_timer", "_waiting_since")

    def __init__(self, response: ClientResponse, limit_s: float) -> None:
        self._response = response
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None

    def begin(self) -> None:
        """A read may have to wait from now on."""
        self._waiting_since = self._loop.time()
        if self._timer is None and not self._response.content.is_eof():
            self._timer = self._loop.call_later(min(self._limit_s, _LOOK_EVERY_S), self._look)

    def end(self) -> None:
        """The read got something."""
        self._waiting_since = None

    def stop(self) -> None:
        """There will be no more reads."""
        self._waiting_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        waited_s = 0.0 if self._waiting_since is None else self._loop.time() - self._waiting_since
        if waited_s >= self._limit_s:
            self._response.content.set_exception(SocketTimeoutError("no byte for the idle limit"))
            return
        connection = self._response.connection
        if connection is not None and connection.closed:
            # aiohttp 3.14 drops the connection when the framing of a body is wrong, and forgets to tell the reader.
            self._response.content.set_exception(ClientPayloadError("the framing of the body is wrong"))
            return
        self._timer = self._loop.call_later(min(self._limit_s - waited_s, _LOOK_EVERY_S), self._look)
