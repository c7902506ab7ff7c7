"""The one timer behind every time limit of the upstream client."""

import asyncio

import pytest

from antiphon.upstream.watch import Watch


class Counting:
    """A wait that is looked at a number of times."""

    def __init__(self, looks: int, *, every_s: float) -> None:
        self.left = looks
        self.every_s = every_s
        self.over = asyncio.Event()

    def look(self, now: float) -> float | None:  # noqa: ARG002 - the interface has it
        self.left -= 1
        if self.left:
            return self.every_s
        self.over.set()
        return None


def test_task_that_takes_too_long_gets_a_timeout_and_is_not_left_cancelled() -> None:
    async def scene() -> None:
        watch, task = Watch(), asyncio.current_task()
        with pytest.raises(TimeoutError), watch.limit(0.01):
            await asyncio.Event().wait()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    asyncio.run(scene())


def test_shorter_limit_than_those_before_is_kept() -> None:
    async def scene() -> None:
        loop, watch = asyncio.get_running_loop(), Watch()
        started = loop.time()
        with watch.limit(30), pytest.raises(TimeoutError), watch.limit(0.01):
            await asyncio.Event().wait()
        assert loop.time() - started < 0.9

    asyncio.run(scene())


def test_task_cancelled_by_somebody_else_stays_cancelled() -> None:
    async def scene() -> None:
        watch, within = Watch(), asyncio.Event()

        async def work() -> None:
            with watch.limit(20):
                within.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await within.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_task_cancelled_by_somebody_else_at_its_limit_stays_cancelled() -> None:
    async def scene() -> None:
        watch = Watch()

        async def work() -> None:
            task = asyncio.current_task()
            assert task is not None
            with watch.limit(0.01):
                try:
                    await asyncio.Event().wait()
                finally:
                    task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())

    asyncio.run(scene())


def test_work_that_ends_in_time_is_left_alone() -> None:
    async def scene() -> None:
        watch = Watch()
        with watch.limit(0.01):
            await asyncio.sleep(0)
        other = Counting(2, every_s=0.02)
        watch.enter(other, 0.02)
        await asyncio.wait_for(other.over.wait(), 5)

    asyncio.run(scene())


def test_wait_is_looked_at_until_it_is_over() -> None:
    async def scene() -> None:
        watch = Watch()
        waits = [Counting(3, every_s=0.002), Counting(2, every_s=0.001)]
        for wait in waits:
            watch.enter(wait, 0.001)
        for wait in waits:
            await asyncio.wait_for(wait.over.wait(), 5)
        assert [wait.left for wait in waits] == [0, 0]

    asyncio.run(scene())


def test_closed_watch_looks_no_more() -> None:
    async def scene() -> None:
        watch, wait = Watch(), Counting(1, every_s=1)
        watch.enter(wait, 0.001)
        watch.close()
        later = Counting(1, every_s=1)
        watch.enter(later, 0.005)
        await asyncio.wait_for(later.over.wait(), 5)
        assert wait.left == 1

    asyncio.run(scene())
