"""What generateContent answers, as far as it means something here: one struct for chunks and whole bodies.

Unknown fields are skipped without being decoded. What is needed only sometimes stays `Raw` until then.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "ABSENT",
    "AnswerContent",
    "AnswerPart",
    "Blob",
    "Candidate",
    "Chunk",
    "Citation",
    "CitationMetadata",
    "CitedSource",
    "Code",
    "CodeOutput",
    "FunctionCall",
    "Grounding",
    "GroundingChunk",
    "GroundingSupport",
    "LogprobsResult",
    "PartialArg",
    "PromptFeedback",
    "RetrievedUrl",
    "ScoredToken",
    "Segment",
    "TopTokens",
    "UrlContext",
    "UsageCounts",
    "decode_chunk",
    "decode_logprobs",
]

#: Default of `Raw` fields, told from what was sent by identity.
ABSENT = Raw(b"")

_Number = int | float | None


class PartialArg(Struct, frozen=True, gc=False, rename="camel"):
    """A piece of one argument. `null_value` is there, as whatever, for null."""

    json_path: str = ""
    string_value: str | None = None
    number_value: _Number = None
    bool_value: bool | None = None
    null_value: str | UnsetType | None = UNSET


class FunctionCall(Struct, frozen=True, gc=False, rename="camel"):
    """A call, whole, or a piece of one."""

    name: str | None = None
    id: str | None = None
    args: Raw = ABSENT
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Blob(Struct, frozen=True, gc=False, rename="camel"):
    """Media that the model made."""

    mime_type: str | None = None


class Code(Struct, frozen=True, gc=False):
    """Code that Google ran."""

    code: str | None = None
    language: str | None = None


class CodeOutput(Struct, frozen=True, gc=False):
    """What that code printed."""

    output: str | None = None
    outcome: str | None = None


class AnswerPart(Struct, frozen=True, gc=False, rename="camel"):
    """A part of the answer. `tool_call` and `tool_response` are of tools that run at Google."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    tool_call: Raw = ABSENT
    tool_response: Raw = ABSENT
    executable_code: Code | None = None
    code_execution_result: CodeOutput | None = None
    inline_data: Blob | None = None


class AnswerContent(Struct, frozen=True, gc=False):
    """The parts."""

    parts: list[AnswerPart] | None = None


class CitedSource(Struct, frozen=True, gc=False):
    """A page, a place or a document that the answer rests on."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(Struct, frozen=True, gc=False, rename="camel"):
    """One of its sources."""

    web: CitedSource | None = None
    maps: CitedSource | None = None
    retrieved_context: CitedSource | None = None


class Segment(Struct, frozen=True, gc=False, rename="camel"):
    """A piece of a part of the answer, in bytes of UTF-8. Zeros are left out."""

    part_index: _Number = None
    start_index: _Number = None
    end_index: _Number = None
    text: str | None = None


class GroundingSupport(Struct, frozen=True, gc=False, rename="camel"):
    """Which sources a piece rests on."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(Struct, frozen=True, gc=False, rename="camel"):
    """What was searched for, and found."""

    web_search_queries: list[str] | None = None
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class Citation(Struct, frozen=True, gc=False, rename="camel"):
    """A source that the answer quotes at length."""

    start_index: _Number = None
    end_index: _Number = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(Struct, frozen=True, gc=False, rename="camel"):
    """Two names: of the Gemini API, and of Vertex."""

    citation_sources: list[Citation] | None = None
    citations: list[Citation] | None = None


class RetrievedUrl(Struct, frozen=True, gc=False, rename="camel"):
    """A page that the model had fetched."""

    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class UrlContext(Struct, frozen=True, gc=False, rename="camel"):
    """All of these."""

    url_metadata: list[RetrievedUrl] | None = None


class ScoredToken(Struct, frozen=True, gc=False, rename="camel"):
    """A token. Infinity is written as a string."""

    token: str = ""
    log_probability: float | str | None = None


class TopTokens(Struct, frozen=True, gc=False):
    """The likeliest tokens of one step."""

    candidates: list[ScoredToken] | None = None


class LogprobsResult(Struct, frozen=True, gc=False, rename="camel"):
    """Step by step: the token that was chosen, and the likeliest."""

    chosen_candidates: list[ScoredToken] | None = None
    top_candidates: list[TopTokens] | None = None


class Candidate(Struct, frozen=True, gc=False, rename="camel"):
    """One answer; we never ask for more than one."""

    content: AnswerContent | None = None
    finish_reason: str | None = None
    index: _Number = None
    grounding_metadata: Grounding | None = None
    citation_metadata: CitationMetadata | None = None
    url_context_metadata: UrlContext | None = None
    logprobs_result: Raw = ABSENT


class PromptFeedback(Struct, frozen=True, gc=False, rename="camel"):
    """Why there is no answer."""

    block_reason: str | None = None


class UsageCounts(Struct, frozen=True, gc=False, rename="camel"):
    """Token counts so far."""

    prompt_token_count: _Number = None
    tool_use_prompt_token_count: _Number = None
    candidates_token_count: _Number = None
    thoughts_token_count: _Number = None
    cached_content_token_count: _Number = None


class Chunk(Struct, frozen=True, gc=False, rename="camel"):
    """One frame of a stream, or a whole answer."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageCounts | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = ABSENT


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_logprobs = msgspec.json.Decoder(LogprobsResult | None).decode
