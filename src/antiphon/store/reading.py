"""Every question that the store answers, one statement each. Ownership and expiry are part of each statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import Tenant, Turn, UsageTotal
from antiphon.store.payload import Unpacker
from antiphon.store.tables import blobs, call_states, responses, runs

__all__ = ["Queries", "UsageGroup"]

UsageGroup = Literal["model", "key", "provider", "day"]

#: Ids of one statement: well under both databases' limit of parameters.
_IDS = 500
_DAY_S = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()

#: Rows of the turn queries: the turn's columns in the order of `_read_turn`, then the shared echo.
_TURN = (
    responses.c.id,
    responses.c.previous_id,
    responses.c.created_at,
    responses.c.expires_at,
    responses.c.status,
    responses.c.model,
    responses.c.provider,
    responses.c.upstream_model,
    responses.c.states,
    responses.c.response,
    responses.c.input,
    responses.c.echo,
    responses.c.echo_digest,
    blobs.c.body,
)
#: SQLAlchemy types ten columns at most; `_read_turn` is where these get their types back.
_AnyRow = Row[*tuple[Any, ...]]
_AnySelect = Select[*tuple[Any, ...]]


class Queries:
    """The statements, built once, and the reading of their rows. Each call takes a connection in autocommit."""

    def __init__(self, chain_turns: int) -> None:
        self._unpacker = Unpacker()
        own_blob = and_(blobs.c.tenant == responses.c.tenant, blobs.c.digest == responses.c.echo_digest)
        readable = select(*_TURN).outerjoin_from(responses, blobs, own_blob).where(_visible())
        self._turn = readable.where(responses.c.id == bindparam("turn_id"))
        self._turns = readable.where(responses.c.id.in_(bindparam("turn_ids", expanding=True)))
        self._chain = _chain_statement(chain_turns)
        self._calls = select(call_states.c.call, call_states.c.body).where(
            call_states.c.tenant == bindparam("tenant_id"),
            call_states.c.call.in_(bindparam("wanted", expanding=True)),
            call_states.c.expires_at > bindparam("now"),
        )
        self._record = select(runs.c.record).where(
            runs.c.tenant == bindparam("tenant_id"), runs.c.id == bindparam("run_id")
        )

    def turn(self, connection: Connection, tenant: Tenant, *, turn_id: ResponseId, now: int) -> Turn | None:
        """One turn, unless it has expired."""
        row = connection.execute(self._turn, {"tenant_id": tenant.id, "turn_id": turn_id, "now": now}).first()
        return None if row is None else self._read_turn(row, {})

    def turns(
        self, connection: Connection, tenant: Tenant, *, turn_ids: Iterable[ResponseId], now: int
    ) -> Sequence[Turn]:
        """Those turns that exist and have not expired."""
        wanted = sorted(set(turn_ids))
        echoes: dict[bytes, bytes] = {}
        found: list[Turn] = []
        for at in range(0, len(wanted), _IDS):
            values = {"tenant_id": tenant.id, "turn_ids": wanted[at : at + _IDS], "now": now}
            found.extend(self._read_turn(row, echoes) for row in connection.execute(self._turns, values))
        return found

    def chain(self, connection: Connection, tenant: Tenant, *, turn_id: ResponseId, now: int) -> Sequence[Turn] | None:
        """The turn and all before it, oldest first; `None` when one of them is not there."""
        values = {"tenant_id": tenant.id, "turn_id": turn_id, "now": now}
        echoes: dict[bytes, bytes] = {}
        newest_first = [self._read_turn(row, echoes) for row in connection.execute(self._chain, values)]
        # A chain that ends at a turn that continues another one has lost that one.
        if not newest_first or newest_first[-1].previous_id is not None:
            return None
        return newest_first[::-1]

    def call_states(
        self, connection: Connection, tenant: Tenant, *, calls: Iterable[bytes], now: int
    ) -> Mapping[bytes, bytes]:
        """What is kept for those calls."""
        wanted = sorted(set(calls))
        found: dict[bytes, bytes] = {}
        for at in range(0, len(wanted), _IDS):
            values = {"tenant_id": tenant.id, "wanted": wanted[at : at + _IDS], "now": now}
            found.update((call, body) for call, body in connection.execute(self._calls, values))
        return found

    def record(self, connection: Connection, tenant: Tenant, *, run_id: ResponseId) -> bytes | None:
        """A run's record."""
        found = connection.execute(self._record, {"tenant_id": tenant.id, "run_id": run_id}).scalar()
        return None if found is None else self._unpacker.unpack(found)

    def usage(
        self, connection: Connection, tenant: Tenant | None, *, period: tuple[int, int], by: UsageGroup
    ) -> Sequence[UsageTotal]:
        """Totals of the runs created in `period` (its end excluded), in the order of their groups."""
        statement = _usage_statement(_group_column(by), period)
        if tenant is not None:
            statement = statement.where(runs.c.tenant == tenant.id)
        return [UsageTotal(_group_name(by, group), *totals) for group, *totals in connection.execute(statement)]

    def _read_turn(self, row: _AnyRow, echoes: dict[bytes, bytes]) -> Turn:
        # `echoes` remembers the shared ones that earlier rows brought.
        unpack = self._unpacker.unpack
        *facts, response, given, echo, digest, blob = row
        turn_id, previous_id, created_at, expires_at, status, model, provider, upstream_model, states = facts
        if digest is not None:
            if blob is not None and digest not in echoes:
                echoes[digest] = unpack(blob)
            if digest not in echoes:
                raise StoreFault("a stored turn has lost its shared instructions and tools")
        return Turn(
            id=turn_id,
            previous_id=previous_id,
            created_at=created_at,
            expires_at=expires_at,
            status=status,
            model=model,
            provider=provider,
            upstream_model=upstream_model,
            response=unpack(response),
            echo=unpack(echo) if digest is None else echoes[digest],
            input=unpack(given),
            states=states or b"",
        )


def _visible() -> ColumnElement[bool]:
    unexpired = or_(responses.c.expires_at.is_(None), responses.c.expires_at > bindparam("now"))
    return and_(responses.c.tenant == bindparam("tenant_id"), unexpired)


def _chain_statement(most_turns: int) -> _AnySelect:
    start = select(responses.c.row, responses.c.previous_id, responses.c.echo_digest, literal(1).label("depth")).where(
        responses.c.id == bindparam("turn_id"), _visible()
    )
    walk = start.cte("walk", recursive=True)
    step = (
        select(responses.c.row, responses.c.previous_id, responses.c.echo_digest, walk.c.depth + 1)
        .join_from(walk, responses, responses.c.id == walk.c.previous_id)
        .where(_visible(), walk.c.depth < most_turns)
    )
    walk = walk.union_all(step)
    # The turns of a chain mostly share one large echo: only the newest row of each digest brings it along.
    nth = func.row_number().over(partition_by=walk.c.echo_digest, order_by=walk.c.depth)
    path = select(walk.c.row, walk.c.depth, nth.label("nth")).cte("path")
    first_of_blob = and_(
        path.c.nth == 1, blobs.c.tenant == responses.c.tenant, blobs.c.digest == responses.c.echo_digest
    )
    return (
        select(*_TURN)
        .join_from(path, responses, responses.c.row == path.c.row)
        .outerjoin(blobs, first_of_blob)
        .where(responses.c.tenant == bindparam("tenant_id"))
        .order_by(path.c.depth)
    )


def _group_column(by: UsageGroup) -> ColumnElement[str] | ColumnElement[int]:
    match by:
        case "model":
            return runs.c.model
        case "key":
            return runs.c.key_id
        case "provider":
            return runs.c.provider
        case "day":
            return runs.c.created_at // _DAY_S


def _group_name(by: UsageGroup, group: str | int) -> str:
    if by != "day":
        return str(group)
    return date.fromordinal(_EPOCH_DAY + int(group)).isoformat()


def _usage_statement(group: ColumnElement[str] | ColumnElement[int], period: tuple[int, int]) -> _AnySelect:
    def total(value: ColumnElement[int]) -> ColumnElement[int]:
        # Postgres sums into NUMERIC, and either database sums nothing into NULL.
        return cast(func.coalesce(func.sum(value), 0), BigInteger)

    since, until = period
    return (
        select(
            group,
            func.count(),
            total(case((runs.c.status == "failed", 1), else_=0)),
            total(runs.c.input_tokens),
            total(runs.c.cached_tokens),
            total(runs.c.output_tokens),
            total(runs.c.reasoning_tokens),
            total(case((runs.c.estimated, 1), else_=0)),
            total(runs.c.cost_micros),
            total(case((and_(runs.c.cost_micros.is_(None), runs.c.input_tokens.is_not(None)), 1), else_=0)),
        )
        .where(runs.c.created_at >= since, runs.c.created_at < until)
        .group_by(group)
        .order_by(group)
    )
