"""What the store keeps: keys, stored turns, and one row for every run.

These are plain frozen records, shared by the engine (which fills them), the store (which writes them) and the
commands (which read them). Times are UTC seconds since the epoch. Payloads are opaque bytes to the database.
"""

from typing import NewType

from msgspec import Struct

from antiphon.protocol.ids import ResponseId

__all__ = ["CallState", "KeyId", "KeyRecord", "RunRow", "Tenant", "Turn", "UsageTotal"]

KeyId = NewType("KeyId", str)


class Tenant(Struct, frozen=True):
    """Who owns a thing. The first argument of every store call; not a `str`, so that none is passed by mistake."""

    id: str


class KeyRecord(Struct, frozen=True):
    """One client key, without the key: only its SHA-256 digest and its first characters are kept.

    Attributes:
        prefix: what is shown in lists, e.g. `sk-Ab3dE`.
        models: patterns (`gpt-*`) that the key may use; empty allows all.
        addresses: client addresses or networks in CIDR form; empty allows all.
        expires_at: end of validity; `None` for never.
        revoked_at: set once, for good; `disabled` can be undone.
    """

    id: KeyId
    tenant: Tenant
    name: str
    prefix: str
    digest: bytes
    created_at: int
    expires_at: int | None = None
    models: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    disabled: bool = False
    revoked_at: int | None = None


class Turn(Struct, frozen=True):
    """One stored response with the input that led to it.

    Attributes:
        previous_id: the turn this one continues, if any.
        response: the response resource as JSON, without `instructions` and `tools`.
        echo: JSON object with the resource's `instructions` and `tools`: large and mostly the same from turn to
            turn, so the store keeps equal ones of a tenant once.
        input: JSON array of the turn's own input items, each with an id; not those of earlier turns.
        provider: name of the provider that answered; reasoning is only replayed to where it came from.
        upstream_model: the provider's name of the model.
        states: what the provider wants back with the output items, sealed; empty when there is nothing.
    """

    id: ResponseId
    previous_id: ResponseId | None
    created_at: int
    expires_at: int | None
    status: str
    model: str
    provider: str
    upstream_model: str
    response: bytes
    echo: bytes
    input: bytes
    states: bytes = b""


class CallState(Struct, frozen=True):
    """What belongs to one call of a run, for clients that send back the call alone.

    Attributes:
        call: 32 bytes that stand for the call and the question that led to it.
        body: sealed. Empty: nothing belongs to it, and what was kept under the same bytes is deleted.
    """

    call: bytes
    expires_at: int
    body: bytes


class RunRow(Struct, frozen=True):
    """One run, stored or not: what it cost and what happened. Written in the turn's transaction where there is one.

    Attributes:
        record: the run record as JSON (docs/run-record.md).
        estimated: the token counts are ours, not the provider's. Absent counts are `None`, never zero.
        cost_micros: what the tokens cost in millionths of a US dollar; `None` where a price is not known.
    """

    id: ResponseId
    key_id: KeyId
    created_at: int
    duration_ms: int
    model: str
    provider: str
    upstream_model: str
    status: str
    error_code: str | None
    input_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool
    cost_micros: int | None
    record: bytes


class UsageTotal(Struct, frozen=True):
    """Usage of one group (`antiphon usage --by …`) over a period.

    Attributes:
        unpriced_runs: used tokens whose price is not known: they are not in `cost_micros`.
    """

    group: str
    runs: int
    failed: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated_runs: int
    cost_micros: int = 0
    unpriced_runs: int = 0
