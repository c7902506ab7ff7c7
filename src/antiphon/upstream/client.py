"""The one way out to providers: POST over pooled HTTP/1.1, with a limit on every wait.

This module knows bytes, statuses and time limits; it knows nothing of dialects, models or retries. Everything that
fails leaves here as a `NetworkFault`. The connections themselves are in `wire`, the making of them in `connect`.
"""

import asyncio
from types import TracebackType
from typing import Self

from msgspec import Struct

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.body import Exchange, accept
from antiphon.upstream.connect import Connector
from antiphon.upstream.head import Origin, Routes, plan
from antiphon.upstream.pool import Pool
from antiphon.upstream.translate import fault_before_head, first_byte_fault, protocol_fault
from antiphon.upstream.watch import Watch
from antiphon.upstream.wire import Answer, CutError, SilenceError, Wire

__all__ = ["Exchange", "UpstreamClient"]

#: A connection that was closed while we reused it fails within a round trip. Later, the provider may have been at work.
_STALE_WITHIN_S = 1.0


class UpstreamClient:
    """A pool of connections to all providers. Use as `async with UpstreamClient() as client`.

    Leaving the context closes every connection; exchanges still open then end in a `NetworkFault`.

    Args:
        connect_s: limit for a new connection: name, TCP and TLS together, through the proxy if there is one.
        keepalive_s: how long an idle connection is kept.
        most: how many connections are kept, idle ones included.
        decoded_cap_bytes: most that one compressed answer may become, see `Exchange`.
    """

    def __init__(
        self,
        *,
        connect_s: float = 5.0,
        keepalive_s: float = 60.0,
        most: int = 4096,
        decoded_cap_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._most = most
        self._connect_s = connect_s
        self._keepalive_s = keepalive_s
        self._decoded_cap_bytes = decoded_cap_bytes
        self._routes = Routes()
        self._is_entered = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._watch = Watch()
        self._is_entered = True
        self._pool = Pool(self._watch, keepalive_s=self._keepalive_s, most=self._most)
        self._connector = Connector(self._pool, connect_s=self._connect_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_entered:
            self._watch.close()
            await self._pool.close()

    def renew(self, *, connect_s: float) -> None:
        """Connect with this limit from now on, and read certificate authorities anew. Connections stay as they are."""
        self._connect_s = connect_s
        if self._is_entered:
            self._connector = Connector(self._pool, connect_s=connect_s)

    async def open(self, request: UpstreamRequest) -> Exchange:
        """Send the request and wait for the status and headers.

        A pooled connection that the provider closed in the very moment of reuse, before a byte of an answer, is
        replaced once: it had given that connection up before it could read the request.

        Statuses from 400 on are returned like any other: their body is the codec's to read.

        Raises:
            NetworkFault: unreachable, no answer within `first_byte_s`, a redirect (never followed, because it would
                carry the key and the prompt to a place that nobody configured), or no HTTP.

        Cancelling closes the connection at once.
        """
        route = self._routes.find(request)
        head = b"%bcontent-length: %d\r\n\r\n" % (route.start, len(request.body))
        exchange = await self._exchange(_Call(request, route.origin, head, request.body))
        if 300 <= exchange.status < 400:
            exchange.close()
            raise protocol_fault("answered with a redirect", provider=request.provider, phase="head")
        return exchange

    async def get(self, request: UpstreamRequest) -> Exchange:
        """GET, without the request's body; otherwise as `open`, but a redirect is an answer like any other."""
        route = plan(request, method="GET")
        return await self._exchange(_Call(request, route.origin, route.start + b"\r\n", b""))

    async def _exchange(self, call: "_Call") -> Exchange:
        if not self._is_entered:
            raise RuntimeError("UpstreamClient is used outside of its context")
        request = call.request
        started = self._loop.time()
        wire = self._pool.take(call.origin, started)
        answer = None if wire is None else await self._ask(wire, call, since=started)
        if answer is None or self._found_stale(answer, started):
            wire = await self._connect(call, started)
            answer = await self._ask(wire, call, since=started)
        if not answer.status:
            error = answer.error or CutError("the connection was closed")
            raise fault_before_head(error, provider=request.provider, first_byte_s=request.first_byte_s) from error
        return accept(answer, request, watch=self._watch, decoded_cap_bytes=self._decoded_cap_bytes)

    async def _ask(self, wire: Wire, call: "_Call", *, since: float) -> Answer:
        """Send, and wait for the head. The answer has an error and no status when none came."""
        watch = self._watch
        answer = Answer(self._loop, since, call.request.first_byte_s)
        wire.send(answer, call.head + call.body)
        watch.enter(answer, call.request.first_byte_s)
        try:
            while not answer.status and answer.wire is not None:
                await answer.news()
        except asyncio.CancelledError:
            watch.leave(answer)
            answer.drop()
            raise
        if not answer.status:
            watch.leave(answer)
        return answer

    def _found_stale(self, answer: Answer, started: float) -> bool:
        return (
            not answer.status
            and not answer.heard
            and not isinstance(answer.error, SilenceError)
            and self._loop.time() - started < _STALE_WITHIN_S
            and not self._pool.is_closed
        )

    async def _connect(self, call: "_Call", started: float) -> Wire:
        limit_s = call.request.first_byte_s
        self._pool.make_room()
        try:
            with self._watch.limit(limit_s - (self._loop.time() - started)):
                return await self._connector.dial(call.origin, provider=call.request.provider)
        except TimeoutError as error:
            raise first_byte_fault(limit_s, provider=call.request.provider) from error


class _Call(Struct, frozen=True):
    """What is written, and where."""

    request: UpstreamRequest
    origin: Origin
    head: bytes
    body: bytes
