"""A run's events as a client of the Messages API gets them, streamed and whole, without a gateway."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from antiphon.dialects.messages.encode import Asked, MessagesAnswer, MessagesStream
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.deltas import Delta, Native, Opened, OutputDelta, Stopped, UsageSeen
from antiphon.protocol.response import Response
from antiphon.protocol.usage import Usage
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.requests import RESPONSE_ID, begun

__all__ = ["COMPLETED", "ended", "run_both", "run_stream"]

Json = dict[str, Any]

COMPLETED = Outcome("completed", Usage(11, 7, 18), completed_at=1_764_000_009)


def run_stream(
    batches: Iterable[Sequence[Delta]], outcome: Outcome = COMPLETED, *, asked: Asked | None = None
) -> tuple[bytes, Response]:
    """The stream's bytes, each batch encoded apart as the run does it, and the response."""
    encoder = MessagesStream(asked or Asked("req_1", input_tokens=5))
    assembler = _assembler()
    raw = encoder.encode(assembler.open())
    for batch in batches:
        output: list[OutputDelta] = []
        for delta in batch:
            if isinstance(delta, Native | Stopped | Opened | UsageSeen):
                encoder.see(delta)
            else:
                output.append(delta)  # type: ignore[arg-type]  # nothing here breaks
        if output and (caused := assembler.feed(output)):
            raw += encoder.encode(caused)
    closing, terminal = assembler.finish(outcome)
    return raw + encoder.end([*closing, terminal]), terminal.response


def run_both(
    batches: Sequence[Sequence[Delta]], outcome: Outcome = COMPLETED, *, asked: Asked | None = None
) -> tuple[Json, Json]:
    """The message as a checked stream amounts to, and as a checked whole answer."""
    raw, response = run_stream(batches, outcome, asked=asked)
    streamed = check_messages_stream(raw)
    return streamed, ended(batches, response, asked=asked)


def ended(batches: Iterable[Sequence[Delta]], response: Response, *, asked: Asked | None = None) -> Json:
    """The same answer in one piece."""
    encoder = MessagesAnswer(asked or Asked("req_1"))
    for batch in batches:
        for delta in batch:
            if isinstance(delta, Native | Stopped):
                encoder.see(delta)
    return check_message(msgspec.json.decode(encoder.encode(response)))


def _assembler() -> Assembler:
    numbers = iter(range(1000))
    return Assembler(
        begun(),
        owner=RESPONSE_ID,
        new_call_id=lambda: f"call_made_{next(numbers)}",
        seal=lambda state: f"sealed:{state.decode()}" if state else "sealed",
    )
