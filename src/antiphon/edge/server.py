"""The HTTP server: uvicorn with connections of our own, and a shutdown that drains.

The only server-specific code, with `edge.connection`. On another ASGI server everything but their limits is the same.
"""

import asyncio
import gc
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, Protocol

import uvicorn
from uvicorn.lifespan.on import LifespanOn

from antiphon.edge.admission import Admission
from antiphon.edge.connection import KEEP_ALIVE_S, LAST_WORD, ClientConnection
from antiphon.edge.refusal import Refusals
from antiphon.lib.outbox import Outbox

__all__ = ["Application", "GatewayServer", "server_config"]


_log = logging.getLogger(__name__)

#: How often the server looks whether something has ended it; uvicorn counts on ten times a second.
_TICK_S = 0.1
#: How often a server that retires looks whether there is a connection left.
_LOOK_S = 0.05
#: A connection that nobody has used for so long is closed by one that retires.
_UNUSED_S = 5.0
#: Most connections accepted in one turn.
_ACCEPTS = 256


class _Acceptor:
    """Accepts the rest of the connections that wait, once one has come, in the same turn of the event loop.

    uvloop accepts one per turn. A turn takes long when there is much to do, and clients would wait for seconds to be
    heard although others are served all the while. What goes wrong here is left to uvloop's own way of accepting.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._connection: Callable[[], asyncio.Protocol] | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_due = False

    def start(self, connection: Callable[[], asyncio.Protocol], servers: Iterable[asyncio.Server]) -> None:
        """`servers` listen. `connection` makes what serves one."""
        self._connection = connection
        self._sockets = [
            socket.fromfd(each.fileno(), each.family, each.type) for server in servers for each in server.sockets
        ]

    def look(self) -> None:
        """There may be more. Called for every new connection."""
        if not self._is_due and self._sockets:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._accept)

    def close(self) -> None:
        """Accept no more."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    def _accept(self) -> None:
        self._is_due = False
        connection = self._connection
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            for _ in range(_ACCEPTS):
                try:
                    client, _ = each.accept()
                except OSError:
                    break  # usually there is none
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                task = loop.create_task(loop.connect_accepted_socket(connection, client))
                self._tasks.add(task)
                task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a connection was lost before it began: %s", error)


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
        self._told = asyncio.Event()
        self._told_again = asyncio.Event()
        self._tell_started = started
        self._main: asyncio.Task[None] | None = None
        self._acceptor = _Acceptor()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self._main = asyncio.current_task()
        try:
            await super().serve(sockets)
        finally:
            self._main = None

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
        self.stop()
        if not self.started:
            loop.call_soon_threadsafe(self._give_up, self._main)

    def stop(self) -> None:
        """Stop in order. To be called from any thread, and while signals are handled."""
        self.should_exit = True
        main = self._main
        if main is not None:
            main.get_loop().call_soon_threadsafe(self._told.set)

    def _give_up(self, main: asyncio.Task[None]) -> None:
        if self.started:
            return
        if isinstance(self.lifespan, LifespanOn):
            self.lifespan.startup_failed = True  # or it would log the cancellation as a failure of ours
        main.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        self.config.http_protocol_class = partial(  # type: ignore[assignment]  # it is called, and nothing else
            self.config.http_protocol_class,
            accepted=self._accepted,  # type: ignore[call-arg]  # ours has it
        )
        await super().startup(sockets)
        if self.started:
            self._acceptor.start(self._connection, self.servers)
            _calm_collector()
            port = self.servers[0].sockets[0].getsockname()[1] if self.servers else self.config.port
            host = self.config.host
            self._tell_started(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def _accepted(self) -> bool:
        """A connection is there, and perhaps more of them. Whether it is wanted."""
        self._acceptor.look()
        return not self.should_exit

    def _connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn has it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @property
    def failed(self) -> bool:
        """Whether it ended, or never began to serve, because of an error of ours."""
        return not self.started or (isinstance(self.lifespan, LifespanOn) and self.lifespan.error_occurred)

    async def main_loop(self) -> None:
        """As uvicorn has it, but it hears at once that it shall stop, not within a tenth of a second."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._told.wait()

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
        self._acceptor.close()
        self.config.encoded_headers.append(LAST_WORD)
        self.server_state.default_headers.append(LAST_WORD)
        clock = asyncio.get_running_loop().time
        began, busy_at = clock(), dict[object, float]()
        while (connections := tuple(self.server_state.connections)) and not self.should_exit:
            now = clock()
            if now - began > patience_s:
                break
            for each in connections:
                if isinstance(each, ClientConnection) and not each.is_free:
                    busy_at[each] = now
                elif now - busy_at.get(each, began) > _UNUSED_S:
                    each.shutdown()
            await asyncio.sleep(_LOOK_S)
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while uvicorn waits for its connections."""
        self._acceptor.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(_awaited(self._drain))
            impatient = group.create_task(self._hurry_when_told_again())
            await super().shutdown(sockets)
            impatient.cancel()

    async def _hurry_when_told_again(self) -> None:
        await self._told_again.wait()
        if self._hurry is not None:
            await self._hurry()


def _calm_collector() -> None:
    """Look for garbage seldom. Requests leave none behind (a test sees to that), and looking costs a lot.

    Among everything that startup made it was 15 % of the CPU; with 512 requests at once, which make and let go of
    tens of thousands of objects, 12 % at a look every 10,000; at every 100,000 it took 0.1 s of the first second of an
    overload. What a request made is old when a look comes while it runs. So the old are looked at now and then, too, or
    what other libraries leave would be tens of megabytes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(400_000, 5, 10)


async def _awaited(action: Callable[[], Awaitable[None]]) -> None:
    await action()


class Application(Protocol):
    """What is served, and who is let in to it."""

    admission: Admission

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""


def server_config(
    app: Application, *, host: str, port: int, drain_s: float, proxies: tuple[str, ...]
) -> uvicorn.Config:
    """How uvicorn is run here."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="auto",
        http=partial(ClientConnection, admission=app.admission, refusals=Refusals(), outbox=Outbox()),  # type: ignore[arg-type]  # called only
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(drain_s) + 10,
        backlog=2048,
    )
