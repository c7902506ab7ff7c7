"""What providers want back: kept with turns, and with calls for a while."""

import asyncio

import pytest
from msgspec import structs
from sqlalchemy import create_engine, text

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.records import CallState
from antiphon.store.base import StoreSettings
from antiphon.store.sql import SqlStore
from tests.store.making import ANNA, BEN, NOW, FakeClock, a_run, a_turn, count, keep, new_id, opened

CALL = b"c" * 32
OTHER = b"d" * 32


def a_state(call: bytes = CALL, *, body: bytes = b"\x00sealed\xff", expires_at: int = NOW + 60) -> CallState:
    return CallState(call, expires_at, body)


def test_a_turn_gives_back_its_states_and_one_without_has_none(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            with_states = await keep(store, structs.replace(a_turn(), states=b"\x00\xffsealed"))
            after = await keep(store, a_turn(previous=with_states.id))
            found = await store.turn(ANNA, with_states.id)
            assert found is not None
            assert found.states == b"\x00\xffsealed"
            chain = await store.chain(ANNA, after.id)
            assert chain is not None
            assert [turn.states for turn in chain] == [b"\x00\xffsealed", b""]

    asyncio.run(run())


def test_a_turn_that_was_stored_before_there_were_states_has_none(empty_url: str) -> None:
    engine = create_engine(empty_url)

    async def run() -> None:
        async with opened(empty_url) as store:
            turn = await keep(store, a_turn())
        with engine.begin() as connection:  # as a database of the first version looks
            connection.execute(text("ALTER TABLE responses DROP COLUMN states"))
            connection.execute(text("DROP TABLE call_states"))
            connection.execute(text("ALTER TABLE runs DROP COLUMN cost_micros"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        async with opened(empty_url) as store:
            assert await store.turn(ANNA, turn.id) == turn
            await store.put(ANNA, a_run(), None, calls=[a_state()])
            assert await store.call_states(ANNA, [CALL]) == {CALL: b"\x00sealed\xff"}

    asyncio.run(run())
    engine.dispose()


def test_states_of_calls_are_found_by_their_tenant_alone(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            await store.put(ANNA, a_run(), None, calls=[a_state(body=b"anna's"), a_state(OTHER)])
            await store.put(BEN, a_run(), None, calls=[a_state(body=b"ben's")])
            assert await store.call_states(ANNA, [CALL, b"x" * 32]) == {CALL: b"anna's"}
            assert await store.call_states(BEN, [CALL, OTHER]) == {CALL: b"ben's"}

    asyncio.run(run())


def test_the_newest_state_of_a_call_counts(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            await asyncio.gather(
                store.put(ANNA, a_run(), None, calls=[a_state(body=b"first"), a_state(body=b"second")]),
                store.put(ANNA, a_run(), None, calls=[a_state(body=b"third")]),
            )
            assert await store.call_states(ANNA, [CALL]) == {CALL: b"third"}
            await store.put(ANNA, a_run(), None, calls=[a_state(body=b"fourth")])
            assert await store.call_states(ANNA, [CALL]) == {CALL: b"fourth"}
        assert count(url, "call_states") == 1

    asyncio.run(run())


def test_a_call_without_a_state_takes_the_place_of_one_that_had_one(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            keys = [number.to_bytes(32, "big") for number in range(5)]
            await store.put(ANNA, a_run(), None, calls=[a_state(key) for key in keys])
            await store.put(BEN, a_run(), None, calls=[a_state(keys[1])])
            await asyncio.gather(
                store.put(ANNA, a_run(), None, calls=[a_state(keys[1], body=b""), a_state(keys[2], body=b"second")]),
                store.put(ANNA, a_run(), None, calls=[a_state(keys[3], body=b""), a_state(OTHER, body=b"")]),
            )
            await store.put(ANNA, a_run(), None, calls=[a_state(keys[3], body=b"again")])
            found = await store.call_states(ANNA, [*keys, OTHER])
            sealed = b"\x00sealed\xff"
            assert found == {keys[0]: sealed, keys[2]: b"second", keys[3]: b"again", keys[4]: sealed}
            assert await store.call_states(BEN, keys) == {keys[1]: sealed}

    asyncio.run(run())


def test_expired_states_of_calls_are_gone_at_once_and_purged_later(url: str) -> None:
    async def run() -> None:
        clock = FakeClock()
        async with opened(url, clock=clock) as store:
            late = a_state(OTHER, expires_at=NOW + 120)
            await store.put(ANNA, a_run(), None, calls=[a_state(), late])
            clock.today = NOW + 60
            assert await store.call_states(ANNA, [CALL, OTHER]) == {OTHER: late.body}
            assert await store.purge_calls(clock.today) == 1
            assert await store.purge_calls(clock.today) == 0
        assert count(url, "call_states") == 1

    asyncio.run(run())


def test_deleting_a_turn_deletes_what_belongs_to_its_calls(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            turn = a_turn()
            await store.put(ANNA, a_run(turn.id), turn, calls=[a_state()])
            await store.put(ANNA, a_run(), None, calls=[a_state(OTHER)])
            assert not await store.delete(BEN, turn.id)
            assert await store.call_states(ANNA, [CALL]) == {CALL: b"\x00sealed\xff"}
            assert await store.delete(ANNA, turn.id)
            assert await store.call_states(ANNA, [CALL, OTHER]) == {OTHER: b"\x00sealed\xff"}

    asyncio.run(run())


def test_more_calls_than_one_statement_holds_are_found(url: str) -> None:
    async def run() -> None:
        calls = [a_state(number.to_bytes(32, "big")) for number in range(1203)]
        async with opened(url) as store:
            await store.put(ANNA, a_run(), None, calls=calls)
            assert len(await store.call_states(ANNA, [state.call for state in calls])) == 1203

    asyncio.run(run())


def test_a_run_its_turn_and_its_calls_are_written_together_or_not_at_all(url: str) -> None:
    async def run() -> None:
        async with opened(url) as store:
            turn = a_turn()
            bad = CallState(CALL, 2**70, b"x")  # no database holds such a date
            with pytest.raises(StoreFault):
                await store.put(ANNA, a_run(turn.id), turn, calls=[a_state(OTHER), bad])
            assert await store.turn(ANNA, turn.id) is None
            assert await store.call_states(ANNA, [OTHER]) == {}
        assert count(url, "runs") == 0

    asyncio.run(run())


def test_two_processes_that_write_the_same_calls_do_not_block_each_other(url: str) -> None:
    calls = [a_state(number.to_bytes(32, "big")) for number in range(60)]

    async def write(store: SqlStore, *, backwards: bool) -> None:
        for _ in range(20):
            await store.put(ANNA, a_run(new_id()), None, calls=calls[::-1] if backwards else calls)

    async def run() -> None:
        settings = StoreSettings(answer_timeout_s=20)
        async with opened(url, settings=settings) as one, opened(url, settings=settings) as two:
            await asyncio.gather(write(one, backwards=False), write(two, backwards=True))
            assert one.stats().failed == two.stats().failed == 0

    asyncio.run(run())
