"""The run record: where a request went, what was lost in translation, where the time was spent.

Written beside the response, because none of it can be reconstructed later. A part that does not exist is absent, never
zero. Prompt and output text never stand in it, but for the first line where the operator asks for it. Offsets are whole
milliseconds since the request arrived.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import Struct

from antiphon.protocol import events
from antiphon.protocol.items import InputText, Message, PlainText
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, WebSearchItem
from antiphon.protocol.target import Candidate as RouteCandidate
from antiphon.protocol.target import Route, Target

__all__ = [
    "Arrival",
    "Attempt",
    "Caller",
    "Candidate",
    "ItemTrace",
    "Record",
    "RoundTrace",
    "Timing",
    "encode_record",
    "first_line",
]


class Caller(Struct, frozen=True, omit_defaults=True):
    """Who asks, from where. Filled by the edge."""

    request_id: str
    key_id: str = ""
    key_name: str = ""
    front_door: str = "responses"
    user_agent: str | None = None
    client_address: str | None = None
    trace_id: str | None = None


class Arrival(Struct, frozen=True):
    """A request at the door.

    Attributes:
        began_s: monotonic seconds at which its head was complete; all offsets count from there.
        authenticated_ms: offset of the moment from which its key was known.
        tags, regions: what the client says of where it may be served.
    """

    caller: Caller
    began_s: float
    authenticated_ms: int | None = None
    tags: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()


class Timing(Struct, omit_defaults=True):
    """Milestones, in ms since arrival."""

    read: int | None = None
    authenticated: int | None = None
    history: int | None = None
    routed: int | None = None
    encoded: int | None = None
    first_event: int | None = None
    first_text: int | None = None
    finished: int | None = None


class Attempt(Struct, omit_defaults=True):
    """One call of an upstream."""

    number: int
    target: str
    credential: str | None = None
    start: int | None = None
    status: int | None = None
    first_byte: int | None = None
    first_delta: int | None = None
    end: int | None = None
    upstream_id: str | None = None
    upstream_model: str | None = None
    stop: str | None = None
    outcome: str | None = None
    decision: str | None = None
    wait: int | None = None

    @property
    def latency_ms(self) -> int | None:
        """Until its first output."""
        return None if self.first_delta is None or self.start is None else self.first_delta - self.start


class ItemTrace(Struct, omit_defaults=True):
    """One output item: when it was written and which events tell of it."""

    id: str
    type: str
    output_index: int
    start: int
    first_sequence: int
    name: str | None = None
    round: int = 1
    ran_by: str | None = None
    end: int | None = None
    last_sequence: int | None = None


class RoundTrace(Struct, omit_defaults=True):
    """One answer of the model on the way to the response, where hosted tools ran here. `calls`: how many it led to."""

    number: int
    target: str
    start: int
    end: int
    calls: int = 0


class Candidate(Struct, omit_defaults=True):
    """One place that could have served, and what became of it."""

    target: str
    verdict: str
    credential: str | None = None


class Record(Struct, omit_defaults=True):
    """The whole record."""

    id: str
    tenant: str
    caller: Caller
    created_at: int
    model: str
    stream: bool
    store: bool
    status: str = "in_progress"
    error: str | None = None
    retention_days: int | None = None
    end_user: str | None = None
    metadata: dict[str, str] | None = None
    first_line: str | None = None
    previous_response_id: str | None = None
    timing: Timing = msgspec.field(default_factory=Timing)
    strategy: str | None = None
    affinity: bool = False
    candidates: list[Candidate] = msgspec.field(default_factory=list)
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    items: list[ItemTrace] = msgspec.field(default_factory=list)
    notices: list[Notice] = msgspec.field(default_factory=list)
    rounds: list[RoundTrace] = msgspec.field(default_factory=list)
    usage_estimated: bool = False
    cost_micros: int | None = None
    tool_cost_micros: int = 0

    def route(self, route: Route) -> None:
        """Note who could serve, and why others could not; all but those that are tried are not needed."""
        candidates = route.candidates
        if len(candidates) == 1:
            self.candidates = [Candidate(_name(candidates[0].target), "not_needed")]
        else:
            self.candidates = [_noted(candidate) for candidate in candidates]
            self.strategy, self.affinity = route.strategy, route.affinity

    def client_left(self) -> None:
        """The client has gone: in the middle of an attempt, or of the wait after it."""
        if self.attempts and self.attempts[-1].outcome != "served":
            self.attempts[-1].decision = "stop_client_gone"

    def see(self, batch: Sequence[events.Event], *, at_ms: int) -> None:
        """Note the beginning and end of items. Costs next to nothing for all other events."""
        for event in batch:
            kind = type(event)
            if kind is events.ItemAdded:
                self._see_added(cast("events.ItemAdded", event), at_ms=at_ms)
            elif kind is events.ItemDone:
                done = cast("events.ItemDone", event)
                trace = self.items[done.output_index]
                trace.end = at_ms
                trace.last_sequence = done.sequence_number
            elif kind is events.TextDelta and self.timing.first_text is None:
                self.timing.first_text = at_ms

    def _see_added(self, event: events.ItemAdded, *, at_ms: int) -> None:
        item = event.item
        name = item.name if isinstance(item, FunctionCallItem | CustomCallItem) else None
        tag = str(type(item).__struct_config__.tag)
        trace = ItemTrace(item.id, tag, event.output_index, at_ms, event.sequence_number, name)
        trace.round = len(self.rounds) + 1
        if isinstance(item, WebSearchItem):
            trace.ran_by = "provider"
        self.items.append(trace)


def _noted(candidate: RouteCandidate) -> Candidate:
    target = candidate.target
    alias = target.credential.alias if target.credential else None
    return Candidate(_name(target), candidate.verdict or "not_needed", alias)


def _name(target: Target) -> str:
    return f"{target.provider}/{target.model}"


_encoder = msgspec.json.Encoder()
_FIRST_LINE_CHARS = 200


def first_line(request: Request) -> str | None:
    """The first line of the last user message, to recognise a run by. Only kept where the operator wants it."""
    for item in reversed(request.input):
        if isinstance(item.value, Message) and item.value.role == "user":
            texts = [part.text for part in item.value.parts() if isinstance(part, InputText | PlainText)]
            lines = "\n".join(texts).strip().splitlines()
            return lines[0][:_FIRST_LINE_CHARS] if lines else None
    return None


def encode_record(record: Record) -> bytes:
    """The record as JSON."""
    return _encoder.encode(record)
