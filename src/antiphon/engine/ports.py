"""What the engine needs from the outside, defined by the engine that consumes it and wired in `app`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.events import Event
from antiphon.protocol.exchange import UpstreamRequest
from antiphon.protocol.faults import Fault
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import CallState, RunRow, Tenant, Turn
from antiphon.protocol.request import Notice
from antiphon.protocol.target import Ask, Fallback, Route, Target

__all__ = ["Client", "Clock", "Exchange", "Health", "Media", "Router", "Sink", "Store", "Try"]


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

    @property
    def available(self) -> bool:
        """False while the database is known not to answer, or not to take writes. Costs nothing."""

    async def put(self, tenant: Tenant, run: RunRow, turn: Turn | None, *, calls: Sequence[CallState] = ()) -> None:
        """Write the run and, where given, the turn and the calls in one transaction; return once it is committed.

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

    async def call_states(self, tenant: Tenant, calls: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The bodies of those of the named calls that are kept and have not expired."""

    async def record(self, tenant: Tenant, response_id: ResponseId) -> bytes | None:
        """The run record (JSON) of a run, stored or not."""


class Router(Protocol):
    """Model name to places that can serve it."""

    def targets(self, model: str) -> Sequence[Target]:
        """At least one target, best first. Raises `RequestFault` (404 `model_not_found`, naming near ones)."""

    def route(self, ask: Ask) -> Route:
        """Where this request may go now. Raises as `targets` does, and 503 when nothing may be tried."""


class Try(Protocol):
    """One attempt that is under way. Ends with the first call of one of its methods; further ones do nothing."""

    def served(self, *, latency_ms: float | None = None, streamed: bool = True) -> None:
        """There was an answer. `latency_ms`: until its first output."""

    def failed(self, fault: Fault) -> None:
        """There was none."""

    def left(self) -> None:
        """Nobody knows how it would have ended: the client has gone."""


class Health(Protocol):
    """What becomes of attempts at targets, for whoever chooses among them."""

    def begin(self, target: Target) -> Try:
        """An attempt at this target begins."""

    def verdict(self, target: Target) -> str | None:
        """Why it should not be tried now; `None`: it may be."""


class Exchange(Protocol):
    """One answer of an upstream, being read."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive."""

    @property
    def content_type(self) -> str:
        """Media type, lower case, without parameters."""

    async def read(self) -> bytes:
        """Whatever has arrived; empty at a clean end. Raises `NetworkFault`."""

    async def pump(self, take: Callable[[bytes], bool]) -> bool:
        """Give `take` what arrives until it returns false; returns false at a clean end. Raises `NetworkFault`."""

    async def read_all(self, limit: int) -> bytes:
        """The rest of the body, at most that many bytes."""

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end; at the end of the context it is done anyway."""

    async def __aenter__(self) -> Self:
        """The exchange."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""


class Client(Protocol):
    """The way out."""

    async def open(self, request: UpstreamRequest) -> Exchange:
        """Send, and wait for the status. Raises `NetworkFault`."""


class Media(Protocol):
    """Fetches URLs that users name, guarded."""

    async def inline(self, urls: Sequence[str]) -> Mapping[str, str]:
        """Each URL's content as a data URL. Raises `RequestFault` for what may not or cannot be fetched."""


class Sink(Protocol):
    """Where a run's events go.

    A run first hands over its opening events with `hold`; they leave with the first `write`, or earlier when the sink
    decides to send the status before there is output.
    """

    @property
    def status_sent(self) -> bool:
        """Whether the client already has a status: from then on a failure is an event."""

    def prepare(self, notices: Sequence[Notice], target: Target, *, fallback: Fallback | None = None) -> None:
        """What the answer's headers should tell. Before the first `write`; the last one counts."""

    def see(self, delta: OutcomeDelta) -> None:
        """What the upstream said about its answer: a few times in a run, before the events of the same read."""

    def hold(self, events: Sequence[Event]) -> None:
        """Keep events until the status is sent."""

    @property
    def ready(self) -> bool:
        """Whether `write_now` may be called: the status is sent, and the client takes what comes."""

    def write_now(self, events: Sequence[Event]) -> None:
        """Send events without waiting, right after `ready` said so."""

    async def write(self, events: Sequence[Event]) -> None:
        """Send events; waits while the client reads slowly."""

    async def end(self, events: Sequence[Event]) -> None:
        """Send the last events, of which the last is the terminal one."""
