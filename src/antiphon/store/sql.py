"""The state store: what the engine calls `Store`, on SQLite or Postgres.

Writes go to one batching thread, reads to a few reading threads; no call blocks the event loop. This module knows who
does what; the SQL is in `batch`, `reading` and `keys`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

from sqlalchemy import Connection, literal, select

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import CallState, KeyId, KeyRecord, RunRow, Tenant, Turn, UsageTotal
from antiphon.store.base import Clock, Database, Patience, StoreSettings, open_database, patiently
from antiphon.store.batch import Delete, Purge, PurgeCalls, PurgeRuns, Put, Refresh, Work
from antiphon.store.keys import KeyTable
from antiphon.store.migrate import migrate_database
from antiphon.store.reading import Queries, UsageGroup
from antiphon.store.writer import Writer, WriterStats

__all__ = ["SqlStore"]

T = TypeVar("T")

_PURGE_ROWS = 200


class SqlStore:
    """Stored turns, run rows and keys. Made by `open`, ended by `close`.

    Every coroutine raises `StoreFault` when the database cannot answer within `StoreSettings.patience_s`, hangs longer
    than `answer_timeout_s`, or the store is closed. A caller that is cancelled stops waiting; what it asked of the
    database still happens. Rows of another tenant and expired rows do not exist for any call.
    """

    def __init__(self, database: Database, clock: Clock, *, settings: StoreSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._queries = Queries(settings.chain_turns)
        self._patience = Patience(settings.patience_s)
        self._keys = KeyTable(database, settings)
        self._readers = ThreadPoolExecutor(settings.readers, thread_name_prefix="antiphon-store-reader")
        self._writer = Writer(database.writer, settings)
        self._closed = False

    @classmethod
    def open(cls, url: str, clock: Clock, *, settings: StoreSettings | None = None) -> Self:
        """Connect, bring the schema up to date, and start the threads. Blocks; meant for startup.

        Raises `ValueError`, safe to show, for an address that cannot be a store, and `StoreFault` when the database
        cannot be reached or is newer than this version.
        """
        settings = settings or StoreSettings()
        database = open_database(url, settings)
        try:
            migrate_database(database, settings)
        except StoreFault:
            database.close()
            raise
        return cls(database, clock, settings=settings)

    async def close(self) -> None:
        """Write what is queued, then end the threads and connections. Calls that come later raise `StoreFault`."""
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._writer.close()
        self._readers.shutdown(cancel_futures=True)
        self._database.close()

    async def put(self, tenant: Tenant, run: RunRow, turn: Turn | None, *, calls: Sequence[CallState] = ()) -> None:
        """Write the run and, where given, the turn and the calls in one transaction; return once it is committed.

        Waits while the writer's bounded queue is full. A cancelled caller does not undo what was queued.
        """
        await self._in_time(self._writer.submit(Put(tenant, run, turn, calls)))

    def post(self, tenant: Tenant, run: RunRow) -> bool:
        """Queue a run row without waiting. False, and counted, when the bounded queue is full or the store closed."""
        return self._writer.post(Put(tenant, run, None))

    async def turn(self, tenant: Tenant, response_id: ResponseId) -> Turn | None:
        """One stored turn that has not expired."""
        return await self._read(partial(self._queries.turn, tenant=tenant, turn_id=response_id, now=self._clock.now()))

    async def chain(self, tenant: Tenant, response_id: ResponseId) -> Sequence[Turn] | None:
        """The turn and all it continues, oldest first, in one query.

        `None` when the turn or any of its ancestors is missing, deleted, expired or another tenant's, and for a
        history longer than `StoreSettings.chain_turns`.
        """
        return await self._read(partial(self._queries.chain, tenant=tenant, turn_id=response_id, now=self._clock.now()))

    async def turns(self, tenant: Tenant, response_ids: Iterable[ResponseId]) -> Sequence[Turn]:
        """Those of the named turns that exist, in any order."""
        wanted = tuple(response_ids)
        return await self._read(partial(self._queries.turns, tenant=tenant, turn_ids=wanted, now=self._clock.now()))

    async def refresh(self, tenant: Tenant, response_ids: Sequence[ResponseId], expires_at: int) -> None:
        """Move the expiry of these turns forward, never back, where that gains more than a day.

        Turns that never expire, or have expired, stay as they are. Without anything to move it writes nothing.
        """
        if response_ids:
            work = Refresh(tenant, tuple(response_ids), expires_at, self._clock.now())
            await self._in_time(self._writer.submit(work))

    async def delete(self, tenant: Tenant, response_id: ResponseId) -> bool:
        """Delete a stored turn with its content. False when there was none."""
        work = Delete(tenant, response_id, self._clock.now())
        return await self._in_time(self._writer.submit(work)) > 0

    async def call_states(self, tenant: Tenant, calls: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The bodies of those of the named calls that are kept and have not expired."""
        return await self._read(partial(self._queries.call_states, tenant=tenant, calls=calls, now=self._clock.now()))

    async def record(self, tenant: Tenant, response_id: ResponseId) -> bytes | None:
        """The run record (JSON) of a run, stored or not."""
        return await self._read(partial(self._queries.record, tenant=tenant, run_id=response_id))

    async def usage(
        self, tenant: Tenant | None, *, since: int, until: int, by: UsageGroup = "model"
    ) -> Sequence[UsageTotal]:
        """Totals of the runs created from `since` to before `until`, of one tenant or (for the operator) of all.

        Groups are model names, key ids, provider names, or days in UTC such as `2026-11-22`; ordered.
        """
        return await self._read(partial(self._queries.usage, tenant=tenant, period=(since, until), by=by))

    async def purge(self, now: int) -> int:
        """Remove the turns of all tenants that have expired by `now`, and the echoes nobody else uses.

        In small transactions, between which other writes get their turn. Returns how many turns were removed.
        """
        return await self._purge(Purge(now, _PURGE_ROWS))

    async def purge_calls(self, now: int) -> int:
        """Remove the states of calls that have expired by `now`, as gently. Returns how many."""
        return await self._purge(PurgeCalls(now, _PURGE_ROWS))

    async def purge_runs(self, before: int) -> int:
        """Remove the run rows of all tenants from before that time, as gently. Returns how many."""
        return await self._purge(PurgeRuns(before, _PURGE_ROWS))

    async def _purge(self, work: Work) -> int:
        removed = 0
        while True:
            batch = await self._in_time(self._writer.submit(work))
            removed += batch
            if batch < _PURGE_ROWS:
                return removed

    @property
    def available(self) -> bool:
        """False while the database is known not to answer, or not to take writes. Asks nobody."""
        return not (self._writer.is_down or self._keys.is_down)

    async def ping(self) -> None:
        """Return when the database answers a query, and the writer lives."""
        if not self._closed and not self._writer.alive:
            raise StoreFault("the writer has ended")
        await self._read(lambda connection: connection.execute(select(literal(1))).scalar())

    def stats(self) -> WriterStats:
        """The writer's queue and counters, for metrics."""
        return self._writer.stats()

    async def find_key(self, digest: bytes) -> KeyRecord | None:
        """The key with this digest, usable or not."""
        return await self._threaded(partial(self._keys.find_key, digest))

    async def keys_version(self) -> int:
        """A number that changes whenever any key does."""
        return await self._threaded(self._keys.keys_version)

    async def list_keys(self, tenant: Tenant | None) -> Sequence[KeyRecord]:
        """The tenant's keys, or (for the operator) those of all tenants; oldest first, revoked ones among them."""
        return await self._threaded(partial(self._keys.list_keys, tenant))

    async def add_key(self, record: KeyRecord) -> None:
        """Keep a new key. Raises `StoreFault` when its id or digest is taken."""
        await self._threaded(partial(self._keys.add_key, record))

    async def set_key_disabled(self, tenant: Tenant, key_id: KeyId, *, disabled: bool) -> bool:
        """Stop a key, or let it work again. False when the tenant has no such key."""
        return await self._threaded(partial(self._keys.set_key_disabled, tenant, key_id, disabled=disabled))

    async def revoke_key(self, tenant: Tenant, key_id: KeyId, *, at: int) -> bool:
        """End a key for good. False when the tenant has no such key, or it was revoked before."""
        return await self._threaded(partial(self._keys.revoke_key, tenant, key_id, at=at))

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._threaded(partial(self._query, query))

    def _query(self, query: Callable[[Connection], T]) -> T:
        def attempt() -> T:
            with self._database.reader.connect() as connection:
                return query(connection)

        return patiently(self._patience, attempt)

    async def _threaded(self, call: Callable[[], T]) -> T:
        if self._closed:
            raise StoreFault("the store is closed")
        return await self._in_time(asyncio.get_running_loop().run_in_executor(self._readers, call))

    async def _in_time(self, answer: "Coroutine[None, None, T] | asyncio.Future[T]") -> T:
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                return await answer
        except TimeoutError as error:
            raise StoreFault(f"no answer within {self._settings.answer_timeout_s:g} s") from error
