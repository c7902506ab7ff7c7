"""The body of `POST /v1/responses`, field by field, with the ranges that the API allows.

`None` and an absent field mean the same. Fields that are passed on or refused unread are `Raw`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.dialects.fallback import FallbackModels, FallbackTimeout
from antiphon.protocol.request import NULL, WebLength

__all__ = ["INCLUDES", "CreateParams", "ReasoningParams", "StrictParams", "TextFormatParams", "TextParams"]

#: `include` values of the API, and one of our own. Those that ask for what this gateway never leaves out cost nothing.
INCLUDES = frozenset(
    {
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
        "web_search_call.action.sources",
        "web_search_call.results",
        "file_search_call.results",
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "message.input_image.image_url",
        "antiphon.fidelity",
    }
)

# Bounded because larger integers can be read but not written back.
_Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class TextFormatParams(Struct, frozen=True):
    """`text.format`."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Annotated[str, Meta(max_length=64)] | None = None
    schema: Raw = NULL
    description: str | None = None
    strict: bool | None = None


class TextParams(Struct, frozen=True):
    """`text`; verbosity in both vocabularies."""

    format: TextFormatParams | None = None
    verbosity: Literal["low", "medium", "high", "concise", "normal", "verbose"] | None = None


class ReasoningParams(Struct, frozen=True):
    """`reasoning`; `generate_summary` is the old name of `summary`."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class CreateParams(Struct, frozen=True, kw_only=True):
    """Every field of the API, and the few that other dialects have and that are accepted here too."""

    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    input: str | list[Raw] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: _Metadata | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = NULL
    parallel_tool_calls: bool | None = None
    max_tool_calls: _Count | None = None
    max_output_tokens: _Count | None = None
    max_tokens: _Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: _Count | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    seed: _Seed | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    text: TextParams | None = None
    reasoning: ReasoningParams | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=1024)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=1024)] | None = None
    user: Annotated[str, Meta(max_length=1024)] | None = None
    fallback_models: FallbackModels | None = None
    fallback_timeout: FallbackTimeout | None = None
    fallback_enabled: bool | None = None
    web_results_count: Annotated[int, Meta(ge=1, le=10)] | None = None
    web_content_length: WebLength | None = None
    background: bool | None = None
    n: int | None = None
    # Known, and refused when set: they would change what the answer means.
    conversation: Raw = NULL
    prompt: Raw = NULL
    moderation: Raw = NULL
    stream_options: Raw = NULL
    # Known, and left to upstreams of the same dialect: hints that change nothing in the answer.
    background_options: Raw = NULL
    client_metadata: Raw = NULL
    context_management: Raw = NULL
    prompt_cache_options: Raw = NULL
    prompt_cache_retention: Raw = NULL
    access_programs: Raw = NULL
    image: Raw = NULL


class StrictParams(CreateParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, refusing unknown fields: the one-pass decode of a request that has none."""
