"""One timer for all waits on providers: for the head of an answer, and for each part of its body.

A timer of their own for each would cost more than everything else this package does for a request. This module knows
times only; what happens when a limit is reached is the waiter's business.
"""

import asyncio
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

__all__ = ["Wait", "Watch"]

#: No waiter is looked at less often: a broken connection is found by looking, too.
_LOOK_EVERY_S = 1.0

#: Nor more often than this, however short its limit.
_LOOK_AT_MOST_EVERY_S = 0.001


class Wait(Protocol):
    """Something that must not last for ever."""

    def look(self, now: float) -> float | None:
        """End the wait if its limit is reached. The seconds until the next look, `None` for never again."""


class Watch:
    """Looks at every wait in time. Belongs to one event loop.

    The timer runs only while there is something to look at. Entering and leaving is one step in a set, as a rule:
    only a wait that is to end before the next look sets the timer anew.
    """

    __slots__ = ("_loop", "_next_at", "_timer", "_waits")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: set[Wait] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def enter(self, wait: Wait, limit_s: float) -> float:
        """Look at `wait` after `limit_s` seconds, or before. Gives the loop's time."""
        self._waits.add(wait)
        now = self._loop.time()
        if self._timer is None or now + limit_s < self._next_at:
            self._set(now, limit_s)
        return now

    def limit(self, seconds: float) -> AbstractContextManager[None]:
        """Cancel the task that runs the context when it takes longer, and raise `TimeoutError` at its end.

        A task that somebody else cancels as well stays cancelled.
        """
        return _TaskLimit(self, seconds)

    def leave(self, wait: Wait) -> None:
        """Look at it no more. Nothing happens if it has left already."""
        self._waits.discard(wait)

    def close(self) -> None:
        """Stop looking."""
        self._waits.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, now: float, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay_s = min(max(delay_s, _LOOK_AT_MOST_EVERY_S), _LOOK_EVERY_S)
        self._next_at = now + delay_s
        self._timer = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        soonest = _LOOK_EVERY_S
        for wait in tuple(self._waits):
            left = wait.look(now)
            if left is None:
                self._waits.discard(wait)
            elif left < soonest:
                soonest = left
        if self._waits:
            self._set(now, soonest)


class _TaskLimit:
    """What `asyncio.timeout` does, without a timer of its own."""

    __slots__ = ("_cancelling", "_expired", "_limit_at", "_limit_s", "_task", "_watch")

    def __init__(self, watch: Watch, limit_s: float) -> None:
        self._watch = watch
        self._limit_s = limit_s
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._limit_at = self._watch.enter(self, self._limit_s) + self._limit_s

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.leave(self)
        # Somebody else may have cancelled the task as well: then it stays cancelled.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def look(self, now: float) -> float | None:
        left_s = self._limit_at - now
        if left_s > 0:
            return left_s
        self._expired = True
        self._task.cancel()
        return None
