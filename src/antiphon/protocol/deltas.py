"""The small alphabet in which provider codecs speak.

A codec says what it saw, naming the vendor's own block by an opaque `key`; it never writes an event type, an index or a
sequence number. `Assembler` turns the output deltas into events. The outcome deltas (`UsageSeen`, `Stopped`, `Broke`)
go to the run and never reach the Assembler.
"""

from collections.abc import Hashable
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.protocol.events import Event
from antiphon.protocol.faults import Fault

__all__ = [
    "Annotation",
    "Broke",
    "CallArguments",
    "CallOpened",
    "Closed",
    "Delta",
    "Key",
    "Native",
    "Opened",
    "OutcomeDelta",
    "OutputDelta",
    "PagesFound",
    "Reasoning",
    "Refusal",
    "Relayed",
    "Seal",
    "SearchDone",
    "SearchOpened",
    "StopReason",
    "Stopped",
    "Text",
    "UsageSeen",
]

Key = Hashable
StopReason = Literal["completed", "max_output_tokens", "content_filter"]


class Opened(Struct, frozen=True, gc=False):
    """The upstream accepted: its own id for the answer, and the model that really answers.

    `vendor`, here and below: a JSON object in the upstream's own words with what no other field can say. Only the front
    door of the same dialect reads it.
    """

    upstream_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    fingerprint: str | None = None
    vendor: Raw | None = None


class Text(Struct, frozen=True, gc=False):
    """Text of the answer. A key whose block was closed by something else opens a new item.

    `obfuscation`: see `events.TextDelta`.
    """

    key: Key
    text: str
    logprobs: tuple[Raw, ...] = ()
    obfuscation: str | UnsetType = UNSET


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
    """A call whose name is complete, as the client knows it. An empty `call_id` is made up by the Assembler.

    The arguments of a `custom` call are its input: plain text, not JSON.
    """

    key: Key
    call_id: str
    name: str
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None


class CallArguments(Struct, frozen=True, gc=False):
    """A piece of a call's arguments, unchanged."""

    key: Key
    text: str


class Seal(Struct, frozen=True, gc=False):
    """What the provider wants back verbatim with the block of `key`: a signature, encrypted thought. Opaque.

    The last one for a block counts. Where no block of that key is open, it opens a reasoning item without text.
    """

    key: Key
    payload: bytes


class SearchOpened(Struct, frozen=True, gc=False):
    """The upstream itself searches the web: a `web_search_call` begins."""

    key: Key


class SearchDone(Struct, frozen=True, gc=False):
    """That search ended. `action` is the item's `action` object, in the form of the Responses API."""

    key: Key
    action: Raw
    failed: bool = False


class Relayed(Struct, frozen=True, gc=False):
    """One item-level event of an upstream that speaks Responses itself, with the fields that nobody here knows.

    `key` stands for the upstream's item. Sequence number, item id and output index in the event mean nothing, nor do
    ids inside its item; indexes of parts are the upstream's, -1 where it gave none. Text that goes on in the part
    that was written to last may also come as `Text` of the same key.
    """

    key: Key
    event: Event


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
    vendor: Raw | None = None


class Stopped(Struct, frozen=True, gc=False):
    """The model stopped. `native` is the upstream's own word. Only the first one counts.

    `sequence`: the stop sequence before which it stopped, where that is known. `paused`: its provider has only
    interrupted it, and goes on when it is asked again with an item that has this state at the end; where the state is
    empty, with what it wrote.
    """

    reason: StopReason
    native: str = ""
    vendor: Raw | None = None
    sequence: str | None = None
    paused: bytes | None = None


class Native(Struct, frozen=True, gc=False):
    """One event of the upstream in its own words, for a front door of the same dialect: it goes on as it is.

    Comes behind the deltas that say the same to everybody else. `seals` is how many `Seal`s are among these: what they
    keep must not leave as it is, and the door puts in its place what the client may see of it.
    """

    raw: Raw
    seals: int = 0


class PagesFound(Struct, frozen=True, gc=False):
    """What a search that ran here found: address, title and snippet of each page, for doors that show these."""

    pages: tuple[tuple[str, str, str], ...]


class Broke(Struct, frozen=True, gc=False):
    """The stream is unusable from here on."""

    fault: Fault


OutputDelta = (
    Text
    | Refusal
    | Annotation
    | Reasoning
    | CallOpened
    | CallArguments
    | Seal
    | SearchOpened
    | SearchDone
    | Relayed
    | Closed
)
OutcomeDelta = Opened | UsageSeen | Stopped | Native | PagesFound | Broke
Delta = OutputDelta | OutcomeDelta
