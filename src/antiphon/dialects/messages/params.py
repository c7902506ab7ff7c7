"""The body of `POST /v1/messages`, field by field, with the ranges that the API allows.

`None` and an absent field mean the same. What the gateway itself has no use for is not here: such fields stay in the
client's own body, which an upstream of the same vendor is sent.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.dialects.fallback import FallbackModels, FallbackTimeout
from antiphon.protocol.request import NULL, WebLength

__all__ = [
    "KNOWN_FIELDS",
    "ContextParams",
    "CountParams",
    "EditParams",
    "FormatParams",
    "MessageParams",
    "MessagesParams",
    "MetadataParams",
    "OutputParams",
    "SystemBlock",
    "ThinkingParams",
    "ToolChoiceParams",
]

# Bounded because larger integers can be read but not written back.
_Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Share = Annotated[float, Meta(ge=0, le=1)]
#: Each edit goes through all messages.
_MOST_EDITS = 16


class SystemBlock(Struct, frozen=True):
    """A block of `system`: text."""

    text: str
    type: Literal["text"] = "text"
    cache_control: Raw = NULL


class MessageParams(Struct, frozen=True):
    """One message. Blocks are read one by one, so that an error can say which."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Raw]


class ThinkingParams(Struct, frozen=True):
    """`thinking`. `display` says whether the client wants to see it."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: _Count | None = None
    display: Literal["summarized", "omitted"] | None = None


class FormatParams(Struct, frozen=True):
    """`output_config.format`, and the older `output_format`."""

    type: Literal["json_schema"]
    schema: Raw


class OutputParams(Struct, frozen=True):
    """`output_config`."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: FormatParams | None = None
    task_budget: Raw = NULL


class ToolChoiceParams(Struct, frozen=True):
    """`tool_choice`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MetadataParams(Struct, frozen=True):
    """`metadata`."""

    user_id: Annotated[str, Meta(max_length=1024)] | None = None


class EditParams(Struct, frozen=True):
    """One of `context_management.edits`."""

    type: str
    keep: Raw = NULL
    trigger: Raw = NULL
    clear_at_least: Raw = NULL
    exclude_tools: list[str] | None = None
    clear_tool_inputs: Raw = NULL


class ContextParams(Struct, frozen=True):
    """`context_management`."""

    edits: Annotated[list[EditParams], Meta(max_length=_MOST_EDITS)] | None = None


class CountParams(Struct, frozen=True, kw_only=True):
    """What says how long a prompt is: the body of `POST /v1/messages/count_tokens`."""

    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    messages: list[MessageParams] | None = None
    system: str | list[SystemBlock] | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoiceParams | None = None
    thinking: ThinkingParams | None = None
    output_config: OutputParams | None = None
    output_format: FormatParams | None = None
    context_management: ContextParams | None = None
    web_results_count: Annotated[int, Meta(ge=1, le=10)] | None = None
    web_content_length: WebLength | None = None
    cache_control: dict[str, Raw] | None = None
    betas: list[str] | None = None


class MessagesParams(CountParams, frozen=True, kw_only=True):
    """The whole body."""

    max_tokens: _Count | None = None
    stream: bool | None = None
    temperature: _Share | None = None
    top_p: _Share | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    stop_sequences: list[str] | None = None
    metadata: MetadataParams | None = None
    service_tier: Annotated[str, Meta(max_length=64)] | None = None
    fallback_models: FallbackModels | None = None
    fallback_timeout: FallbackTimeout | None = None
    fallback_enabled: bool | None = None


#: What has a place of its own in a `Request`. Any other field can only be said to an upstream of the same vendor.
KNOWN_FIELDS = frozenset(MessagesParams.__struct_fields__) - {"cache_control", "context_management"}
