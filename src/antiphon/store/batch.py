"""What one transaction of the writer does: the kinds of work, and the SQL behind them.

Rows are inserted by one statement for many rows, written here as text: a driver's `executemany` gives up the
interpreter's lock once per row, and under a busy event loop each row then waits for its turn to get it back.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain, groupby

from msgspec import Struct, structs
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy import Delete as DeleteRows

from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import CallState, RunRow, Tenant, Turn
from antiphon.store.payload import INLINE_BYTES, Packer
from antiphon.store.tables import blobs, call_states, responses, runs

__all__ = [
    "REFRESH_STEP_S",
    "Batch",
    "Delete",
    "Insert",
    "Purge",
    "PurgeCalls",
    "PurgeRuns",
    "Put",
    "Refresh",
    "Statements",
    "Work",
]

#: An expiry is only moved when it gains this much: a conversation in use costs one write a day, not one a turn.
REFRESH_STEP_S = 86_400

#: Ids of one statement: well under both databases' limit of parameters.
_IDS = 500

_Row = tuple[object, ...]


class Put(Struct, frozen=True):
    """Insert a run, the turn it made, and what belongs to its calls."""

    tenant: Tenant
    run: RunRow
    turn: Turn | None
    calls: Sequence[CallState] = ()

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        turn = self.turn
        held = len(turn.response) + len(turn.echo) + len(turn.input) + len(turn.states) if turn else 0
        return 512 + len(self.run.record) + held + sum(128 + len(call.body) for call in self.calls)


class Delete(Struct, frozen=True):
    """Delete a turn that has not expired."""

    tenant: Tenant
    id: ResponseId
    now: int

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        return 128


class Refresh(Struct, frozen=True):
    """Move the expiry of turns forward."""

    tenant: Tenant
    ids: Sequence[ResponseId]
    expires_at: int
    now: int

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        return 128 + 64 * len(self.ids)


class Purge(Struct, frozen=True):
    """Delete up to `limit` expired turns of all tenants."""

    now: int
    limit: int

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        return 128


class PurgeCalls(Struct, frozen=True):
    """Delete up to `limit` expired states of calls of all tenants."""

    now: int
    limit: int

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        return 128


class PurgeRuns(Struct, frozen=True):
    """Delete up to `limit` run rows of all tenants that are older than `before`."""

    before: int
    limit: int

    @property
    def size_bytes(self) -> int:
        """What this holds in memory, roughly."""
        return 128


_Other = Delete | Refresh | Purge | PurgeCalls | PurgeRuns
Work = Put | _Other


class Insert:
    """One table's INSERT, prepared for 32, 16, … 1 rows, so that few statements serve any number of rows."""

    def __init__(self, table: Table, dialect: Dialect, *, conflict: str = "") -> None:
        columns = [column.name for column in table.columns if column.name != "row"]
        mark = "?" if dialect.paramstyle == "qmark" else "%s"
        row = f"({', '.join([mark] * len(columns))})"
        head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "  # noqa: S608 - names from tables.py
        self._sizes = [(size, head + ", ".join([row] * size) + conflict) for size in (32, 16, 8, 4, 2, 1)]

    def run(self, connection: Connection, rows: Sequence[_Row]) -> None:
        """Insert the rows, in order."""
        at = 0
        for size, sql in self._sizes:
            while len(rows) - at >= size:
                connection.exec_driver_sql(sql, tuple(chain.from_iterable(rows[at : at + size])))
                at += size


class Statements:
    """All SQL that writes, built once for one database."""

    def __init__(self, dialect: Dialect) -> None:
        known = " ON CONFLICT (id) DO NOTHING"
        self.runs = Insert(runs, dialect)
        self.turns = Insert(responses, dialect)
        self.runs_again = Insert(runs, dialect, conflict=known)
        self.turns_again = Insert(responses, dialect, conflict=known)
        # On a conflict the row is touched, because that locks it against a deletion that is under way elsewhere.
        self.blobs = Insert(
            blobs, dialect, conflict=" ON CONFLICT (tenant, digest) DO UPDATE SET digest = excluded.digest"
        )
        # The newest of equal calls counts.
        self.calls = Insert(
            call_states,
            dialect,
            conflict=" ON CONFLICT (tenant, call) DO UPDATE SET response_id = excluded.response_id,"
            " expires_at = excluded.expires_at, body = excluded.body",
        )
        named = tuple_(blobs.c.tenant, blobs.c.digest).in_(bindparam("pairs", expanding=True))
        in_order = select(blobs.c.tenant, blobs.c.digest).where(named).order_by(blobs.c.tenant, blobs.c.digest)
        # SQLite has no row locks and needs none: its writer is alone. The two locks exclude each other, so that a
        # blob found here stays until our turn that names it is committed.
        self.blobs_kept = in_order.with_for_update(read=True, key_share=True)
        self.blobs_claimed = in_order.with_for_update()
        used = and_(responses.c.tenant == blobs.c.tenant, responses.c.echo_digest == blobs.c.digest)
        self.drop_orphans = delete(blobs).where(named, ~exists().where(used))
        self.delete = (
            delete(responses)
            .where(
                responses.c.tenant == bindparam("tenant_id"),
                responses.c.id == bindparam("turn_id"),
                or_(responses.c.expires_at.is_(None), responses.c.expires_at > bindparam("now")),
            )
            .returning(responses.c.tenant, responses.c.echo_digest)
        )
        self.forget_call = delete(call_states).where(
            call_states.c.tenant == bindparam("tenant_id"), call_states.c.call == bindparam("call_key")
        )
        self.delete_calls = delete(call_states).where(
            call_states.c.tenant == bindparam("tenant_id"), call_states.c.response_id == bindparam("turn_id")
        )
        self.purge_calls = _delete_first(call_states.c.expires_at <= bindparam("now"), call_states.c.expires_at)
        self.purge_runs = _delete_first(runs.c.created_at < bindparam("before"), runs.c.created_at)
        self.refresh = (
            update(responses)
            .where(
                responses.c.tenant == bindparam("tenant_id"),
                responses.c.id.in_(bindparam("turn_ids", expanding=True)),
                responses.c.expires_at < bindparam("moves_before"),
                responses.c.expires_at > bindparam("now"),
            )
            .values(expires_at=bindparam("new_expiry"))
        )
        expired = _delete_first(responses.c.expires_at <= bindparam("now"), responses.c.expires_at)
        self.purge = expired.returning(responses.c.tenant, responses.c.echo_digest)


def _delete_first(condition: ColumnElement[bool], order: Column[int]) -> DeleteRows:
    """The DELETE of up to `most` rows that meet the condition, the first ones in that order."""
    table = order.table
    first = (
        select(table.c.row).where(condition).order_by(order).limit(bindparam("most")).with_for_update(skip_locked=True)
    )
    return delete(table).where(table.c.row.in_(first.scalar_subquery()))


class _Puts(Struct):
    """Neighbouring puts, ready to insert."""

    count: int
    runs: list[_Row]
    turns: list[_Row]
    echoes: dict[tuple[str, bytes], bytes]
    calls: dict[tuple[str, bytes], _Row]


class Batch:
    """The work of one transaction, in order. Rows are packed here, before the transaction takes any lock.

    `unsure` is set when a commit failed without telling whether it happened. The repetition then passes over rows
    that are there already.
    """

    def __init__(self, statements: Statements, packer: Packer, works: Iterable[Work]) -> None:
        self.unsure = False
        self._sql = statements
        self._packer = packer
        self._steps: list[_Puts | _Other] = []
        for is_put, group in groupby(works, key=lambda work: isinstance(work, Put)):
            if is_put:
                self._steps.append(self._packed(work for work in group if isinstance(work, Put)))
            else:
                self._steps.extend(work for work in group if not isinstance(work, Put))

    def write(self, connection: Connection) -> list[int]:
        """Do it all, inside the caller's transaction. One number for each work: the rows that it touched."""
        touched: list[int] = []
        for step in self._steps:
            if isinstance(step, _Puts):
                self._put(connection, step)
                touched.extend([1] * step.count)
            elif isinstance(step, Delete):
                touched.append(self._delete(connection, step))
            elif isinstance(step, Refresh):
                touched.append(self._refresh(connection, step))
            elif isinstance(step, Purge):
                touched.append(self._purge(connection, step))
            elif isinstance(step, PurgeCalls):
                stale = {"now": step.now, "most": step.limit}
                touched.append(connection.execute(self._sql.purge_calls, stale).rowcount)
            else:
                old = {"before": step.before, "most": step.limit}
                touched.append(connection.execute(self._sql.purge_runs, old).rowcount)
        return touched

    def _packed(self, puts: Iterable[Put]) -> _Puts:
        ready = _Puts(count=0, runs=[], turns=[], echoes={}, calls={})
        for put in puts:
            ready.count += 1
            ready.runs.append(self._run_row(put.tenant.id, put.run))
            if put.turn is not None:
                ready.turns.append(self._turn_row(put.tenant.id, put.turn, ready.echoes))
            for state in put.calls:
                key = (put.tenant.id, state.call)
                ready.calls[key] = (*key, put.run.id, state.expires_at, state.body)
        return ready

    def _run_row(self, tenant: str, run: RunRow) -> _Row:
        run_id, *facts, record = structs.astuple(run)
        return (run_id, tenant, *facts, self._packer.pack(record))

    def _turn_row(self, tenant: str, turn: Turn, echoes: dict[tuple[str, bytes], bytes]) -> _Row:
        inline: bytes | None = turn.echo
        digest = None
        if len(turn.echo) > INLINE_BYTES:
            inline, digest = None, hashlib.sha256(turn.echo).digest()
            echoes[tenant, digest] = turn.echo
        return (
            turn.id,
            tenant,
            turn.previous_id,
            turn.created_at,
            turn.expires_at,
            turn.status,
            turn.model,
            turn.provider,
            turn.upstream_model,
            self._packer.pack(turn.response),
            self._packer.pack(turn.input),
            inline if inline is None else self._packer.pack(inline),
            digest,
            turn.states or None,
        )

    def _put(self, connection: Connection, puts: _Puts) -> None:
        (self._sql.runs_again if self.unsure else self._sql.runs).run(connection, puts.runs)
        if puts.echoes:
            self._keep_echoes(connection, puts.echoes)
        (self._sql.turns_again if self.unsure else self._sql.turns).run(connection, puts.turns)
        if puts.calls:
            self._keep_calls(connection, puts.calls)

    def _keep_calls(self, connection: Connection, calls: dict[tuple[str, bytes], _Row]) -> None:
        """In one order, so that two processes that write the same calls do not wait for each other."""
        rows = [calls[key] for key in sorted(calls)]
        for is_kept, group in groupby(rows, key=lambda row: bool(row[-1])):
            if is_kept:
                self._sql.calls.run(connection, list(group))
            else:
                named = [{"tenant_id": tenant, "call_key": call} for tenant, call, *_ in group]
                connection.execute(self._sql.forget_call, named)

    def _keep_echoes(self, connection: Connection, echoes: dict[tuple[str, bytes], bytes]) -> None:
        found = connection.execute(self._sql.blobs_kept, {"pairs": sorted(echoes)})
        missing = sorted(echoes.keys() - {(tenant, digest) for tenant, digest in found})
        # An agent's echo is nearly always there already; only a new one costs its compression.
        self._sql.blobs.run(connection, [(*pair, self._packer.pack(echoes[pair])) for pair in missing])

    def _delete(self, connection: Connection, work: Delete) -> int:
        found = connection.execute(
            self._sql.delete, {"tenant_id": work.tenant.id, "turn_id": work.id, "now": work.now}
        ).all()
        if found:
            connection.execute(self._sql.delete_calls, {"tenant_id": work.tenant.id, "turn_id": work.id})
        self._drop_orphans(connection, [(tenant, digest) for tenant, digest in found])
        return len(found)

    def _refresh(self, connection: Connection, work: Refresh) -> int:
        touched = 0
        for at in range(0, len(work.ids), _IDS):
            values = {
                "tenant_id": work.tenant.id,
                "turn_ids": work.ids[at : at + _IDS],
                "moves_before": work.expires_at - REFRESH_STEP_S,
                "now": work.now,
                "new_expiry": work.expires_at,
            }
            touched += connection.execute(self._sql.refresh, values).rowcount
        return touched

    def _purge(self, connection: Connection, work: Purge) -> int:
        found = connection.execute(self._sql.purge, {"now": work.now, "most": work.limit}).all()
        self._drop_orphans(connection, [(tenant, digest) for tenant, digest in found])
        return len(found)

    def _drop_orphans(self, connection: Connection, users: Iterable[tuple[str, bytes | None]]) -> None:
        pairs = sorted({(tenant, digest) for tenant, digest in users if digest is not None})
        for at in range(0, len(pairs), _IDS):
            some = {"pairs": pairs[at : at + _IDS]}
            # First the locks, then the deletion: as a statement of its own it sees what others committed meanwhile.
            connection.execute(self._sql.blobs_claimed, some)
            connection.execute(self._sql.drop_orphans, some)
