"""What an upstream said about its answer, in the words of Chat: its own where it speaks Chat, else made from ours.

`vendor` of a delta is part of a chunk: what the upstream's own had beyond what deltas tell. `Opened` and `Stopped`
bring fields of the chunk, and in its `choices` those of the choice; `UsageSeen` brings its `usage`.
"""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, Struct, field

from antiphon.protocol.deltas import Opened, OutcomeDelta, Stopped, UsageSeen
from antiphon.protocol.response import Response
from antiphon.protocol.usage import Usage

__all__ = ["Said", "finish_reason", "usage_fields"]

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
#: Fields of a chunk that are ours to write.
_OWN = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_OWN_IN_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_OWN_IN_MESSAGE = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "annotations"})


class _VendorChoice(Struct, frozen=True):
    message: dict[str, Raw] = field(default_factory=dict)


class _VendorChunk(Struct, frozen=True):
    choices: list[Raw] = field(default_factory=list)


class _Counts(Struct, frozen=True):
    """What strict clients demand of `usage`."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


_fields = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_chunk = msgspec.json.Decoder(_VendorChunk)
_choice = msgspec.json.Decoder(_VendorChoice)
_counts = msgspec.json.Decoder(_Counts)


class Said:
    """What was said so far.

    Attributes:
        always: belongs on every chunk.
        once, last: the vendor's further fields of its first and of its last chunk.
        choice, message: those of the choice, and in an answer in one piece of its message.
        usage: the vendor's own.
    """

    __slots__ = ("always", "choice", "last", "message", "once", "usage")

    def __init__(self) -> None:
        self.always: dict[str, object] = {}
        self.once: dict[str, object] = {}
        self.last: dict[str, object] = {}
        self.choice: dict[str, object] = {}
        self.message: dict[str, object] = {}
        self.usage: Raw | None = None

    def see(self, delta: OutcomeDelta) -> None:
        """Take it in."""
        match delta:
            case Opened():
                self._open(delta)
            case Stopped() if delta.vendor is not None:
                self._keep(delta.vendor, self.last)
            case UsageSeen() if delta.vendor is not None:
                self.usage = delta.vendor

    def _open(self, delta: Opened) -> None:
        if delta.service_tier in _TIERS:
            self.always["service_tier"] = delta.service_tier
        if delta.fingerprint:
            self.always["system_fingerprint"] = delta.fingerprint
        if delta.vendor is not None:
            self._keep(delta.vendor, self.once)

    def _keep(self, vendor: Raw, top: dict[str, object]) -> None:
        fields = _fields.decode(vendor)
        for name, value in fields.items():
            if name in ("service_tier", "system_fingerprint"):
                self._constant(name, value)
            elif name not in _OWN:
                top[name] = value
        for raw in _chunk.decode(vendor).choices[:1]:
            self.choice.update(_others(_fields.decode(raw).items(), _OWN_IN_CHOICE))
            self.message.update(_others(_choice.decode(raw).message.items(), _OWN_IN_MESSAGE))

    def _constant(self, name: str, value: Raw) -> None:
        """Strict clients know few tiers."""
        if bytes(value) == b"null":
            self.always.setdefault(name, None)
        elif bytes(value)[:1] == b'"':
            text = _text.decode(value)
            if name != "service_tier" or text in _TIERS:
                self.always.setdefault(name, text)


def _others(fields: Iterable[tuple[str, Raw]], own: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in fields if name not in own}


def finish_reason(response: Response, *, called: bool, legacy: bool) -> str:
    """Why the model stopped, in this dialect's words."""
    if response.incomplete_details is not None:
        return "length" if response.incomplete_details.reason == "max_output_tokens" else "content_filter"
    if called:
        return "function_call" if legacy else "tool_calls"
    return "stop"


def usage_fields(usage: Usage, native: Raw | None) -> object:
    """`usage`: the upstream's own where it has all that strict clients demand."""
    if native is not None:
        try:
            _counts.decode(native)
        except msgspec.DecodeError:
            pass
        else:
            return native
    fields: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": usage.input_tokens_details,
        "completion_tokens_details": usage.output_tokens_details,
    }
    if usage.estimated is not UNSET:
        fields["estimated"] = usage.estimated
    return fields
