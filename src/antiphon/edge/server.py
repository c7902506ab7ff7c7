"""The HTTP server: uvicorn, with limits on request heads, errors in our shape, and a shutdown that drains.

The only server-specific code. Without it (on another ASGI server) everything but these limits is the same.
"""

import asyncio
import gc
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from antiphon.edge.answer import SHORTCUTS, JoinedAnswer
from antiphon.edge.problems import error_body
from antiphon.edge.watch import CONNECTION
from antiphon.protocol.faults import RequestFault

__all__ = ["GatewayServer", "HeadLimitProtocol", "server_config"]

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_TIMEOUT_S = 30.0
_KEEP_ALIVE_S = 75
#: What is read and thrown away of a body that was refused, so that the client comes to read why.
_LINGER_S = 5.0
_LINGER_BYTES = 32 * 1024 * 1024
#: How often a server that retires looks whether there is a connection left.
_LOOK_S = 0.05
#: A connection that nobody has used for so long is closed by one that retires.
_UNUSED_S = 5.0
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class HeadLimitProtocol(HttpToolsProtocol):
    """Closes connections whose request head is larger than 64 KiB or does not arrive within 30 s.

    So do more than 64 KiB of anything else that is no body, which the parser would collect.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._lingering_bytes: int | None = None
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._watchers: set[Callable[[], None]] = set()
        self._connection: dict[object, object] = {"watchers": self._watchers, "abort": self._abort}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock for the first head."""
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell who watches."""
        self._stop_head_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)
        for tell in tuple(self._watchers):
            tell()

    def on_message_begin(self) -> None:
        """Count from here."""
        super().on_message_begin()
        self._head_bytes += 1  # a head has begun, be it behind another request in the same read

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head, and what else is no body: trailers and extensions of chunks."""
        if self._lingering_bytes is not None:
            self._lingering_bytes += len(data)
            if self._lingering_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        if self._in_head and b"pgrade" in data:
            data = _without_upgrade(data)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.transport.close()
        elif self._in_head and self._head_bytes and self._head_timer is None and not self.transport.is_closing():
            self._start_head_timer()  # not before there is something of a head: until then an answer may be running

    def on_headers_complete(self) -> None:
        """The head is whole; one that came with its body in the same read may not be larger than the cap either."""
        self._in_head = False
        self._stop_head_timer()
        if sum(len(name) + len(value) for name, value in self.headers) > _MAX_HEAD_BYTES:
            self.transport.close()
            return
        super().on_headers_complete()
        self.headers = []  # trailers: uvicorn would add them to the request's headers, and a proxy may not look at them

    def on_body(self, body: bytes) -> None:
        """What is read now is body, whose size is the application's business."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes belong to the next request's head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn has it, but with one timer for the life of the connection instead of one for each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._lingering_bytes is not None:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(_KEEP_ALIVE_S, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle_timer = None
        if not self.cycle.response_complete or self._head_bytes:
            return  # in the middle of a request; its end looks again
        left_s = self._idle_since + _KEEP_ALIVE_S - self.loop.time()
        if left_s <= 0 and self.transport.get_write_buffer_size():
            self.transport.abort()  # it has not taken its answer in all this time, and would hold it for ever
        elif left_s <= 0:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(left_s, self._look_whether_idle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Run the application with a `send` of ours; and let it watch the connection without a task of its own."""
        answer = JoinedAnswer(cycle, close=self._close_gently)
        shortcuts: dict[object, object] = {
            "read": answer.whole_body,
            "ready": answer.is_ready,
            "write": answer.write_now,
        }
        cycle.scope["extensions"] = {CONNECTION: self._connection, SHORTCUTS: shortcuts}

        async def joined(scope: Any, receive: Any, _: Any) -> None:
            try:
                await app(scope, receive, answer.send)
            finally:
                shortcuts.clear()  # the answer knows its cycle, whose scope knows the answer: collecting that costs

        super()._start_asgi_task(cycle, joined)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the same error shape as everything else."""
        body = error_body(RequestFault(msg, code="invalid_http"))
        self.transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[400], len(body), body)
        )
        self.transport.close()

    def _close_gently(self) -> None:
        """Close; but a client that is still sending is listened to for a while.

        Closing on it at once would reset the connection, and the answer that tells what is wrong would be lost.
        """
        if not self.cycle.more_body or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._lingering_bytes = 0
        self.flow.resume_reading()
        self.transport.write_eof()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def _abort(self) -> None:
        """Hang up at once; a polite end would wait until the client has taken what is held for it."""
        self.transport.abort()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _without_upgrade(data: bytes) -> bytes:
    """Take the offer to speak something else out of a head, because the parser would give up the body that follows.

    Java's own HTTP client offers h2c with every first request. No offer is ever taken here.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest


class GatewayServer(uvicorn.Server):
    """Stops in order: no new connections, running answers end or are ended, then `run` returns.

    When it is told to stop while it is still starting, it gives up at once, and `run` raises `CancelledError`.

    Args:
        drain: awaited when the server stops; returns once no run is left to wait for.
        hurry: awaited when it is told to stop once more meanwhile; ends the runs that are left.
        started: called when the server listens, with its address.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain: Callable[[], Awaitable[None]],
        started: Callable[[str], None],
        hurry: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._hurry = hurry
        self._told_again = asyncio.Event()
        self._tell_started = started
        self._main: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self._main = asyncio.current_task()
        await super().serve(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop the server. uvicorn would also raise them at the end, and the exit code be lost."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at once when there is nothing to end yet, be it in the middle of a long download."""
        if self._main is None:
            super().handle_exit(sig, frame)
            return
        loop = self._main.get_loop()
        if self.should_exit:
            loop.call_soon_threadsafe(self._told_again.set)
        self.should_exit = True
        if not self.started:
            loop.call_soon_threadsafe(self._give_up, self._main)

    def _give_up(self, main: asyncio.Task[None]) -> None:
        if self.started:
            return
        if isinstance(self.lifespan, LifespanOn):
            self.lifespan.startup_failed = True  # or it would log the cancellation as a failure of ours
        main.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            _calm_collector()
            port = self.servers[0].sockets[0].getsockname()[1] if self.servers else self.config.port
            host = self.config.host
            self._tell_started(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    @property
    def failed(self) -> bool:
        """Whether it ended, or never began to serve, because of an error of ours."""
        return not self.started or (isinstance(self.lifespan, LifespanOn) and self.lifespan.error_occurred)

    async def on_tick(self, counter: int) -> bool:
        """Stop as well when what stands behind the application broke: who restarts us is better than 503 for ever."""
        stop = await super().on_tick(counter)
        return stop or (self.started and self.failed)

    async def retire(self, patience_s: float) -> None:
        """Stop, when another process has the same sockets by now: take no more connections, and lose no request.

        A client may be sending one on a connection that is idle to us, or that was in use a moment ago. So each is
        served once more, with the word that it ends there, and closed without that only when nobody has used it for a
        while. When there is none left, or after `patience_s`, it goes on as when told to stop.
        """
        for server in self.servers:
            server.close()
        last_word = (b"connection", b"close")
        self.config.encoded_headers.append(last_word)
        self.server_state.default_headers.append(last_word)
        clock = asyncio.get_running_loop().time
        began, busy_at = clock(), dict[object, float]()
        while (connections := tuple(self.server_state.connections)) and not self.should_exit:
            now = clock()
            if now - began > patience_s:
                break
            for each in connections:
                if isinstance(each, HttpToolsProtocol) and _is_answering(each.cycle):
                    busy_at[each] = now
                elif now - busy_at.get(each, began) > _UNUSED_S:
                    each.shutdown()
            await asyncio.sleep(_LOOK_S)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while uvicorn waits for its connections."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_awaited(self._drain))
            impatient = group.create_task(self._hurry_when_told_again())
            await super().shutdown(sockets)
            impatient.cancel()

    async def _hurry_when_told_again(self) -> None:
        await self._told_again.wait()
        if self._hurry is not None:
            await self._hurry()


def _is_answering(cycle: RequestResponseCycle | None) -> bool:
    """Whether a request's answer has not ended; a connection has no cycle before its first request."""
    return cycle is not None and not cycle.response_complete


def _calm_collector() -> None:
    """Garbage cycles are rare here, and looking for them among everything that startup made cost 15 % of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def _awaited(action: Callable[[], Awaitable[None]]) -> None:
    await action()


def server_config(app: Any, *, host: str, port: int, drain_s: float, proxies: tuple[str, ...]) -> uvicorn.Config:
    """How uvicorn is run here."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",
        http=HeadLimitProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(drain_s) + 10,
        backlog=2048,
    )
