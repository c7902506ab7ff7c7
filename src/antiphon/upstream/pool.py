"""All connections to all providers, and among them those that wait for their next request."""

import asyncio
from contextlib import suppress

from antiphon.lib.outbox import Outbox
from antiphon.upstream.head import Origin
from antiphon.upstream.watch import Watch
from antiphon.upstream.wire import Wire

__all__ = ["Pool"]

#: A dropped connection is gone after a few turns of the loop; nobody waits longer for it.
_CLOSING_S = 1.0


class Pool:
    """Connections by origin; the one used last is used first, so that those too many grow old.

    Implements `wire.Keeper` and `watch.Wait`.

    Args:
        keepalive_s: how long a connection may wait for its next request.
        most: so many are kept. More are made when all of these are in use: how many runs there may be is decided where
            they are admitted.

    Attributes:
        is_closed: nothing is kept any more.
        outbox: where requests are written.
    """

    __slots__ = ("_emptied", "_idle", "_keepalive_s", "_most", "_open", "_watch", "is_closed", "outbox")

    def __init__(self, watch: Watch, *, keepalive_s: float, most: int) -> None:
        self._watch = watch
        self._most = most
        self._keepalive_s = keepalive_s
        # Of each origin, and of each connection since when: in the order in which they came.
        self._idle: dict[Origin, dict[Wire, float]] = {}
        self._open: set[Wire] = set()
        self.is_closed = False
        self.outbox = Outbox()
        self._emptied: asyncio.Future[None] | None = None

    def take(self, origin: Origin, now: float) -> Wire | None:
        """A connection that can be used now, if there is one."""
        idle = self._idle.get(origin)
        while idle:
            wire, since = idle.popitem()
            if now - since < self._keepalive_s and not wire.is_closing:
                return wire
            wire.abort()
        return None

    def make_room(self) -> None:
        """One is going to be made: close the one that has waited longest at some place, if there are enough of them."""
        if len(self._open) < self._most:
            return
        for idle in self._idle.values():
            if idle:
                wire = next(iter(idle))
                del idle[wire]
                wire.abort()
                return

    def join(self, wire: Wire) -> None:
        """A new connection, to be closed with the others."""
        if wire.is_closing:
            return  # it may have been lost already, and will not be forgotten twice
        self._open.add(wire)
        if self.is_closed:
            wire.abort()

    def release(self, wire: Wire) -> None:
        """Keep a connection until somebody takes it, or until it has waited too long."""
        now = self._watch.enter(self, self._keepalive_s)
        idle = self._idle.get(wire.origin)
        if idle is None:
            idle = self._idle[wire.origin] = {}
        idle[wire] = now

    def forget(self, wire: Wire) -> None:
        """It is closed."""
        self._open.discard(wire)
        idle = self._idle.get(wire.origin)
        if idle is not None:
            idle.pop(wire, None)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    def look(self, now: float) -> float | None:
        """Close what has waited too long."""
        soonest: float | None = None
        for origin, idle in tuple(self._idle.items()):
            for wire, since in tuple(idle.items()):
                left_s = self._keepalive_s - (now - since)
                if left_s > 0:
                    soonest = left_s if soonest is None else min(soonest, left_s)
                    break
                del idle[wire]
                wire.abort()
            if not idle:
                del self._idle[origin]
        return soonest

    async def close(self) -> None:
        """Close every connection, and all that are still being made once they are. Answers end in an error."""
        self.is_closed = True
        self._idle.clear()
        for wire in tuple(self._open):
            wire.abort()
        if self._open:
            self._emptied = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    await self._emptied
