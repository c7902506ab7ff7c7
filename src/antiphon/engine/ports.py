"""What the engine needs from the outside, defined by the engine that consumes it and wired in `app`."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import RunRow, Tenant, Turn
from antiphon.protocol.target import Target

__all__ = ["Clock", "Router", "Store"]


class Clock(Protocol):
    """Two clocks: one for durations, one for dates."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def now(self) -> int:
        """UTC seconds since the epoch."""


class Store(Protocol):
    """State. Every call names the tenant first; a row of another tenant is a row that does not exist.

    All calls raise `StoreFault` when the database cannot answer.
    """

    async def put(self, tenant: Tenant, run: RunRow, turn: Turn | None) -> None:
        """Write the run and, where given, the turn in one transaction; return once it is committed.

        Waits while the writer's bounded queue is full. A cancelled caller does not undo what was queued.
        """

    def post(self, tenant: Tenant, run: RunRow) -> bool:
        """Queue a run row without waiting. False (and a counter) when the bounded queue is full."""

    async def turn(self, tenant: Tenant, response_id: ResponseId) -> Turn | None:
        """One stored turn that has not expired."""

    async def chain(self, tenant: Tenant, response_id: ResponseId) -> Sequence[Turn] | None:
        """The turn and all it continues, oldest first, in one query.

        `None` when the turn or any of its ancestors is missing, deleted, expired or another tenant's.
        """

    async def turns(self, tenant: Tenant, response_ids: Iterable[ResponseId]) -> Sequence[Turn]:
        """Those of the named turns that exist, in any order (for item references)."""

    async def refresh(self, tenant: Tenant, response_ids: Sequence[ResponseId], expires_at: int) -> None:
        """Move the expiry of these turns forward, never back. Cheap when nothing needs to move."""

    async def delete(self, tenant: Tenant, response_id: ResponseId) -> bool:
        """Delete a stored turn with its content. False when there was none."""

    async def record(self, tenant: Tenant, response_id: ResponseId) -> bytes | None:
        """The run record (JSON) of a run, stored or not."""


class Router(Protocol):
    """Model name to places that can serve it."""

    def targets(self, model: str) -> Sequence[Target]:
        """At least one target, best first. Raises `RequestFault` (404 `model_not_found`, naming near ones)."""
