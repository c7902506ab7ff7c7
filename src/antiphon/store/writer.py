"""The one thread that writes: it takes whatever is queued, writes it in one transaction, and tells all who wait.

Batches form by themselves under load, and a lone job does not wait for company.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from antiphon.protocol.faults import StoreFault
from antiphon.store.base import BINDING_ERRORS, Patience, StoreSettings, blames_a_row, detail_of
from antiphon.store.batch import Batch, Statements, Work
from antiphon.store.payload import Packer

__all__ = ["Writer", "WriterStats"]

_Reply = tuple[asyncio.AbstractEventLoop, "asyncio.Future[int]"]
_CLOSED = "the store is closed"


class WriterStats(Struct, frozen=True):
    """What the writer has done and has before it. `lost` jobs failed with nobody waiting to be told.

    Attributes:
        refused: posts that found the queue full.
        last_error: why a job failed last; for logs.
    """

    queued_jobs: int
    queued_bytes: int
    batches: int
    jobs: int
    failed: int
    refused: int
    lost: int
    last_error: str


class _Job(Struct, frozen=True, eq=False):
    work: Work
    reply: _Reply | None
    size_bytes: int


class Writer:
    """A bounded queue, and the thread that empties it."""

    def __init__(self, engine: Engine, settings: StoreSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._statements = Statements(engine.dialect)
        self._packer = Packer()
        self._patience = Patience(settings.patience_s)
        self._connection: Connection | None = None
        # Guards everything below. The condition's own way in and out is two calls of Python's.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        self._awaited = 0  # how many of the jobs somebody waits for
        self._waiting: list[_Reply] = []
        self._closing = False
        self._counts = {"batches": 0, "jobs": 0, "failed": 0, "refused": 0, "lost": 0}
        self._last_error = ""
        # A daemon, so that an application that forgets `close` still ends.
        self._thread = threading.Thread(target=self._run, name="antiphon-store-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Work) -> int:
        """Queue the work and return, once it is committed, how many rows it touched.

        Waits while the queue is full. Raises `StoreFault` when the work failed or the writer is closed. A caller that
        is cancelled while it waits for room leaves nothing behind; later, the work is done all the same.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        job = _Job(work, (loop, done), work.size_bytes)
        while room := self._offer_or_wait(job, loop):
            await room
        return await done

    def post(self, work: Work) -> bool:
        """Queue the work without waiting, from any thread. False when the queue is full or the writer is closed."""
        job = _Job(work, None, work.size_bytes)
        with self._lock:
            taken = not self._closing and self._take_in(job)
            self._counts["refused"] += not taken
        return taken

    @property
    def alive(self) -> bool:
        """Whether the thread still takes work. Only a bug, or `close`, ends it."""
        return self._thread.is_alive()

    @property
    def is_down(self) -> bool:
        """Nothing could be written for longer than that is waited for. The next write that works ends this."""
        return self._patience.is_over

    def stats(self) -> WriterStats:
        """The figures of this moment."""
        with self._changed:
            return WriterStats(
                queued_jobs=len(self._jobs), queued_bytes=self._bytes, last_error=self._last_error, **self._counts
            )

    def close(self) -> None:
        """Take nothing more, write what is queued, and end the thread. Blocks as long as a hanging database does."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._settings.answer_timeout_s)

    def _offer_or_wait(self, job: _Job, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[int] | None":
        with self._changed:
            if self._closing:
                raise StoreFault(_CLOSED)
            if self._take_in(job):
                return None
            room: asyncio.Future[int] = loop.create_future()
            self._waiting.append((loop, room))
            return room

    def _take_in(self, job: _Job) -> bool:
        size = job.size_bytes
        full = len(self._jobs) >= self._settings.queue_jobs or self._bytes + size > self._settings.queue_bytes
        # A job larger than the whole bound is let in alone; it could never be otherwise.
        if full and self._jobs:
            return False
        self._jobs.append(job)
        self._bytes += size
        first_awaited = job.reply is not None and not self._awaited
        self._awaited += job.reply is not None
        if first_awaited or len(self._jobs) == 1:
            self._changed.notify()
        return True

    def _run(self) -> None:
        try:
            while jobs := self._next_batch():
                self._finish(jobs)
        finally:
            self._stop()

    def _next_batch(self) -> Sequence[_Job]:
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            if not self._awaited and not self._closing:
                # Only posts, for which nobody waits: let company come. A transaction each would cost more than the
                # requests they tell of.
                self._changed.wait(self._settings.linger_s)
            return self._take_out(self._settings.batch_jobs)

    def _take_out(self, most: int) -> Sequence[_Job]:
        jobs = [self._jobs.popleft() for _ in range(min(most, len(self._jobs)))]
        self._bytes -= sum(job.size_bytes for job in jobs)
        self._awaited -= sum(job.reply is not None for job in jobs)
        waiting, self._waiting = self._waiting, []
        _tell((reply, 0) for reply in waiting)
        return jobs

    def _stop(self) -> None:
        # Reached after `close`, with an empty queue, or when a bug killed the thread: then nobody is left waiting.
        if self._connection is not None:
            self._drop_connection(self._connection)
        with self._changed:
            self._closing = True
            left = self._take_out(len(self._jobs))
        self._report(left, [_CLOSED] * len(left))

    def _finish(self, jobs: Sequence[_Job]) -> None:
        outcomes: Sequence[int | str] = ["the writer stopped on an unexpected error"] * len(jobs)
        try:
            outcomes = self._write(jobs)
        finally:
            self._report(jobs, outcomes)

    def _write(self, jobs: Sequence[_Job]) -> Sequence[int | str]:
        try:
            return self._write_patiently(Batch(self._statements, self._packer, (job.work for job in jobs)))
        except (SQLAlchemyError, *BINDING_ERRORS) as error:
            if len(jobs) == 1 or _is_outage(error):
                return [detail_of(error)] * len(jobs)
        # One of them is bad; alone, it fails alone.
        return [outcome for job in jobs for outcome in self._write([job])]

    def _write_patiently(self, batch: Batch) -> list[int]:
        while True:
            try:
                touched = self._transaction(batch)
            except SQLAlchemyError as error:
                if not _is_outage(error) or not self._patience.lasts():
                    raise
                self._patience.pause()
            else:
                self._patience.worked()
                return touched

    def _transaction(self, batch: Batch) -> list[int]:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            with connection.begin() as transaction:
                touched = batch.write(connection)
                batch.unsure = True
                transaction.commit()
        except SQLAlchemyError as error:
            if _is_outage(error):
                self._drop_connection(connection)
            raise
        return touched

    def _drop_connection(self, connection: Connection) -> None:
        self._connection = None
        # It is broken, or no longer needed; the next transaction opens another.
        with suppress(SQLAlchemyError):
            connection.invalidate()
        with suppress(SQLAlchemyError):
            connection.close()

    def _report(self, jobs: Sequence[_Job], outcomes: Sequence[int | str]) -> None:
        errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
        pairs = list(zip(jobs, outcomes, strict=True))
        with self._changed:
            self._counts["batches"] += bool(jobs)
            self._counts["jobs"] += len(jobs)
            self._counts["failed"] += len(errors)
            self._counts["lost"] += sum(job.reply is None and isinstance(outcome, str) for job, outcome in pairs)
            self._last_error = errors[-1] if errors else self._last_error
        _tell((job.reply, outcome) for job, outcome in pairs if job.reply is not None)


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, SQLAlchemyError) and not blames_a_row(error)


def _tell(replies: Iterable[tuple[_Reply, int | str]]) -> None:
    # One call into each event loop, whatever the number of replies; in nearly every process there is one loop.
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[int], int | str]]] = {}
    for (loop, future), outcome in replies:
        by_loop.setdefault(loop, []).append((future, outcome))
    for loop, outcomes in by_loop.items():
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(partial(_resolve, outcomes))


def _resolve(outcomes: Iterable[tuple["asyncio.Future[int]", int | str]]) -> None:
    for future, outcome in outcomes:
        if future.done():  # its caller was cancelled
            continue
        if isinstance(outcome, str):
            future.set_exception(StoreFault(outcome))
        else:
            future.set_result(outcome)
