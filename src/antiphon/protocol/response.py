"""The response resource and its output items, as clients see them.

Keys that strict clients demand are always present; keys that must not be null are left out when empty (`UNSET`).
The parts that merely repeat the request are kept encoded (`Raw`): they are written into every snapshot of a stream.
What an upstream added to all this is kept too, see `protocol.extended`; `protocol.reading` reads it back.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field

from antiphon.protocol.usage import Usage

__all__ = [
    "ContentPart",
    "CustomCallItem",
    "ErrorBody",
    "FunctionCallItem",
    "IncompleteDetails",
    "ItemStatus",
    "MessageItem",
    "OpaqueItem",
    "OpaquePart",
    "OutputItem",
    "OutputTextPart",
    "ReasoningItem",
    "ReasoningTextPart",
    "RefusalPart",
    "Response",
    "ResponseStatus",
    "SummaryPart",
    "WebSearchItem",
]

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class OutputTextPart(Struct, frozen=True, tag="output_text", tag_field="type"):
    """Text of the answer. Annotations and log probabilities are kept as the upstream wrote them."""

    text: str
    annotations: tuple[Raw, ...] = ()
    logprobs: tuple[Raw, ...] = ()


class RefusalPart(Struct, frozen=True, tag="refusal", tag_field="type"):
    """The model's refusal."""

    refusal: str


class ReasoningTextPart(Struct, frozen=True, tag="reasoning_text", tag_field="type"):
    """Raw reasoning."""

    text: str


class SummaryPart(Struct, frozen=True, tag="summary_text", tag_field="type"):
    """One part of a reasoning summary."""

    text: str


class OpaquePart(Struct, frozen=True, tag="part", tag_field="type"):
    """A part of a type that only the upstream knows. What it holds, its type included, is added by `extended`."""


ContentPart = OutputTextPart | RefusalPart | ReasoningTextPart | OpaquePart


class MessageItem(Struct, frozen=True, tag="message", tag_field="type"):
    """What the model said."""

    id: str
    status: ItemStatus
    content: tuple[ContentPart, ...] = ()
    role: Literal["assistant"] = "assistant"


class FunctionCallItem(Struct, frozen=True, tag="function_call", tag_field="type"):
    """A function the model wants called. `arguments` is JSON text exactly as the model wrote it."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus
    namespace: str | UnsetType = UNSET


class CustomCallItem(Struct, frozen=True, tag="custom_tool_call", tag_field="type"):
    """A custom tool that the model wants run. `input` is free text."""

    id: str
    call_id: str
    name: str
    input: str
    status: ItemStatus
    namespace: str | UnsetType = UNSET


class WebSearchItem(Struct, frozen=True, tag="web_search_call", tag_field="type"):
    """A search of the web that ran on the way to the answer. `action` tells what was looked for.

    It is always there, because strict clients demand it: until the query is known it is empty.
    """

    id: str
    status: Literal["in_progress", "searching", "completed", "failed"]
    action: Raw = Raw(b'{"type":"search","query":""}')


class ReasoningItem(Struct, frozen=True, tag="reasoning", tag_field="type"):
    """What the model thought: a summary, and where asked for the raw text."""

    id: str
    summary: tuple[SummaryPart, ...] = ()
    content: tuple[ContentPart, ...] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET
    status: ItemStatus | UnsetType = UNSET


class OpaqueItem(Struct, frozen=True, tag="item", tag_field="type"):
    """An item of a type that only the upstream knows. What it holds, its type included, is added by `extended`."""

    id: str
    status: str | UnsetType = UNSET


OutputItem = MessageItem | FunctionCallItem | ReasoningItem | CustomCallItem | WebSearchItem | OpaqueItem


class ErrorBody(Struct, frozen=True):
    """`error` of a failed response. `reason` is an extension: our fine-grained code."""

    code: str
    message: str
    reason: str | UnsetType = UNSET


class IncompleteDetails(Struct, frozen=True):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


# Immutable, therefore shared by all responses.
_NULL = Raw(b"null")
_NO_REASONING = Raw(b'{"effort":null,"summary":null}')
_PLAIN_TEXT = Raw(b'{"format":{"type":"text"}}')
_AUTO = Raw(b'"auto"')
_NO_TOOLS = Raw(b"[]")


class Response(Struct, frozen=True, kw_only=True):
    """The resource. Order of the keys follows OpenAI's."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: ResponseStatus
    model: str
    completed_at: int | None = None
    error: ErrorBody | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: Raw = _NULL
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: Raw = _NO_REASONING
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = True
    background: bool = False
    temperature: float = 1.0
    text: Raw = _PLAIN_TEXT
    tool_choice: Raw = _AUTO
    tools: Raw = _NO_TOOLS
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["auto", "disabled"] = "disabled"
    metadata: dict[str, str] = field(default_factory=dict)
    usage: Usage | None = None
    user: str | UnsetType = UNSET
