import asyncio
import sqlite3
import stat
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import pytest

from antiphon.engine.ports import Store
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import Turn
from antiphon.store.base import StoreSettings
from antiphon.store.sql import SqlStore
from tests.store.making import ANNA, BEN, DAY_S, NOW, FakeClock, a_run, a_turn, count, keep, new_id, opened

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def on_store(url: str, test: Callable[[SqlStore], Coroutine[None, None, None]], clock: FakeClock | None = None) -> None:
    async def main() -> None:
        async with opened(url, clock=clock) as store:
            await test(store)

    asyncio.run(main())


async def keep_chain(store: SqlStore, length: int, echo: bytes = b"{}") -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(length):
        previous = turns[-1].id if turns else None
        turns.append(a_turn(previous=previous, echo=echo, expires_at=NOW + 30 * DAY_S))
    await asyncio.gather(*(keep(store, turn) for turn in turns))
    return turns


def test_the_store_is_what_the_engine_asks_for(url: str) -> None:
    async def main(store: SqlStore) -> None:
        port: Store = store
        assert await port.turn(ANNA, new_id()) is None

    on_store(url, main)


def test_what_put_returned_for_is_there_after_reopening(url: str) -> None:
    async def main() -> None:
        turn = a_turn(previous=new_id(), expires_at=NOW + 1, response=b"r" * 5000, echo=b"e" * 5000, given=b"i" * 5000)
        async with opened(url) as store:
            await store.put(ANNA, a_run(turn.id, record=b"what happened" * 500), turn)
            # A second store sees it at once, without the first one closing.
            async with opened(url) as other:
                assert await other.turn(ANNA, turn.id) == turn
        async with opened(url) as store:
            assert await store.turn(ANNA, turn.id) == turn
            assert await store.record(ANNA, turn.id) == b"what happened" * 500

    asyncio.run(main())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\xff\xfe\x00 not text",
        b"\x00" * 4096,
        ZSTD_MAGIC,
        ZSTD_MAGIC + b"only looks compressed" * 200,
        bytes(range(256)) * 300,
    ],
    ids=["empty", "nul", "no-utf8", "many-nul", "magic", "long-magic", "large"],
)
def test_any_bytes_come_back_unchanged(url: str, payload: bytes) -> None:
    async def main(store: SqlStore) -> None:
        turn = a_turn(response=payload, echo=payload, given=payload)
        await store.put(ANNA, a_run(turn.id, record=payload), turn)
        assert await store.turn(ANNA, turn.id) == turn
        assert await store.turns(ANNA, [turn.id]) == [turn]
        assert await store.chain(ANNA, turn.id) == [turn]
        assert await store.record(ANNA, turn.id) == payload

    on_store(url, main)


def test_large_payloads_are_kept_compressed(tmp_path: Path) -> None:
    async def main(store: SqlStore) -> None:
        await keep(store, a_turn(response=b"x" * 100_000, given=b"y" * 100))

    on_store(f"sqlite:///{tmp_path / 'state.db'}", main)
    with sqlite3.connect(tmp_path / "state.db") as connection:
        response, given = connection.execute("SELECT response, input FROM responses").fetchone()
    connection.close()
    assert response.startswith(ZSTD_MAGIC)
    assert len(response) < 1000
    assert given == b"y" * 100


def test_a_run_without_a_turn_leaves_no_turn(url: str) -> None:
    async def main(store: SqlStore) -> None:
        run = a_run(record=b'{"notices":[]}')
        await store.put(ANNA, run, None)
        assert await store.turn(ANNA, run.id) is None
        assert await store.record(ANNA, run.id) == b'{"notices":[]}'

    on_store(url, main)


def test_a_posted_run_is_written_before_close_returns(url: str) -> None:
    async def main() -> None:
        run = a_run(record=b"posted")
        async with opened(url) as store:
            assert store.post(ANNA, run)
        async with opened(url) as store:
            assert await store.record(ANNA, run.id) == b"posted"

    asyncio.run(main())


def test_another_tenants_rows_do_not_exist_for_any_call(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turn = await keep(store, a_turn(expires_at=NOW + 2 * DAY_S, echo=b"secret" * 500))
        for response_id in (turn.id, new_id()):
            assert await store.turn(BEN, response_id) is None
            assert await store.chain(BEN, response_id) is None
            assert await store.turns(BEN, [response_id]) == []
            assert await store.record(BEN, response_id) is None
            assert await store.delete(BEN, response_id) is False
            await store.refresh(BEN, [response_id], NOW + 90 * DAY_S)
        assert await store.turn(ANNA, turn.id) == turn
        assert await store.usage(BEN, since=0, until=NOW * 2) == []

    on_store(url, main)


def test_a_chain_does_not_cross_into_another_tenant(url: str) -> None:
    async def main(store: SqlStore) -> None:
        foreign = await keep(store, a_turn(), BEN)
        own = await keep(store, a_turn(previous=foreign.id))
        assert await store.chain(ANNA, own.id) is None

    on_store(url, main)


def test_equal_echoes_of_two_tenants_are_kept_apart(url: str) -> None:
    async def main(store: SqlStore) -> None:
        echo = b"tools" * 1000
        anna, ben = a_turn(echo=echo), a_turn(echo=echo)
        await keep(store, anna)
        await keep(store, ben, BEN)
        assert await store.delete(BEN, ben.id)
        assert await store.turn(ANNA, anna.id) == anna

    on_store(url, main)
    assert count(url, "blobs") == 1


def test_a_chain_of_two_hundred_turns_is_read_oldest_first(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turns = await keep_chain(store, 200, echo=b"tools and instructions" * 1000)
        assert await store.chain(ANNA, turns[-1].id) == turns
        assert await store.chain(ANNA, turns[99].id) == turns[:100]

    on_store(url, main)
    assert count(url, "blobs") == 1


def test_a_chain_with_several_echoes_gives_each_turn_its_own(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turns: list[Turn] = []
        for number in range(12):
            echo = bytes([number % 3]) * (2000 if number % 4 else 10)
            previous = turns[-1].id if turns else None
            turns.append(await keep(store, a_turn(previous=previous, echo=echo)))
        assert await store.chain(ANNA, turns[-1].id) == turns

    on_store(url, main)


def test_a_deleted_middle_turn_ends_the_chain(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turns = await keep_chain(store, 5)
        assert await store.delete(ANNA, turns[2].id) is True
        assert await store.chain(ANNA, turns[4].id) is None
        assert await store.chain(ANNA, turns[1].id) == turns[:2]

    on_store(url, main)


def test_a_turn_is_deleted_once(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turn = await keep(store, a_turn())
        assert await store.delete(ANNA, turn.id) is True
        assert await store.delete(ANNA, turn.id) is False
        assert await store.turn(ANNA, turn.id) is None

    on_store(url, main)
    assert count(url, "responses") == 0


def test_a_chain_longer_than_the_bound_does_not_exist(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(chain_turns=10)) as store:
            turns = await keep_chain(store, 11)
            assert await store.chain(ANNA, turns[9].id) == turns[:10]
            assert await store.chain(ANNA, turns[10].id) is None

    asyncio.run(main())


def test_an_expired_turn_is_gone_at_once_for_every_call(url: str) -> None:
    clock = FakeClock()

    async def main(store: SqlStore) -> None:
        old = await keep(store, a_turn(expires_at=NOW + 10))
        new = await keep(store, a_turn(previous=old.id))
        clock.today = NOW + 9
        assert await store.chain(ANNA, new.id) == [old, new]
        clock.today = NOW + 10
        assert await store.turn(ANNA, old.id) is None
        assert await store.turns(ANNA, [old.id, new.id]) == [new]
        assert await store.chain(ANNA, new.id) is None
        assert await store.delete(ANNA, old.id) is False
        await store.refresh(ANNA, [old.id], NOW + 90 * DAY_S)
        assert await store.turn(ANNA, old.id) is None

    on_store(url, main, clock)


def test_purge_removes_what_has_expired_and_nothing_else(url: str) -> None:
    async def main(store: SqlStore) -> None:
        gone = [a_turn(expires_at=NOW + number % 7) for number in range(450)]
        kept = [a_turn(expires_at=NOW + 8), a_turn()]
        await asyncio.gather(*(keep(store, turn, BEN if turn in gone[:9] else ANNA) for turn in gone + kept))
        assert await store.purge(NOW + 7) == 450
        assert await store.purge(NOW + 7) == 0
        assert len(await store.turns(ANNA, [turn.id for turn in kept])) == 2

    on_store(url, main)
    assert count(url, "responses") == 2
    assert count(url, "runs") == 452


def test_old_run_rows_are_purged_and_turns_are_not(url: str) -> None:
    async def main(store: SqlStore) -> None:
        await asyncio.gather(*(keep(store, a_turn()) for _ in range(230)))
        assert await store.purge_runs(0) == 0
        assert await store.purge_runs(NOW + 10**6) == 230

    on_store(url, main)
    assert count(url, "runs") == 0
    assert count(url, "responses") == 230


def test_a_shared_echo_goes_with_its_last_turn(url: str) -> None:
    clock = FakeClock()

    async def main(store: SqlStore) -> None:
        echo = b"t" * 4000
        first, second, third = a_turn(echo=echo), a_turn(echo=echo, expires_at=NOW + 5), a_turn(echo=echo)
        for turn in (first, second, third):
            await keep(store, turn)
        assert count(url, "blobs") == 1
        await store.delete(ANNA, first.id)
        await store.purge(NOW + 5)
        assert await store.turn(ANNA, third.id) == third
        await store.delete(ANNA, third.id)
        assert count(url, "blobs") == 0
        again = await keep(store, a_turn(echo=echo))
        assert await store.turn(ANNA, again.id) == again

    on_store(url, main, clock)


def test_two_stores_that_share_an_echo_never_lose_it(url: str) -> None:
    async def main() -> None:
        echo = b"shared by two processes" * 100
        async with opened(url) as one, opened(url) as other:

            async def come_and_go(store: SqlStore) -> None:
                for _ in range(60):
                    turn = await keep(store, a_turn(echo=echo))
                    assert await store.turn(ANNA, turn.id) == turn
                    assert await store.delete(ANNA, turn.id)

            async with asyncio.TaskGroup() as tasks:
                for store in (one, other, one, other):
                    tasks.create_task(come_and_go(store))

    asyncio.run(main())
    assert count(url, "blobs") == 0


async def expiries(store: SqlStore, ids: Sequence[ResponseId]) -> list[int | None]:
    return [turn.expires_at for turn in sorted(await store.turns(ANNA, ids), key=lambda turn: turn.id)]


def test_refresh_moves_expiries_forward_by_more_than_a_day_and_never_back(url: str) -> None:
    async def main(store: SqlStore) -> None:
        last = NOW + 30 * DAY_S
        before: list[int | None] = [NOW + 1, last - DAY_S - 1, last - DAY_S, last + 1, None]
        turns = [await keep(store, a_turn(expires_at=expiry)) for expiry in before]
        await store.refresh(ANNA, [turn.id for turn in turns], last)
        assert await expiries(store, [turn.id for turn in turns]) == [last, last, last - DAY_S, last + 1, None]

    on_store(url, main)


def test_refresh_and_turns_take_more_ids_than_one_statement_holds(url: str) -> None:
    async def main(store: SqlStore) -> None:
        turns = await keep_chain(store, 1200)
        ids = [turn.id for turn in turns]
        await store.refresh(ANNA, ids, NOW + 60 * DAY_S)
        assert await expiries(store, ids) == [NOW + 60 * DAY_S] * 1200
        await store.refresh(ANNA, [], NOW + 90 * DAY_S)

    on_store(url, main)


def test_ping_and_stats_answer(url: str) -> None:
    async def main(store: SqlStore) -> None:
        await store.ping()
        await keep(store, a_turn())
        stats = store.stats()
        assert (stats.jobs, stats.failed, stats.queued_jobs, stats.queued_bytes) == (1, 0, 0, 0)

    on_store(url, main)


def test_a_closed_store_says_so_on_every_call(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            pass
        for call in (
            store.put(ANNA, a_run(), None),
            store.turn(ANNA, new_id()),
            store.delete(ANNA, new_id()),
            store.purge(NOW),
            store.ping(),
            store.keys_version(),
        ):
            with pytest.raises(StoreFault) as caught:
                await call
            assert caught.value.detail == "the store is closed"
        assert not store.post(ANNA, a_run())
        await store.close()

    asyncio.run(main())


def test_only_the_owner_may_read_the_sqlite_files(tmp_path: Path) -> None:
    async def main(store: SqlStore) -> None:
        await keep(store, a_turn())
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    on_store(f"sqlite:///{tmp_path / 'state.db'}", main)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("nonsense", "not a URL"),
        ("mysql://host/db", "cannot be 'mysql'"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused_with_the_reason(address: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        SqlStore.open(address, FakeClock())
