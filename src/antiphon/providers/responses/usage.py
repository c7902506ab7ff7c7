"""Token counts of a response in our terms, and what only the upstream counts."""

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.deltas import UsageSeen
from antiphon.protocol.reading import NULL, Fields, read_fields

__all__ = ["usage_seen"]


class _InputDetails(Struct, frozen=True):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None


class _OutputDetails(Struct, frozen=True):
    reasoning_tokens: int | float | None = None


class _Counts(Struct, frozen=True):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    total_tokens: int | float | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


_decode = msgspec.json.Decoder(_Counts).decode
_OURS = frozenset(_Counts.__struct_fields__)


def usage_seen(raw: Raw) -> tuple[UsageSeen | None, Fields]:
    """The counts; and as `usage`, if there are any, those fields that ours does not have."""
    if raw == NULL:
        return None, {}
    counts = _decode(raw)
    sent, written = counts.input_tokens_details, counts.output_tokens_details
    seen = UsageSeen(
        input_tokens=_count(counts.input_tokens),
        output_tokens=_count(counts.output_tokens),
        cached_tokens=_count(sent.cached_tokens) if sent else None,
        cache_write_tokens=_count(sent.cache_write_tokens) if sent else None,
        reasoning_tokens=_count(written.reasoning_tokens) if written else None,
        vendor=raw.copy(),
    )
    more = {name: value for name, value in read_fields(raw).items() if name not in _OURS and value != NULL}
    return seen, {"usage": Raw(msgspec.json.encode(more))} if more else {}


def _count(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value < 1e15 else None
