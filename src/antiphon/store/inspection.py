"""Looks at a database without changing it: for `antiphon doctor`."""

from pathlib import Path

from sqlalchemy import inspect, make_url, text

from antiphon.store.base import Patience, StoreSettings, open_database, patiently

__all__ = ["schema_version"]


def schema_version(url: str, settings: StoreSettings | None = None) -> str | None:
    """The schema of the database at `url`, as in `migrate.HEAD`; `None` when it is empty or not there yet. Blocks.

    Raises `StoreFault` when it cannot be reached, `ValueError` for an address that cannot be a store.
    """
    settings = settings or StoreSettings()
    database = open_database(url, settings)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return None  # opening would make it

    def read() -> str | None:
        with database.reader.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return version

    try:
        return patiently(Patience(settings.patience_s), read)
    finally:
        database.close()
