"""What is written about a run when it has ended: the turn that can be continued, and the row that is counted."""

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from antiphon.engine.history import History, stored_input
from antiphon.engine.record import Record, encode_record
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.records import KeyId, RunRow, Turn
from antiphon.protocol.request import Request
from antiphon.protocol.response import OutputItem, ReasoningItem, Response
from antiphon.protocol.target import Target

__all__ = ["Ended", "run_row", "turn_row"]

_encoder = msgspec.json.Encoder()
_NO_INSTRUCTIONS = Raw(b"null")
_NO_TOOLS = Raw(b"[]")


class Ended(Struct, frozen=True):
    """A run that has ended. `response` is `None` when it failed before it had one; `target` before it was routed."""

    id: ResponseId
    request: Request
    target: Target | None
    response: Response | None
    created_at: int
    duration_ms: int


def turn_row(
    ended: Ended, response: Response, *, history: History, retention_s: int | None, states: bytes = b""
) -> Turn:
    """The stored response with its own input, and the locked `states` of its output.

    Envelopes are not stored: what is in them is among the states, and one is only shown to who asks for it.
    """
    target = ended.target
    output = tuple(_without_envelope(item) for item in response.output)
    kept = structs.replace(response, instructions=_NO_INSTRUCTIONS, tools=_NO_TOOLS, output=output)
    return Turn(
        id=ended.id,
        previous_id=ended.request.previous_response_id,
        created_at=ended.created_at,
        expires_at=None if retention_s is None else ended.created_at + retention_s,
        status=response.status,
        model=response.model,
        provider=target.provider if target else "",
        upstream_model=target.model if target else "",
        response=_encoder.encode(kept),
        echo=b'{"instructions":%b,"tools":%b}' % (bytes(response.instructions), bytes(response.tools)),
        input=stored_input(history.own, ended.id),
        states=states,
    )


def _without_envelope(item: OutputItem) -> OutputItem:
    return structs.replace(item, encrypted_content=UNSET) if isinstance(item, ReasoningItem) else item


def run_row(ended: Ended, record: Record) -> RunRow:
    """The run with its usage and its record."""
    target = ended.target
    usage = ended.response.usage if ended.response else None
    record.timing.finished = ended.duration_ms
    record.usage_estimated = bool(usage and usage.estimated is True)
    if usage is not None and target is not None and target.price is not None:
        record.cost_micros = target.price.cost(usage)
    if record.tool_cost_micros:
        record.cost_micros = (record.cost_micros or 0) + record.tool_cost_micros
    return RunRow(  # by position, in the order of its fields; one is made for each request
        ended.id,
        KeyId(record.caller.key_id),
        ended.created_at,
        ended.duration_ms,
        ended.request.model,
        target.provider if target else "",
        target.model if target else "",
        record.status,
        record.error,
        usage.input_tokens if usage else None,
        usage.input_tokens_details.cached_tokens if usage else None,
        usage.input_tokens_details.cache_write_tokens if usage else None,
        usage.output_tokens if usage else None,
        usage.output_tokens_details.reasoning_tokens if usage else None,
        record.usage_estimated,
        record.cost_micros,
        encode_record(record),
    )
