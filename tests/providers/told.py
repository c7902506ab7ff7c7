"""What a client is told when a decoder said these deltas: as the engine does it, in short."""

from collections.abc import Sequence

import msgspec

from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.deltas import Broke, Delta, OutcomeDelta, Stopped
from antiphon.protocol.events import Event
from antiphon.protocol.usage import Usage
from tests.helpers.requests import make_assembler
from tests.helpers.stream import Json

__all__ = ["told", "told_json"]


def told(deltas: Sequence[Delta], assembler: Assembler | None = None) -> list[Event]:
    """The events of a whole stream."""
    assembler = assembler or make_assembler()
    events = assembler.open()
    outcome = Outcome("failed")
    for delta in deltas:
        if isinstance(delta, Stopped | Broke):
            outcome = _outcome(delta)
        elif not isinstance(delta, OutcomeDelta):
            events += assembler.feed([delta])
    closing, terminal = assembler.finish(outcome)
    return [*events, *closing, terminal]


def told_json(deltas: Sequence[Delta], assembler: Assembler | None = None) -> list[Json]:
    """The same as the JSON that goes over the wire."""
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in told(deltas, assembler)]


def _outcome(delta: Stopped | Broke) -> Outcome:
    if isinstance(delta, Broke):
        return Outcome("failed", fault=delta.fault)
    if delta.reason == "completed":
        return Outcome("completed", Usage(1, 1, 2), completed_at=2)
    return Outcome("incomplete", Usage(1, 1, 2), delta.reason)
