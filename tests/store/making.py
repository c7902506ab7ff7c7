"""Rows to store, and databases that do not answer."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.queues import SimpleQueue

from sqlalchemy import create_engine, func, select, text

from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import KeyId, KeyRecord, RunRow, Tenant, Turn
from antiphon.store.base import StoreSettings
from antiphon.store.migrate import migrate
from antiphon.store.sql import SqlStore
from antiphon.store.tables import metadata

ANNA = Tenant("anna")
BEN = Tenant("ben")
NOW = 1_800_000_000
DAY_S = 86_400


class FakeClock:
    """A date that stands until a test moves it."""

    def __init__(self, now: int = NOW) -> None:
        self.today = now

    def now(self) -> int:
        return self.today


_last = iter(range(1, 2**62))


def new_id() -> ResponseId:
    """Sixteen bytes, in the order of their making."""
    return ResponseId(next(_last).to_bytes(8, "big") + os.urandom(8))


def a_turn(
    *,
    previous: ResponseId | None = None,
    expires_at: int | None = None,
    response: bytes = b'{"output":[]}',
    echo: bytes = b"{}",
    given: bytes = b"[]",
) -> Turn:
    return Turn(
        id=new_id(),
        previous_id=previous,
        created_at=NOW,
        expires_at=expires_at,
        status="completed",
        model="gpt-5",
        provider="openai",
        upstream_model="gpt-5-2026",
        response=response,
        echo=echo,
        input=given,
    )


def a_run(
    run_id: ResponseId | None = None,
    *,
    created_at: int = NOW,
    model: str = "gpt-5",
    provider: str = "openai",
    key_id: str = "key_1",
    status: str = "completed",
    tokens: tuple[int, int] | None = (100, 20),
    estimated: bool = False,
    cost_micros: int | None = None,
    record: bytes = b"{}",
) -> RunRow:
    return RunRow(
        id=run_id or new_id(),
        key_id=KeyId(key_id),
        created_at=created_at,
        duration_ms=812,
        model=model,
        provider=provider,
        upstream_model="gpt-5-2026",
        status=status,
        error_code=None if status == "completed" else "upstream_timeout",
        input_tokens=tokens[0] if tokens else None,
        cached_tokens=None,
        cache_write_tokens=None,
        output_tokens=tokens[1] if tokens else None,
        reasoning_tokens=None,
        estimated=estimated,
        cost_micros=cost_micros,
        record=record,
    )


def a_key(
    key_id: str = "key_1",
    *,
    tenant: Tenant = ANNA,
    digest: bytes | None = None,
    expires_at: int | None = None,
    models: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
) -> KeyRecord:
    return KeyRecord(
        id=KeyId(key_id),
        tenant=tenant,
        name=f"name of {key_id}",
        prefix="sk-Ab3dE",
        digest=digest or os.urandom(32),
        created_at=NOW,
        expires_at=expires_at,
        models=models,
        addresses=addresses,
    )


@asynccontextmanager
async def opened(
    url: str, *, clock: FakeClock | None = None, settings: StoreSettings | None = None
) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(url, clock or FakeClock(), settings=settings)
    try:
        yield store
    finally:
        await store.close()


async def keep(store: SqlStore, turn: Turn, tenant: Tenant = ANNA) -> Turn:
    await store.put(tenant, a_run(turn.id), turn)
    return turn


@contextmanager
def writes_blocked(url: str) -> Iterator[None]:
    """Somebody else holds the locks that every write needs."""
    sqlite = url.startswith("sqlite")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE" if sqlite else "BEGIN"))
            if not sqlite:
                connection.execute(text("LOCK TABLE runs, responses IN EXCLUSIVE MODE"))
            yield
            connection.execute(text("ROLLBACK"))
    finally:
        engine.dispose()


def count(url: str, table: str) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()
    finally:
        engine.dispose()


def report_alembic(url: str, answers: "SimpleQueue[bool]") -> None:
    """For a process of its own: did bringing the database up to date need Alembic?"""
    migrate(url)
    answers.put("alembic" in sys.modules)
