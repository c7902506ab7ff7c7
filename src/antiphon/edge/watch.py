"""Noticing that the client has gone, and keeping a stream's time, while its answer is being made."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from antiphon.edge.asgi import Exchange
from antiphon.edge.sse_out import ByteStream

__all__ = ["CONNECTION", "Watch"]

#: Key in the scope's `extensions` under which our server keeps `watchers`, a set of functions to call when the
#: connection is lost, and `abort`, to lose it. On other servers a task per request waits for `http.disconnect`, which
#: costs more, and a client that takes nothing keeps its connection.
CONNECTION = "antiphon.connection"


class Watch:
    """Cancels the task it was entered in when the client disconnects. Swallows that cancellation on the way out.

    After the context, `exchange.client_gone` tells what happened. With a sink it also keeps the sink's time: a beat
    every second or so, for heartbeats and the early status; a client that takes nothing for too long counts as gone.
    """

    __slots__ = ("_abort", "_beating", "_exchange", "_loop", "_sink", "_timer", "_waiting", "_watched", "_watchers")

    def __init__(self, exchange: Exchange, sink: ByteStream | None = None) -> None:
        self._exchange = exchange
        self._sink = sink
        self._watched: asyncio.Task[object] | None = None
        self._watchers: set[Callable[[], None]] | None = None
        self._abort: Callable[[], None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._watched = asyncio.current_task()
        connection = self._exchange.scope.get("extensions", {}).get(CONNECTION)
        if connection is not None:
            self._watchers = connection["watchers"]
            self._abort = connection["abort"]
        if self._watchers is not None:
            self._watchers.add(self._gone)
        else:
            self._waiting = self._loop.create_task(self._wait())
        if self._sink is not None:
            self._timer = self._loop.call_later(self._sink.beat_s, self._tick)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._watchers is not None:
            self._watchers.discard(self._gone)
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting is not None:
            await _end(self._waiting)
        if self._beating is not None:
            await _end(self._beating)
        if self._exchange.client_gone and kind is asyncio.CancelledError and self._watched is not None:
            self._watched.uncancel()
            return True
        return False

    async def _wait(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        self._gone()

    def _gone(self) -> None:
        # Servers also report the end of an answered exchange as a disconnect.
        if not self._exchange.answered and not self._exchange.client_gone and self._watched is not None:
            self._exchange.client_gone = True
            self._watched.cancel()

    def _tick(self) -> None:
        """Runs as a plain callback; only what has to be sent needs a task."""
        if self._sink is None:
            return
        self._timer = self._loop.call_later(self._sink.beat_s, self._tick)
        match self._sink.due():
            case "stalled" if self._abort is not None:
                self._abort()  # also when the last write is what it does not take
            case "stalled":
                self._gone()
            case "beat" if self._beating is None or self._beating.done():
                self._beating = self._loop.create_task(self._sink.beat())


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait for it; a cancellation of our own caller is not swallowed."""
    task.cancel()
    await asyncio.wait((task,))
