"""What a client of the Messages API reads: the message, its content blocks, and the events of a stream."""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "Block",
    "BlockDelta",
    "CitationsDelta",
    "ContentBlockDelta",
    "ContentBlockStart",
    "ContentBlockStop",
    "ErrorEvent",
    "Event",
    "InputDelta",
    "MessageBody",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "Problem",
    "RedactedThinkingBlock",
    "SearchErrorResult",
    "SearchHit",
    "SearchResultBlock",
    "ServerToolUseBlock",
    "SignatureDelta",
    "StopDelta",
    "StopDetails",
    "TextBlock",
    "TextDelta",
    "ThinkingBlock",
    "ThinkingDelta",
    "ToolUseBlock",
    "UsageCounts",
    "WebCitation",
    "encode_event",
    "encode_raw",
]

_NO_INPUT = Raw(b"{}")


class WebCitation(Struct, frozen=True, tag="web_search_result_location", tag_field="type"):
    """A page that a text leans on. What was cited from it, and where that stands there, only Anthropic tells."""

    url: str
    title: str | None = None
    cited_text: str = ""
    encrypted_index: str = ""


class TextBlock(Struct, frozen=True, tag="text", tag_field="type"):
    """Text of the answer."""

    text: str
    citations: tuple[WebCitation, ...] | UnsetType = UNSET


class ThinkingBlock(Struct, frozen=True, tag="thinking", tag_field="type"):
    """A thought. `signature` is the seal under which it can come back."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking", tag_field="type"):
    """A thought of which nothing is shown."""

    data: str


class ToolUseBlock(Struct, frozen=True, tag="tool_use", tag_field="type"):
    """A call of a client's tool."""

    id: str
    name: str
    input: Raw = _NO_INPUT


class ServerToolUseBlock(Struct, frozen=True, tag="server_tool_use", tag_field="type"):
    """A search of the web that ran on the way."""

    id: str
    name: Literal["web_search"] = "web_search"
    input: Raw = _NO_INPUT


class SearchHit(Struct, frozen=True, tag="web_search_result", tag_field="type"):
    """A page that was found."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: str | None = None


class SearchErrorResult(Struct, frozen=True, tag="web_search_tool_result_error", tag_field="type"):
    """The search failed."""

    error_code: str = "unavailable"


class SearchResultBlock(Struct, frozen=True, tag="web_search_tool_result", tag_field="type"):
    """What a search found."""

    tool_use_id: str
    content: tuple[SearchHit, ...] | SearchErrorResult


Block = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ServerToolUseBlock | SearchResultBlock


class TextDelta(Struct, frozen=True, tag="text_delta", tag_field="type"):
    """A piece of text."""

    text: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta", tag_field="type"):
    """A piece of a thought."""

    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta", tag_field="type"):
    """A thought's signature, whole."""

    signature: str


class InputDelta(Struct, frozen=True, tag="input_json_delta", tag_field="type"):
    """A piece of a call's input, as JSON."""

    partial_json: str


class CitationsDelta(Struct, frozen=True, tag="citations_delta", tag_field="type"):
    """One more citation."""

    citation: WebCitation


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputDelta | CitationsDelta


class _ServerTools(Struct, frozen=True):
    web_search_requests: int
    web_fetch_requests: int = 0


class _OutputDetails(Struct, frozen=True):
    thinking_tokens: int


class UsageCounts(Struct, frozen=True, omit_defaults=True):
    """Tokens. Here `input_tokens` leaves out what was read from the cache, and what was written to it.

    `estimated` is an extension: present and true when the provider did not report and the counts are ours.
    """

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    estimated: bool = False

    @classmethod
    def of(cls, counts: tuple[int, int, int, int], *, thought: int, searches: int, estimated: bool) -> "UsageCounts":
        """From the four counts in order, and the parts that are only there when they say something."""
        return cls(
            *counts,
            output_tokens_details=_OutputDetails(thought) if thought else None,
            server_tool_use=_ServerTools(searches) if searches else None,
            estimated=estimated,
        )


class StopDetails(Struct, frozen=True, tag="refusal", tag_field="type"):
    """Why the model refused, as far as that is told."""

    category: str | None = None
    explanation: str | None = None


class StopDelta(Struct, frozen=True):
    """How the message ended."""

    stop_reason: str | None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET


class MessageBody(Struct, frozen=True, tag="message", tag_field="type"):
    """The message: whole, or as it begins."""

    id: str
    model: str
    usage: UsageCounts
    role: Literal["assistant"] = "assistant"
    content: tuple[Block, ...] = ()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET


class MessageStart(Struct, frozen=True, tag="message_start", tag_field="type"):
    """Always first."""

    message: MessageBody


class ContentBlockStart(Struct, frozen=True, tag="content_block_start", tag_field="type"):
    """A block begins."""

    index: int
    content_block: Block


class ContentBlockDelta(Struct, frozen=True, tag="content_block_delta", tag_field="type"):
    """More of the block."""

    index: int
    delta: BlockDelta


class ContentBlockStop(Struct, frozen=True, tag="content_block_stop", tag_field="type"):
    """The block is complete."""

    index: int


class MessageDelta(Struct, frozen=True, tag="message_delta", tag_field="type"):
    """How it ended, and what it cost."""

    delta: StopDelta
    usage: UsageCounts
    context_management: Raw | UnsetType = UNSET


class MessageStop(Struct, frozen=True, tag="message_stop", tag_field="type"):
    """Always last, unless an error is."""


class Problem(Struct, frozen=True):
    """What went wrong, in Anthropic's words for it."""

    type: str
    message: str


class ErrorEvent(Struct, frozen=True, tag="error", tag_field="type"):
    """The answer broke after it had begun."""

    error: Problem
    request_id: str


Event = (
    MessageStart | ContentBlockStart | ContentBlockDelta | ContentBlockStop | MessageDelta | MessageStop | ErrorEvent
)

_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """One whole server-sent event; the `event:` line repeats the JSON's `type`."""
    return b"event: %b\ndata: %b\n\n" % (_names[type(event)], _encode(event))


def encode_raw(event: Raw) -> bytes:
    """The same for an event that is JSON already."""
    data = bytes(event)
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)  # the framing knows no line breaks
    return b"event: %b\ndata: %b\n\n" % (_named.decode(data).type.encode(), data)


class _Named(Struct, frozen=True):
    type: str


_named = msgspec.json.Decoder(_Named)
_names: dict[type[Event], bytes] = {kind: str(kind.__struct_config__.tag).encode() for kind in Event.__args__}
