"""How the database is opened, and how its failures become `StoreFault`. Knows both databases; knows no table.

One database has two engines: `reader` runs single statements in autocommit, `writer` runs transactions that take the
write lock at their start (SQLite), so that a transaction never fails half-way for want of it.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

from antiphon.protocol.faults import StoreFault

__all__ = [
    "BINDING_ERRORS",
    "Clock",
    "Database",
    "Patience",
    "StoreSettings",
    "blames_a_row",
    "detail_of",
    "open_database",
    "patiently",
]

T = TypeVar("T")

#: Errors that a driver raises while it binds a value, before any SQL runs: they always blame the value.
BINDING_ERRORS = (ValueError, TypeError, ArithmeticError)

_RETRY_PAUSE_S = 0.02
_POSTGRES_NAMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


class Clock(Protocol):
    """Today's date, for expiry."""

    def now(self) -> int:
        """UTC seconds since the epoch."""


class StoreSettings(Struct, frozen=True):
    """Bounds and waits of the store.

    Attributes:
        synchronous: SQLite only. `NORMAL` survives a killed process, `FULL` also a power cut.
        readers: threads, and connections, that answer reads.
        queue_jobs, queue_bytes: what may wait for the writer; beyond it `put` waits and `post` refuses.
        batch_jobs: most jobs of one transaction, so that other processes get their turn at the write lock.
        linger_s: how long a post that nobody waits for may wait for company.
        patience_s: how long a busy or lost database is waited for.
        answer_timeout_s: when a caller gives up on a database that hangs without failing.
        chain_turns: a longer history is answered as if it did not exist.
    """

    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    readers: int = 4
    queue_jobs: int = 4096
    queue_bytes: int = 64 * 1024 * 1024
    batch_jobs: int = 512
    linger_s: float = 0.05
    patience_s: float = 5.0
    answer_timeout_s: float = 30.0
    chain_turns: int = 10_000


class Database(Struct, frozen=True):
    """The two engines of one database. `close` drops all connections; the engines would open new ones."""

    reader: Engine
    writer: Engine

    def close(self) -> None:
        """Close every idle connection."""
        self.reader.dispose()
        self.writer.dispose()


class Patience:
    """Whether an outage is still worth waiting for.

    The first failure starts the wait. Once it has lasted `limit_s`, every further call fails at its first failure,
    until one succeeds: callers behind a dead database do not wait one after the other. Shared between threads; a lost
    update only moves the start of the wait by one attempt.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._down_since: float | None = None

    def worked(self) -> None:
        """The database answered."""
        self._down_since = None

    def lasts(self) -> bool:
        """The database failed: is it worth another attempt?"""
        now = time.monotonic()
        if self._down_since is None:
            self._down_since = now
        return now - self._down_since < self._limit_s

    @property
    def is_over(self) -> bool:
        """The database has failed for longer than it is waited for, and has not worked since. Asks nobody."""
        down_since = self._down_since
        return down_since is not None and time.monotonic() - down_since >= self._limit_s

    def pause(self) -> None:
        """Wait a little before the next attempt. Blocks the calling thread."""
        time.sleep(_RETRY_PAUSE_S)


def open_database(url: str, settings: StoreSettings) -> Database:
    """Engines for `sqlite:///file` or `postgresql://…`. Connects to nothing yet.

    Raises `ValueError`, safe to show, when the address is of another kind or the Postgres driver is not installed.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, settings)
    return _open_postgres(parsed, settings)


def patiently(patience: Patience, action: Callable[[], T]) -> T:
    """The result of `action`, repeated while the database is away and `patience` lasts; then `StoreFault`.

    An action that writes must be one transaction, because it is repeated as a whole.
    """
    while True:
        try:
            result = action()
        except SQLAlchemyError as error:
            if blames_a_row(error) or not patience.lasts():
                raise StoreFault(detail_of(error)) from error
            patience.pause()
        except BINDING_ERRORS as error:
            raise StoreFault(detail_of(error)) from error
        else:
            patience.worked()
            return result


def blames_a_row(error: SQLAlchemyError) -> bool:
    """Whether the statement or its values are at fault, so that repeating them cannot help."""
    if isinstance(error, DBAPIError):
        # A closed connection shows as one of these classes too; then the mark below tells.
        wrong = (IntegrityError, DataError, ProgrammingError, NotSupportedError, InterfaceError)
        return isinstance(error, wrong) and not error.connection_invalidated
    return isinstance(error, StatementError)


def detail_of(error: BaseException) -> str:
    """One line for the log, without the values of the statement."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    # Postgres puts the row into further lines.
    summary = (str(cause).strip().splitlines() or [""])[0]
    return f"{type(cause).__name__}: {summary[:500]}"


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("The store's address is not a URL, such as sqlite:////var/lib/antiphon/state.db") from error
    if parsed.drivername in _POSTGRES_NAMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ValueError(f"The store cannot be {parsed.drivername!r}: use sqlite:///… or postgresql://…")
    if parsed.database in (None, "", ":memory:"):
        raise ValueError("The store needs a file, such as sqlite:////var/lib/antiphon/state.db")
    return parsed


# Of all but numbers and texts sqlite3 asks how it is adapted, in three places, and makes an exception for each in vain:
# four tenths of the time that the row of a run takes.
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]  # it wants a name for what gives `None`


def _open_sqlite(url: URL, settings: StoreSettings) -> Database:
    path = Path(url.database or "")

    def engine(isolation: Literal["AUTOCOMMIT"] | None, size: int) -> Engine:
        made = create_engine(
            url,
            isolation_level=isolation,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"timeout": settings.patience_s, "check_same_thread": False, "cached_statements": 256},
        )
        event.listen(made, "do_connect", lambda *_: _make_private(path))
        event.listen(made, "connect", lambda connection, _: _set_pragmas(connection, settings))
        return made

    writer = engine(None, 4)
    event.listen(writer, "begin", _begin_immediate)
    return Database(reader=engine("AUTOCOMMIT", settings.readers), writer=writer)


def _make_private(path: Path) -> None:
    # SQLite gives the -wal and -shm files the mode of the database file, so this one call covers all three.
    # A file that is there is not opened: closing any descriptor of it drops every lock that this process holds on it,
    # and then the next process that closes the database takes itself for the last one and deletes the live -wal.
    # What goes wrong here goes wrong again, with a better message, in the connect that follows.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError:
        return


def _set_pragmas(connection: DBAPIConnection, settings: StoreSettings) -> None:
    if not isinstance(connection, sqlite3.Connection):  # pragma: no cover - tells mypy what create_engine gave
        raise TypeError(f"expected a sqlite3 connection, got {type(connection)}")
    # Python's own transaction control begins too late and without the write lock; ours is _begin_immediate.
    connection.isolation_level = None
    _enter_wal(connection, deadline=time.monotonic() + settings.patience_s)
    for pragma in (
        f"synchronous={settings.synchronous}",
        "cache_size=-2048",  # KiB, of each connection: the system keeps the file in memory anyway
        "journal_size_limit=67108864",
        "foreign_keys=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _enter_wal(connection: sqlite3.Connection, *, deadline: float) -> None:
    # The switch to WAL needs the file alone and does not use the busy timeout, so processes that start together
    # collide here. The mode is kept in the file: after the first start this is one read.
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_PAUSE_S)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _open_postgres(url: URL, settings: StoreSettings) -> Database:
    wait_s = max(1, round(settings.patience_s))
    # A peer that vanished without a word is noticed within the same time as one that refuses.
    network = {
        "connect_timeout": wait_s,
        "tcp_user_timeout": wait_s * 1000,
        "keepalives_idle": wait_s,
        "keepalives_interval": wait_s,
        "application_name": "antiphon",
    }
    connect_args = {name: value for name, value in network.items() if name not in url.query}

    def engine(isolation: Literal["AUTOCOMMIT", "READ COMMITTED"], size: int) -> Engine:
        return create_engine(
            url,
            isolation_level=isolation,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,
            connect_args=connect_args,
        )

    try:
        return Database(reader=engine("AUTOCOMMIT", settings.readers), writer=engine("READ COMMITTED", 4))
    except ModuleNotFoundError as error:
        raise ValueError("Postgres needs its driver: install antiphon[postgres]") from error
