import asyncio
import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.records import Tenant
from antiphon.store.base import StoreSettings
from antiphon.store.batch import Batch, Put, Statements
from antiphon.store.payload import Packer
from antiphon.store.sql import SqlStore
from tests.store.making import ANNA, a_run, a_turn, count, keep, opened, writes_blocked


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what it waits for happens in another thread
            await asyncio.sleep(0.001)


async def stall(store: SqlStore) -> "asyncio.Task[None]":
    """Give the writer a job that it can only begin: what follows stays in the queue."""
    first = asyncio.ensure_future(store.put(ANNA, a_run(), None))
    await asyncio.sleep(0)
    await until(lambda: store.stats().queued_jobs == 0)
    return first


def test_a_thousand_puts_at_once_are_few_transactions(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            turns = [a_turn(response=b"r" * 2000) for _ in range(1000)]
            await asyncio.gather(*(keep(store, turn) for turn in turns))
            assert store.stats().batches < 50
            assert len(await store.turns(ANNA, [turn.id for turn in turns])) == 1000

    asyncio.run(main())
    assert count(url, "runs") == 1000


def test_loops_in_several_threads_share_one_store(url: str) -> None:
    async def puts(store: SqlStore) -> None:
        for _ in range(20):
            await store.put(ANNA, a_run(), None)

    async def main() -> None:
        async with opened(url) as store:
            threads = [threading.Thread(target=lambda: asyncio.run(puts(store))) for _ in range(3)]
            for thread in threads:
                thread.start()
            await puts(store)
            for thread in threads:
                await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert count(url, "runs") == 80


def test_a_bad_row_fails_alone(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            taken = await keep(store, a_turn())
            good = [a_turn(echo=b"e" * 2000) for _ in range(30)]
            bad = [taken, replace(a_turn(), model="\ud800"), replace(a_turn(), created_at=2**70)]
            jobs = [store.put(ANNA, a_run(turn.id), turn) for turn in good]
            jobs[10:10] = [store.put(ANNA, a_run(turn.id), turn) for turn in bad]
            outcomes = await asyncio.gather(*jobs, return_exceptions=True)
            assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [10, 11, 12]
            assert all(isinstance(outcome, StoreFault) for outcome in outcomes[10:13])
            assert len(await store.turns(ANNA, [turn.id for turn in good])) == 30
            assert await store.turn(ANNA, taken.id) == taken
            # A row whose turn was bad left no run behind either.
            assert await store.record(ANNA, bad[1].id) is None
            assert store.stats().failed == 3

    asyncio.run(main())


def test_a_posted_row_that_fails_is_counted(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            run = a_run()
            assert store.post(ANNA, run)
            assert store.post(ANNA, run)
            await store.put(ANNA, a_run(), None)
            stats = store.stats()
            assert (stats.failed, stats.lost) == (1, 1)
            assert "unique" in stats.last_error.lower()

    asyncio.run(main())


def test_a_full_queue_refuses_posts_and_lets_puts_wait(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(queue_jobs=3)) as store:
            with writes_blocked(url):
                first = await stall(store)
                assert [store.post(ANNA, a_run()) for _ in range(5)] == [True, True, True, False, False]
                waiting = [asyncio.ensure_future(store.put(ANNA, a_run(), None)) for _ in range(10)]
                await asyncio.sleep(0)
                assert store.stats().queued_jobs == 3
                assert store.stats().refused == 2
            await asyncio.gather(first, *waiting)

    asyncio.run(main())
    assert count(url, "runs") == 14


def test_the_queue_is_bounded_in_bytes_but_takes_one_job_of_any_size(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(queue_bytes=10_000)) as store:
            with writes_blocked(url):
                first = await stall(store)
                assert store.post(ANNA, a_run(record=b"x" * 8000))
                assert not store.post(ANNA, a_run(record=b"x" * 8000))
                assert store.post(ANNA, a_run())
            await first
            await store.put(ANNA, a_run(record=b"x" * 50_000), None)
            assert store.stats().queued_bytes == 0

    asyncio.run(main())
    assert count(url, "runs") == 4


def test_a_cancelled_put_is_written_all_the_same(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            with writes_blocked(url):
                first = await stall(store)
                queued = asyncio.ensure_future(store.put(ANNA, a_run(), None))
                await asyncio.sleep(0)
                for task in (first, queued):
                    task.cancel()
                await asyncio.gather(first, queued, return_exceptions=True)
                assert first.cancelled()
            await store.put(ANNA, a_run(), None)

    asyncio.run(main())
    assert count(url, "runs") == 3


def test_a_put_cancelled_while_it_waits_for_room_leaves_nothing(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(queue_jobs=1)) as store:
            with writes_blocked(url):
                first = await stall(store)
                assert store.post(ANNA, a_run())
                waiting = asyncio.ensure_future(store.put(ANNA, a_run(), None))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await first

    asyncio.run(main())
    assert count(url, "runs") == 2


def test_close_writes_what_is_queued(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(batch_jobs=7)) as store:
            assert all(store.post(ANNA, a_run()) for _ in range(100))

    asyncio.run(main())
    assert count(url, "runs") == 100


def test_an_event_loop_that_ended_does_not_stop_the_writer(url: str) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(store.put(ANNA, a_run(), None), 0.01)

    async def main() -> None:
        await store.put(ANNA, a_run(), None)
        await store.close()

    store = SqlStore.open(url, clock=FixedClock())
    with writes_blocked(url):
        asyncio.run(give_up())
    asyncio.run(main())
    assert count(url, "runs") == 2


class FixedClock:
    def now(self) -> int:
        return 0


def test_a_repetition_after_an_unsure_commit_changes_nothing(url: str) -> None:
    async def prepare() -> None:
        async with opened(url):
            pass

    asyncio.run(prepare())
    engine = create_engine(url)
    turn = a_turn(echo=b"e" * 2000)
    batch = Batch(Statements(engine.dialect), Packer(), [Put(ANNA, a_run(turn.id), turn)])
    for _ in range(2):
        with engine.begin() as connection:
            assert batch.write(connection) == [1]
            batch.unsure = True
    engine.dispose()
    assert [count(url, table) for table in ("runs", "responses", "blobs")] == [1, 1, 1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_writer_leaves_nobody_waiting_and_shows_in_ping(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            no_tenant: Tenant = None  # type: ignore[assignment] # the bug
            with pytest.raises(StoreFault) as caught:
                await store.put(no_tenant, a_run(), None)
            assert "unexpected" in caught.value.detail
            with pytest.raises(StoreFault):
                await store.put(ANNA, a_run(), None)
            await until(lambda: not store._writer.alive)
            with pytest.raises(StoreFault):
                await store.ping()

    asyncio.run(main())
