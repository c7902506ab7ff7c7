import multiprocessing
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import antiphon.store.migrations
from antiphon.protocol.faults import StoreFault
from antiphon.store.base import StoreSettings
from antiphon.store.migrate import HEAD, migrate
from antiphon.store.tables import metadata
from tests.store.making import report_alembic

IMPATIENT = StoreSettings(patience_s=0.05)


def test_the_named_head_is_the_newest_step() -> None:
    scripts = ScriptDirectory(str(Path(str(antiphon.store.migrations.__file__)).parent))
    assert scripts.get_heads() == [HEAD]


def test_the_migrated_schema_is_the_one_the_code_describes(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=migrate, args=(empty_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
        assert connection.execute(text("SELECT count(*) FROM counters")).scalar() == 1
    engine.dispose()


def test_a_database_at_the_head_costs_no_import_of_alembic(empty_url: str) -> None:
    migrate(empty_url)
    spawn = multiprocessing.get_context("spawn")
    answers: SimpleQueue[bool] = spawn.SimpleQueue()
    process = spawn.Process(target=report_alembic, args=(empty_url, answers))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert answers.get() is False


def test_a_database_of_a_newer_version_is_left_alone(empty_url: str) -> None:
    migrate(empty_url)
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreFault) as caught:
        migrate(empty_url)
    assert "newer version" in caught.value.detail
    assert "runs" in inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nonexistent/antiphon/state.db",
        "postgresql://nobody@127.0.0.1:1/antiphon",
        "postgres:///x?host=/none",
    ],
)
def test_a_database_that_cannot_be_reached_is_a_store_fault(url: str) -> None:
    with pytest.raises(StoreFault):
        migrate(url, IMPATIENT)
