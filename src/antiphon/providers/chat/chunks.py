"""What Chat Completions servers send, as far as it means something here: one struct for chunks and whole bodies.

Unknown fields are skipped without being decoded. `null` and a missing key mean the same everywhere, because servers
disagree about which of the two to send. What is needed only sometimes stays `Raw` until then.
"""

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "ABSENT",
    "AnnotationPart",
    "Choice",
    "ChoiceDelta",
    "Chunk",
    "CompletionDetails",
    "ContentPart",
    "CustomFragment",
    "FunctionFragment",
    "GroqExtras",
    "Logprobs",
    "PromptDetails",
    "ReasoningDetail",
    "TokenLogprob",
    "ToolFragment",
    "TopLogprob",
    "UrlCitation",
    "UsageCounts",
    "called",
    "decode_chunk",
    "decode_details",
    "decode_logprobs",
]

#: Default of `Raw` fields, told from what was sent by identity.
ABSENT = Raw(b"")

_Number = int | float | None


class ContentPart(Struct, frozen=True, gc=False):
    """A part of list content. Mistral's thoughts come as `thinking`, whose parts are text parts again."""

    type: str | None = None
    text: str | None = None
    thinking: "str | list[ContentPart] | None" = None


class ReasoningDetail(Struct, frozen=True, gc=False):
    """OpenRouter's typed reasoning: `reasoning.text`, `reasoning.summary` or `reasoning.encrypted`."""

    type: str | None = None
    text: str | None = None
    summary: str | None = None
    index: int | None = None


class FunctionFragment(Struct, frozen=True, gc=False):
    """A piece of a call. Some servers send the arguments as JSON instead of as a string."""

    name: str | None = None
    arguments: str | dict[str, Raw] | list[Raw] | None = None


class CustomFragment(Struct, frozen=True, gc=False):
    """A piece of a custom tool's call. Its input is plain text."""

    name: str | None = None
    input: str | None = None


class ToolFragment(Struct, frozen=True, gc=False):
    """An entry of `tool_calls`. `extra_content` is Google's."""

    index: int | None = None
    id: str | int | None = None
    function: FunctionFragment | None = None
    custom: CustomFragment | None = None
    extra_content: Raw = ABSENT


class UrlCitation(Struct, frozen=True, gc=False):
    """The nested half of a citation; OpenRouter leaves the offsets out at times."""

    url: str | None = None
    title: str | None = None
    start_index: _Number = None
    end_index: _Number = None


class AnnotationPart(Struct, frozen=True, gc=False):
    """An entry of `annotations`."""

    type: str | None = None
    url_citation: UrlCitation | None = None


class ChoiceDelta(Struct, frozen=True, gc=False):
    """`delta` of a chunk, or `message` of a whole answer."""

    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    refusal: str | None = None
    annotations: list[AnnotationPart] | None = None
    tool_calls: list[ToolFragment] | None = None
    function_call: FunctionFragment | None = None


class PromptDetails(Struct, frozen=True, gc=False):
    """Parts of the prompt's tokens."""

    cached_tokens: _Number = None
    cache_write_tokens: _Number = None


class CompletionDetails(Struct, frozen=True, gc=False):
    """Parts of the completion's tokens."""

    reasoning_tokens: _Number = None


class UsageCounts(Struct, frozen=True, gc=False):
    """Token counts in every spelling that is known. `prompt_cache_hit_tokens` is DeepSeek's."""

    prompt_tokens: _Number = None
    completion_tokens: _Number = None
    total_tokens: _Number = None
    input_tokens: _Number = None
    output_tokens: _Number = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: _Number = None
    cached_tokens: _Number = None
    cache_creation_input_tokens: _Number = None
    reasoning_tokens: _Number = None


class Choice(Struct, frozen=True, gc=False):
    """One choice. Moonshot puts `usage` here, OpenRouter `error`."""

    index: int | None = None
    delta: ChoiceDelta | None = None
    message: ChoiceDelta | None = None
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    usage: UsageCounts | None = None
    error: Raw = ABSENT


class GroqExtras(Struct, frozen=True, gc=False):
    """`x_groq` of the last chunk."""

    usage: UsageCounts | None = None
    error: Raw = ABSENT


class Chunk(Struct, frozen=True, gc=False):
    """One frame of a stream, or a whole answer."""

    choices: list[Choice] | None = None
    usage: UsageCounts | None = None
    id: str | int | None = None
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | int | None = None
    error: Raw = ABSENT
    code: Raw = ABSENT
    x_groq: GroqExtras | None = None


class TopLogprob(Struct, frozen=True, gc=False):
    """An alternative token, in the shape of the Responses API."""

    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class TokenLogprob(Struct, frozen=True, gc=False):
    """A token that was chosen, in the shape of the Responses API."""

    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class Logprobs(Struct, frozen=True, gc=False):
    """`logprobs` of a choice."""

    content: list[TokenLogprob] | None = None


def called(fragment: ToolFragment) -> FunctionFragment | None:
    """What is called, and with what: of a custom tool its input."""
    custom = fragment.custom
    if custom is None or fragment.function is not None:
        return fragment.function
    return FunctionFragment(custom.name, custom.input)


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_details = msgspec.json.Decoder(list[ReasoningDetail] | None).decode
decode_logprobs = msgspec.json.Decoder(Logprobs | None).decode
