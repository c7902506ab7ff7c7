"""Noticing that the client has gone, while its answer is being made."""

import asyncio
from types import TracebackType
from typing import Self

from antiphon.edge.asgi import Exchange
from antiphon.edge.sse_out import StreamSink

__all__ = ["Watch"]

_TICK_S = 1.0


class Watch:
    """Cancels the task it was entered in when the client disconnects. Swallows that cancellation on the way out.

    After the context, `exchange.client_gone` tells what happened. With a sink it also keeps the sink's time.
    """

    def __init__(self, exchange: Exchange, sink: StreamSink | None = None) -> None:
        self._exchange = exchange
        self._sink = sink
        self._watched: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watched = asyncio.current_task()
        self._watcher = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        watcher = self._watcher
        if watcher is not None and not watcher.done():
            watcher.cancel()
            try:
                await watcher
            except asyncio.CancelledError:
                if kind is None and self._watched is not None and self._watched.cancelling():
                    raise  # somebody wants this task to stop, not only the watcher
        if self._exchange.client_gone and kind is asyncio.CancelledError and self._watched is not None:
            self._watched.uncancel()
            return True
        return False

    async def _run(self) -> None:
        while await self._wait() and (self._sink is None or await self._sink.tick()):
            pass
        if self._exchange.answered:
            return  # servers also report the end of an answered exchange as a disconnect
        self._exchange.client_gone = True
        if self._watched is not None:
            self._watched.cancel()

    async def _wait(self) -> bool:
        """Until the next tick, or until the client is gone (False)."""
        try:
            async with asyncio.timeout(_TICK_S if self._sink else None):
                while True:
                    message = await self._exchange.receive()
                    if message["type"] == "http.disconnect":
                        return False
        except TimeoutError:
            return True
