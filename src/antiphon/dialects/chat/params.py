"""The body of `POST /v1/chat/completions`, field by field, with the ranges that the API allows.

`None` and an absent field mean the same. Fields that are passed on or refused unread are `Raw`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.dialects.chat.messages import ChatMessage
from antiphon.dialects.fallback import FallbackModels, FallbackTimeout
from antiphon.protocol.request import NULL, WebLength

__all__ = [
    "ChatParams",
    "FunctionParams",
    "JsonSchemaParams",
    "ReasoningParams",
    "ResponseFormatParams",
    "StreamOptions",
    "StrictParams",
    "WebSearchOptions",
]

# Bounded because larger integers can be read but not written back.
_Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class JsonSchemaParams(Struct, frozen=True):
    """`response_format.json_schema`."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    schema: Raw = NULL
    description: str | None = None
    strict: bool | None = None


class ResponseFormatParams(Struct, frozen=True):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchemaParams | None = None


class StreamOptions(Struct, frozen=True):
    """`stream_options`. Obfuscation is never added here."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ReasoningParams(Struct, frozen=True):
    """`reasoning`, as OpenRouter has it."""

    effort: _Effort | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    max_tokens: Raw = NULL


class FunctionParams(Struct, frozen=True):
    """An entry of the old `functions`."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: Raw = NULL


class _Place(Struct, frozen=True):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _Location(Struct, frozen=True):
    approximate: _Place | None = None


class WebSearchOptions(Struct, frozen=True):
    """`web_search_options`: there at all, it switches the search on."""

    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: _Location | None = None


class ChatParams(Struct, frozen=True, kw_only=True):
    """Every field of the API, and the few that many servers of this dialect have besides."""

    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    messages: list[ChatMessage] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    store: bool | None = None
    metadata: _Metadata | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NULL
    parallel_tool_calls: bool | None = None
    functions: list[FunctionParams] | None = None
    function_call: Raw = NULL
    max_completion_tokens: _Count | None = None
    max_tokens: _Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: _Count | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: _Seed | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormatParams | None = None
    reasoning_effort: _Effort | None = None
    reasoning: ReasoningParams | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: WebSearchOptions | None = None
    web_results_count: Annotated[int, Meta(ge=1, le=10)] | None = None
    web_content_length: WebLength | None = None
    service_tier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=1024)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=1024)] | None = None
    user: Annotated[str, Meta(max_length=1024)] | None = None
    fallback_models: FallbackModels | None = None
    fallback_timeout: FallbackTimeout | None = None
    fallback_enabled: bool | None = None
    modalities: list[str] | None = None
    # Known, and refused when set: they would change what the answer means.
    audio: Raw = NULL
    moderation: Raw = NULL
    # Known, and only of use to an upstream of this dialect: hints that change nothing in the answer.
    prediction: Raw = NULL
    prompt_cache_options: Raw = NULL
    prompt_cache_retention: Raw = NULL
    # Of `/v1/responses` alone.
    input: Raw = NULL
    instructions: Raw = NULL
    previous_response_id: Raw = NULL
    conversation: Raw = NULL
    background: Raw = NULL
    max_output_tokens: Raw = NULL
    max_tool_calls: Raw = NULL
    include: Raw = NULL
    text: Raw = NULL
    truncation: Raw = NULL
    prompt: Raw = NULL


class StrictParams(ChatParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, refusing unknown fields: the one-pass decode of a request that has none."""
