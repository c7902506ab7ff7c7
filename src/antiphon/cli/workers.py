"""Keeps so many workers alive, and ends them in order."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import assert_never

from msgspec import Struct

from antiphon.cli.worker_counts import WorkerCounts
from antiphon.cli.worker_life import WorkerLife
from antiphon.cli.worker_messages import Asked, Begin, Counted, FromParent, FromWorker, Ready, Retire, Totals

__all__ = ["Team", "Workers"]

_log = logging.getLogger(__name__)

#: The pause before a worker that died is replaced doubles from one to the other, and begins anew after a long life.
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0

#: What a worker gets beyond `server.drain_s` to write what it has to write.
_MORE_S = 15.0

#: Told to stop before it could hear it, a process ends by the signal.
_GOOD_ENDS = (0, -signal.SIGTERM)


class Team(Struct, frozen=True):
    """How many there are, what they have counted, and how many seconds running answers get when they stop."""

    count: int
    counts: WorkerCounts
    drain_s: float


class Workers:
    """The workers of one gateway.

    Args:
        begin: what a new worker of this number is told first.
        state: what one may have missed while it was being started.
    """

    def __init__(self, begin: Callable[[int], Begin], state: Callable[[], Sequence[FromParent]], *, team: Team) -> None:
        #: All took connections at the same time, for the first time.
        self.started = asyncio.Event()
        self._begin = begin
        self._state = state
        self._team = team
        self._lives: dict[int, WorkerLife] = {}
        self._ready: set[int] = set()
        self._stopping = asyncio.Event()
        self._failed = False
        self._patience_s = 0.0

    async def run(self) -> int:
        """Until all have ended, because of `stop`, or because one cannot start at all. Returns the exit code.

        Cancelling kills them.
        """
        async with asyncio.TaskGroup() as outer:
            insisting = outer.create_task(self._insist())
            async with asyncio.TaskGroup() as keepers:
                for number in range(1, self._team.count + 1):
                    keepers.create_task(self._keep(number))
            insisting.cancel()
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Let them end their answers and stop. Told once more, they end them at once."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def retire(self, message: Retire) -> None:
        """Let them stop as if told to, but with patience for clients that are still connected."""
        self._patience_s = message.patience_s
        self._stopping.set()
        self.tell(message)

    def tell(self, message: FromParent) -> None:
        """Say this to all."""
        for life in self._lives.values():
            life.tell(message)

    async def _keep(self, number: int) -> None:
        """One worker after the other, until they are to stop."""
        delay_s = _FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            code = await self._live(number)
            if self._stopping.is_set():
                self._failed |= code not in _GOOD_ENDS
                return
            if not self.started.is_set():
                _log.error("worker %d could not start: it ended with status %d", number, code)
                self._failed = True
                self.stop()
                return
            if clock() - began >= _LONGEST_DELAY_S:
                delay_s = _FIRST_DELAY_S
            _log.error("worker %d ended with status %d; starting another in %.1f s", number, code, delay_s)
            self._team.counts.replaced()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    async def _live(self, number: int) -> int:
        """One life of a worker: its exit code."""
        try:
            life = await WorkerLife.start(self._begin(number))
        except OSError:
            _log.exception("worker %d cannot be started", number)
            return 1
        self._lives[number] = life
        try:
            if self._stopping.is_set():  # in the middle of starting it
                life.signal(signal.SIGTERM)
            for message in self._state():
                life.tell(message)
            async for said in life.messages():
                self._hear(said, number, life=life)
            return await life.end()
        finally:
            life.signal(signal.SIGKILL)
            del self._lives[number]
            self._ready.discard(number)
            self._team.counts.forget(life.pid)

    def _hear(self, said: FromWorker, number: int, *, life: WorkerLife) -> None:
        counts = self._team.counts
        match said:
            case Ready():
                self._ready.add(number)
                _log.info("worker %d serves, process %d", number, life.pid)
                if len(self._ready) == self._team.count:
                    self.started.set()
            case Counted(families):
                counts.note(life.pid, families)
            case Asked(families):
                counts.note(life.pid, families)
                life.tell(Totals(counts.total()))
            case _:
                assert_never(said)

    async def _insist(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._patience_s + self._team.drain_s + _MORE_S)
        _log.error("workers that have not ended by now are killed")
        self._signal(signal.SIGKILL)

    def _signal(self, sent: signal.Signals) -> None:
        for life in self._lives.values():
            life.signal(sent)
