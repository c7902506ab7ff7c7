"""What the Messages API sends, as far as it means something here.

Unknown fields are skipped without being decoded; `null` and a missing key mean the same. Blocks stay `Raw` beside what
is read of them, because some go back as they came.
"""

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "ABSENT",
    "Block",
    "Citation",
    "Event",
    "EventDelta",
    "MessageHead",
    "OutputDetails",
    "SearchResult",
    "StopDetails",
    "UsageCounts",
    "decode_block",
    "decode_event",
    "decode_message",
]

#: Default of `Raw` fields, told from what was sent by identity.
ABSENT = Raw(b"")

_Number = int | float | None


class OutputDetails(Struct, frozen=True, gc=False):
    """Of the output tokens."""

    thinking_tokens: _Number = None


class UsageCounts(Struct, frozen=True, gc=False):
    """Token counts: `input_tokens` has neither those read from the cache nor those written to it in it."""

    input_tokens: _Number = None
    output_tokens: _Number = None
    cache_read_input_tokens: _Number = None
    cache_creation_input_tokens: _Number = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None


class StopDetails(Struct, frozen=True, gc=False):
    """Why the model refused."""

    explanation: str | None = None


class Citation(Struct, frozen=True, gc=False):
    """What a text leans on."""

    type: str = ""
    url: str | None = None
    title: str | None = None


class Block(Struct, frozen=True, gc=False):
    """A content block, of whatever type."""

    type: str = ""
    text: str | None = None
    citations: list[Citation] | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    tool_use_id: str | None = None
    content: Raw = ABSENT


class EventDelta(Struct, frozen=True, gc=False):
    """`delta` of a block's events, and of `message_delta`."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Citation | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class MessageHead(Struct, frozen=True, gc=False):
    """A message: its beginning in a stream, all of it in one body."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Raw = ABSENT


class Event(Struct, frozen=True, gc=False):
    """One event of a stream."""

    type: str = ""
    index: int = 0
    message: Raw = ABSENT
    content_block: Raw = ABSENT
    delta: EventDelta | None = None
    usage: Raw = ABSENT


class SearchResult(Struct, frozen=True, gc=False):
    """One hit of a search."""

    type: str = ""
    url: str | None = None


decode_event = msgspec.json.Decoder(Event).decode
decode_message = msgspec.json.Decoder(MessageHead).decode
decode_block = msgspec.json.Decoder(Block).decode
