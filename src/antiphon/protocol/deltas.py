"""The small alphabet in which provider codecs speak.

A codec says what it saw, naming the vendor's own block by an opaque `key`; it never writes an event type, an index or a
sequence number. `Assembler` turns the output deltas into events. The outcome deltas (`UsageSeen`, `Stopped`, `Broke`)
go to the run and never reach the Assembler.
"""

from collections.abc import Hashable
from typing import Literal

from msgspec import Raw, Struct

from antiphon.protocol.faults import Fault

__all__ = [
    "Annotation",
    "Broke",
    "CallArguments",
    "CallOpened",
    "Closed",
    "Delta",
    "Key",
    "Opened",
    "OutcomeDelta",
    "OutputDelta",
    "Reasoning",
    "Refusal",
    "StopReason",
    "Stopped",
    "Text",
    "UsageSeen",
]

Key = Hashable
StopReason = Literal["completed", "max_output_tokens", "content_filter"]


class Opened(Struct, frozen=True, gc=False):
    """The upstream accepted: its own id for the answer, and the model that really answers."""

    upstream_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    fingerprint: str | None = None


class Text(Struct, frozen=True, gc=False):
    """Text of the answer. A key whose block was closed by something else opens a new item."""

    key: Key
    text: str
    logprobs: tuple[Raw, ...] = ()


class Refusal(Struct, frozen=True, gc=False):
    """Text of a refusal: a part of the same message as `Text` with that key."""

    key: Key
    text: str


class Annotation(Struct, frozen=True, gc=False):
    """A citation on the text of `key`, in the form of the Responses API, offsets in characters."""

    key: Key
    annotation: Raw


class Reasoning(Struct, frozen=True, gc=False):
    """Visible thought. `part` numbers the parts of a summary; `kind` raw goes out as `reasoning_text`."""

    key: Key
    text: str
    part: int = 0
    kind: Literal["summary", "raw"] = "summary"


class CallOpened(Struct, frozen=True, gc=False):
    """A function call whose name is complete. An empty `call_id` is made up by the Assembler."""

    key: Key
    call_id: str
    name: str


class CallArguments(Struct, frozen=True, gc=False):
    """A piece of a call's arguments, unchanged."""

    key: Key
    text: str


class Closed(Struct, frozen=True, gc=False):
    """The block is complete. Optional: what is left open is closed at the end."""

    key: Key


class UsageSeen(Struct, frozen=True, gc=False):
    """Token counts so far. Within a round the last value of each field wins; `None` says nothing."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Stopped(Struct, frozen=True, gc=False):
    """The model stopped. `native` is the upstream's own word. Only the first one counts."""

    reason: StopReason
    native: str = ""


class Broke(Struct, frozen=True, gc=False):
    """The stream is unusable from here on."""

    fault: Fault


OutputDelta = Text | Refusal | Annotation | Reasoning | CallOpened | CallArguments | Closed
OutcomeDelta = Opened | UsageSeen | Stopped | Broke
Delta = OutputDelta | OutcomeDelta
