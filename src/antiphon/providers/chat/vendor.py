"""What an upstream says beyond what deltas tell, for a client that speaks the same dialect.

`Opened` and `Stopped` get part of a chunk: its fields, and in `choices` those of the choice and of a whole message,
each without what is told otherwise. `UsageSeen` gets the `usage` as it came.
"""

import msgspec
from msgspec import Raw, Struct, field, structs

from antiphon.protocol.deltas import Delta, Opened, Stopped, UsageSeen

__all__ = ["add_vendor"]

_TOLD = frozenset({"id", "object", "created", "model", "choices", "usage", "error", "obfuscation"})
_TOLD_IN_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "usage", "error", "text"})
_TOLD_IN_MESSAGE = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "annotations",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
    }
)

_Fields = dict[str, Raw]


class _Choices(Struct, frozen=True):
    choices: list[_Fields] = field(default_factory=list)


_fields = msgspec.json.Decoder(_Fields)
_choices = msgspec.json.Decoder(_Choices)
_encode = msgspec.json.Encoder().encode


def add_vendor(data: bytes, deltas: list[Delta]) -> list[Delta]:
    """The deltas that a chunk caused, with what else it says. Never raises: what cannot be read is not handed on."""
    if not any(isinstance(delta, Opened | Stopped | UsageSeen) for delta in deltas):
        return deltas
    try:
        return [_with_vendor(data, delta) for delta in deltas]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return deltas


def _with_vendor(data: bytes, delta: Delta) -> Delta:
    if isinstance(delta, UsageSeen):
        usage = _fields.decode(data).get("usage")
        return structs.replace(delta, vendor=_checked(usage)) if usage is not None else delta
    if isinstance(delta, Opened):
        return structs.replace(delta, vendor=_checked(Raw(_encode(_others(_fields.decode(data), _TOLD)))))
    if isinstance(delta, Stopped):
        return structs.replace(delta, vendor=_checked(Raw(_encode(_last(data)))))
    return delta


def _last(data: bytes) -> dict[str, object]:
    fields: dict[str, object] = dict(_others(_fields.decode(data), _TOLD))
    for choice in _choices.decode(data).choices[:1]:
        others: dict[str, object] = dict(_others(choice, _TOLD_IN_CHOICE))
        message = choice.get("message")
        if message is not None and bytes(message)[:1] == b"{":
            others["message"] = _others(_fields.decode(message), _TOLD_IN_MESSAGE)
        fields["choices"] = [others]
    return fields


def _others(fields: _Fields, told: frozenset[str]) -> _Fields:
    return {name: value for name, value in fields.items() if name not in told}


def _checked(raw: Raw) -> Raw | None:
    """Decoding what surrounds it has not looked into it; `None` for what is no object."""
    value = msgspec.json.decode(raw)
    return raw.copy() if isinstance(value, dict) else None
