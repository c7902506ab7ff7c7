"""Brings a database to the schema of this version. Safe to run from several processes at once.

Alembic costs more to import than the whole check, so it is only imported when there is something to do.
"""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from antiphon.protocol.faults import StoreFault
from antiphon.store.base import Database, Patience, StoreSettings, open_database, patiently

__all__ = ["HEAD", "migrate", "migrate_database"]

#: The newest step in `migrations/versions`; a test compares the two.
HEAD = "0003"

#: Any number, the same in all our processes: who holds this Postgres lock migrates.
_ADVISORY_LOCK = 0x416E7469


def migrate(url: str, settings: StoreSettings | None = None) -> None:
    """Bring the database at `url` to this version's schema, in one transaction. Blocks.

    Raises `StoreFault` when it cannot be reached, or was written by a newer version of Antiphon; `ValueError` for an
    address that cannot be a store.
    """
    settings = settings or StoreSettings()
    database = open_database(url, settings)
    try:
        migrate_database(database, settings)
    finally:
        database.close()


def migrate_database(database: Database, settings: StoreSettings) -> None:
    """The same for engines that are open already."""
    patiently(Patience(settings.patience_s), lambda: _migrate(database))


def _migrate(database: Database) -> None:
    if _version(database) == HEAD:
        return
    with database.writer.begin() as connection:
        # Both databases change schemas inside transactions, and here both are alone: SQLite began with its write lock.
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        _upgrade(connection)


def _version(database: Database) -> str | None:
    with database.reader.connect() as connection:
        try:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except DatabaseError as error:
            # No such table: a new database. A lost connection is told by the attempt that follows.
            if error.connection_invalidated:
                raise
            return None


def _upgrade(connection: Connection) -> None:
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415 - same
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - same
    from alembic.util import CommandError  # noqa: PLC0415 - same

    scripts = ScriptDirectory(str(Path(__file__).with_name("migrations")))
    # Without an env.py: the connection and its transaction are ours, and nothing else is configurable.
    with EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _: scripts._upgrade_revs("head", revision),  # noqa: SLF001 - what Alembic's own command does
    ) as environment:
        environment.configure(connection=connection)
        try:
            environment.run_migrations()
        except CommandError as error:
            raise StoreFault(f"the database was written by a newer version: {error}") from error
