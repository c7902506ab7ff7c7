import asyncio
from pathlib import Path

import pytest

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.records import Tenant
from antiphon.store.base import StoreSettings
from antiphon.store.inspection import run_record, schema_version
from antiphon.store.migrate import HEAD, migrate
from tests.store.making import a_run, new_id, opened


def test_ready_database_tells_its_schema(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        assert schema_version(url) is None
        assert not list(tmp_path.iterdir())  # looking made nothing
        migrate(url)
    assert schema_version(url) == HEAD


def test_empty_database_has_no_schema(empty_url: str) -> None:
    assert schema_version(empty_url) is None


def test_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Dear reader, " * 1000)
    with pytest.raises(StoreFault) as caught:
        schema_version(f"sqlite:///{tmp_path / 'letter.db'}", StoreSettings(patience_s=0.05))
    assert "file is not a database" in caught.value.detail


def test_server_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(StoreFault):
        schema_version("postgresql://me@127.0.0.1:1/x", StoreSettings(patience_s=0.05))


def test_address_that_is_no_store_is_refused() -> None:
    with pytest.raises(ValueError, match="use sqlite:///… or postgresql://…"):
        schema_version("mysql://here/x")


def test_record_of_a_run_is_found_whoever_it_belongs_to(url: str) -> None:
    run = a_run(record=b'{"model": "' + b"long" * 1000 + b'"}')  # long enough to be kept compressed

    async def write() -> None:
        async with opened(url) as store:
            await store.put(Tenant("acme"), run, None)

    asyncio.run(write())
    assert run_record(url, run.id) == run.record
    assert run_record(url, new_id()) is None


def test_empty_database_has_no_records(empty_url: str) -> None:
    assert run_record(empty_url, new_id()) is None
