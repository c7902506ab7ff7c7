"""Looks at a database without changing it: for `antiphon doctor` and `antiphon why`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, inspect, make_url, select, text

from antiphon.protocol.ids import ResponseId
from antiphon.store.base import Patience, StoreSettings, open_database, patiently
from antiphon.store.payload import Unpacker
from antiphon.store.tables import runs

__all__ = ["run_record", "schema_version"]

T = TypeVar("T")


def schema_version(url: str, settings: StoreSettings | None = None) -> str | None:
    """The schema of the database at `url`, as in `migrate.HEAD`; `None` when it is empty or not there yet. Blocks.

    Raises `StoreFault` when it cannot be reached, `ValueError` for an address that cannot be a store.
    """

    def read(connection: Connection) -> str | None:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return version

    return _look(url, read, settings=settings or StoreSettings())


def run_record(url: str, run_id: ResponseId, settings: StoreSettings | None = None) -> bytes | None:
    """The record (JSON) of a run of whatever tenant: for the operator, who may see all. Blocks.

    `None` when there is none, or no database yet. Raises as `schema_version` does.
    """

    def read(connection: Connection) -> bytes | None:
        if not inspect(connection).has_table(runs.name):
            return None
        stored = connection.execute(select(runs.c.record).where(runs.c.id == run_id)).scalar()
        return None if stored is None else Unpacker().unpack(stored)

    return _look(url, read, settings=settings or StoreSettings())


def _look(url: str, read: Callable[[Connection], T | None], *, settings: StoreSettings) -> T | None:
    database = open_database(url, settings)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return None  # opening would make it

    def attempt() -> T | None:
        with database.reader.connect() as connection:
            return read(connection)

    try:
        return patiently(Patience(settings.patience_s), attempt)
    finally:
        database.close()
