import asyncio
import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, text

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.records import Tenant
from antiphon.store.base import StoreSettings
from antiphon.store.migrate import migrate
from antiphon.store.sql import SqlStore
from tests.store.making import ANNA, NOW, FakeClock, a_key, a_run, a_turn, count, keep, opened, writes_blocked

if TYPE_CHECKING:
    from tests.store.conftest import PostgresServer

IMPATIENT = StoreSettings(patience_s=0.1)


async def every_call_fails(store: SqlStore) -> None:
    turn = a_turn()
    for call in (
        store.put(ANNA, a_run(turn.id), turn),
        store.delete(ANNA, turn.id),
        store.refresh(ANNA, [turn.id], NOW * 2),
        store.purge(NOW),
        store.turn(ANNA, turn.id),
        store.turns(ANNA, [turn.id]),
        store.chain(ANNA, turn.id),
        store.record(ANNA, turn.id),
        store.usage(ANNA, since=0, until=NOW),
        store.ping(),
        store.find_key(b"\x00" * 32),
        store.keys_version(),
        store.list_keys(ANNA),
        store.add_key(a_key()),
        store.revoke_key(ANNA, a_key().id, at=NOW),
        store.set_key_disabled(ANNA, a_key().id, disabled=True),
    ):
        with pytest.raises(StoreFault) as caught:
            await call
        assert caught.value.status == 503
        assert caught.value.code == "store_unavailable"
        assert caught.value.detail


async def everything_works(store: SqlStore) -> None:
    turn = await keep(store, a_turn())
    assert await store.chain(ANNA, turn.id) == [turn]
    await store.keys_version()
    await store.ping()


def test_a_stopped_server_is_a_store_fault_and_the_store_recovers_with_it(mortal_postgres: "PostgresServer") -> None:
    async def main() -> None:
        async with opened(mortal_postgres.ready_database(), settings=IMPATIENT) as store:
            await everything_works(store)
            mortal_postgres.stop()
            await every_call_fails(store)
            mortal_postgres.start()
            await everything_works(store)

    asyncio.run(main())


def test_dropped_connections_are_opened_again_unnoticed(postgres: "PostgresServer") -> None:
    async def main() -> None:
        async with opened(postgres.ready_database()) as store:
            for _ in range(3):
                await asyncio.gather(*(everything_works(store) for _ in range(8)))
                postgres.drop_connections()
            await everything_works(store)
            assert store.stats().failed == 0

    asyncio.run(main())


def test_a_server_that_comes_back_within_the_patience_is_waited_for(mortal_postgres: "PostgresServer") -> None:
    async def main() -> None:
        async with opened(mortal_postgres.ready_database(), settings=StoreSettings(patience_s=20)) as store:
            await everything_works(store)
            mortal_postgres.stop()
            tasks = [asyncio.ensure_future(everything_works(store)) for _ in range(4)]
            await asyncio.to_thread(mortal_postgres.start)
            await asyncio.gather(*tasks)
            assert store.stats().failed == 0

    asyncio.run(main())


def test_a_missing_table_is_a_store_fault_until_it_is_back(url: str) -> None:
    def rename(was: str, becomes: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {was} RENAME TO {becomes}"))
        engine.dispose()

    async def main() -> None:
        async with opened(url, settings=IMPATIENT) as store:
            rename("runs", "lost")
            with pytest.raises(StoreFault):
                await keep(store, a_turn())
            with pytest.raises(StoreFault):
                await store.record(ANNA, a_turn().id)
            rename("lost", "runs")
            await everything_works(store)

    asyncio.run(main())


def test_a_file_that_cannot_be_opened_is_a_store_fault_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    aside = tmp_path / "aside"

    async def main() -> None:
        async with opened(f"sqlite:///{path}", settings=IMPATIENT) as store:
            turn = a_turn()
            # Only reads, so that no connection has the file open when the idle ones are closed.
            assert await store.turn(ANNA, turn.id) is None
            store._database.close()
            path.rename(aside)
            path.mkdir()
            await every_call_fails(store)
            path.rmdir()
            aside.rename(path)
            await everything_works(store)

    asyncio.run(main())


def test_a_lock_that_lasts_fails_the_write_and_one_that_ends_does_not(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            with writes_blocked(url):
                late = asyncio.ensure_future(store.put(ANNA, a_run(), None))
                done, _ = await asyncio.wait([late], timeout=0.2)
                assert not done
            await late

    asyncio.run(main())
    assert count(url, "runs") == 1


def test_a_lock_beyond_the_patience_fails_the_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"

    async def main() -> None:
        async with opened(url, settings=IMPATIENT) as store:
            turn = await keep(store, a_turn())
            with writes_blocked(url):
                with pytest.raises(StoreFault) as caught:
                    await store.put(ANNA, a_run(), None)
                assert "locked" in caught.value.detail
                # Reading goes on meanwhile.
                assert await store.turn(ANNA, turn.id) == turn
            await everything_works(store)

    asyncio.run(main())


def test_a_database_that_hangs_is_given_up(url: str) -> None:
    async def main() -> None:
        async with opened(url, settings=StoreSettings(answer_timeout_s=0.1)) as store:
            with writes_blocked(url):
                with pytest.raises(StoreFault) as caught:
                    await store.put(ANNA, a_run(), None)
                assert caught.value.detail == "no answer within 0.1 s"
            await store.put(ANNA, a_run(), None)

    asyncio.run(main())


def test_a_full_disk_fails_writes_keeps_reads_and_recovers(tmp_path: Path) -> None:
    most_pages = [1]

    async def main() -> None:
        async with opened(f"sqlite:///{tmp_path / 'state.db'}", settings=IMPATIENT) as store:
            turn = await keep(store, a_turn())
            event.listen(
                store._database.writer,
                "begin",
                lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={most_pages[0]}"),
            )
            with pytest.raises(StoreFault) as caught:
                await keep(store, a_turn(response=os.urandom(500_000)))
            assert "full" in caught.value.detail
            assert await store.turn(ANNA, turn.id) == turn
            most_pages[0] = 1_000_000
            await everything_works(store)
            assert await store.turn(ANNA, turn.id) == turn

    asyncio.run(main())


def test_a_damaged_payload_is_a_store_fault_for_its_turn_alone(url: str) -> None:
    def damage(sql: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(sql), {"junk": b"\x28\xb5\x2f\xfdjunk"})
        engine.dispose()

    async def main() -> None:
        async with opened(url) as store:
            torn = await keep(store, a_turn())
            damage("UPDATE responses SET response = :junk")
            bare = await keep(store, a_turn(echo=b"e" * 2000))
            damage("DELETE FROM blobs")
            whole = await keep(store, a_turn())
            for turn in (torn, bare):
                with pytest.raises(StoreFault):
                    await store.turn(ANNA, turn.id)
            assert await store.turn(ANNA, whole.id) == whole

    asyncio.run(main())


def test_a_start_waits_for_a_new_file_that_somebody_else_has_locked(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreFault) as caught:
        migrate(f"sqlite:///{path}", IMPATIENT)
    assert "locked" in caught.value.detail
    release = threading.Timer(0.2, holder.close)
    release.start()
    migrate(f"sqlite:///{path}")
    release.join()
    assert count(f"sqlite:///{path}", "counters") == 1


def test_a_store_that_cannot_be_reached_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(StoreFault):
        SqlStore.open(f"sqlite:///{tmp_path / 'none' / 'state.db'}", FakeClock(), settings=IMPATIENT)


def test_a_value_that_no_database_takes_is_a_store_fault(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            with pytest.raises(StoreFault):
                await store.record(Tenant("\ud800"), a_turn().id)
            with pytest.raises(StoreFault):
                await store.usage(ANNA, since=0, until=2**70)
            await everything_works(store)

    asyncio.run(main())


def test_postgres_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"antiphon\[postgres\]"):
        migrate("postgresql://host/db")
