"""What a provider does differently from a plain OpenAI-compatible server, as data that the codec reads.

A new provider is one file with one `Quirks` value and its line in `providers.registry`. A fact that is not known for
sure keeps the default: the defaults describe a strict server of which nothing is known, so that they are safe anywhere.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Raw, Struct, field, structs

from antiphon.config.patterns import matches_any
from antiphon.protocol.request import Effort

__all__ = [
    "ALL_EFFORTS",
    "Calls",
    "ChatSearch",
    "ForcedToolChoice",
    "ModelRule",
    "Protocol",
    "Quirks",
    "ReasoningReplay",
    "ReasoningRequest",
    "ReplayWhen",
    "Sampling",
    "Streaming",
    "Structured",
    "TokenLimitField",
]

#: Every effort that the Responses API knows, weakest first.
ALL_EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

Protocol = Literal["chat", "responses", "anthropic", "gemini"]
ChatSearch = Literal["none", "options", "server_tool", "always"]
TokenLimitField = Literal["max_tokens", "max_completion_tokens"]
Sampling = Literal["always", "unless_effort", "only_effort_none", "never"]
ReasoningRequest = Literal[
    "none", "reasoning_effort", "reasoning_object", "reasoning_switch", "thinking", "enable_thinking",
    "chat_template_kwargs",
]  # fmt: skip
ReasoningReplay = Literal["none", "reasoning_content", "reasoning", "reasoning_details", "thinking_parts", "think_tags"]
ReplayWhen = Literal["never", "tool_turns", "always"]
Streaming = Literal["auto", "always", "never"]
Calls = Literal["native", "constrained"]
ForcedToolChoice = Literal["always", "not_thinking", "never"]
Structured = Literal["none", "json_object", "json_schema"]


class ModelRule(Struct, frozen=True, kw_only=True):
    """What is different again for some models of a provider. `None` leaves the provider's value.

    Attributes:
        match: patterns of the provider's model names, `*` for any run of characters.
    The others: as in `Quirks`.
    """

    match: tuple[str, ...]
    token_limit_field: TokenLimitField | None = None
    developer_role: bool | None = None
    sampling: Sampling | None = None
    penalties: bool | None = None
    logprobs: bool | None = None
    logit_bias: bool | None = None
    stop_max: int | None = None
    verbosity: bool | None = None
    parallel_tool_calls: bool | None = None
    reasoning_request: ReasoningRequest | None = None
    efforts: tuple[Effort, ...] | None = None
    reasoning_replay: ReasoningReplay | None = None
    reasoning_replay_when: ReplayWhen | None = None
    reasoning_replay_required: ReplayWhen | None = None
    think_tags: bool | None = None
    structured: Structured | None = None
    forced_tool_choice: ForcedToolChoice | None = None
    calls: Calls | None = None
    call_text_max: int | None = None
    calls_in_turn: int | None = None
    sealed_reasoning: bool | None = None
    stream: Streaming | None = None
    extra: Mapping[str, Raw] | None = None
    chat_search: ChatSearch | None = None


class Quirks(Struct, frozen=True, kw_only=True):
    """All the facts about one provider that the Chat Completions codec and the routing need.

    Where it is:
        name: as in `provider/model` and in the configuration's `quirks`.
        base_url: where `/chat/completions` is appended; `None` when the operator has to give it.
        bare_path: path for a configured base URL that has none.
        key_env: environment variables that usually hold the key, in order of preference.
        key_required: refuse to start without a key.
        auto: a key in the environment is enough to switch the provider on when the configuration names no providers.
            Off where the usual variable serves other purposes too.
        auth_header, auth_prefix: how the key travels.
        protocol: the upstream dialect that is spoken unless the configuration says otherwise.
        base_urls: where its other dialects are, if not at `base_url` as well.
        by_door: without a setting each request goes in the dialect that loses least for the front door that it came
            through, Responses or Chat Completions: this provider serves both for all of its models.
        speaks: its other dialects that `protocol` of a configured provider may name, as the documentation lists them.

    Sampling and limits:
        token_limit_field: the name of the output limit.
        sampling: when `temperature` and `top_p` are accepted: `unless_effort` when no effort but `none` is asked for,
            `only_effort_none` when the effort is `none`.
        temperature_max: larger values are clamped.
        penalties, logprobs, logit_bias, n, top_k, min_p: whether these fields are accepted.
        seed: the seed's field, or `none`.
        stop_max: how many stop sequences are accepted; 0 for none.

    Other request fields:
        service_tier, verbosity, safety_identifier, prompt_cache_key: whether these OpenAI fields are accepted.
        user_field: whether `user` is accepted.
        stream: `always` for models that only stream, `never` for those that cannot.
        usage_in_stream: send `stream_options.include_usage`; off where it is refused (usage then comes unasked).
        extra: body fields that are always sent.

    Messages:
        developer_role: `developer` is sent as such; otherwise it becomes `system`.
        single_system: all system and developer text becomes one leading system message (strict chat templates).
        assistant_last: the conversation may end with an assistant message.
        assistant_prefix: where it may not, one that is marked `prefix` is continued all the same.
        assistant_parts: assistant content may be a list of parts; otherwise a string.
        refusal_field: assistant messages may carry `refusal`; otherwise it becomes text.
        empty_content_with_calls: `content` of an assistant message that only has calls.
        tool_call_id: `alnum9` for nine letters and digits, no more, no less.
        call_extra: a field of tool calls that must come back verbatim with the call.
        call_extra_absent: the JSON that the vendor documents for calls whose own value is not at hand.

    Media:
        images, files, audio: whether these parts are accepted.
        image_in_tool_output: tool messages may hold image parts.
        fetches_urls: image URLs may be left to the upstream, which fetches them from the public internet. Off for
            servers inside the operator's network: they would fetch internal addresses for a client.

    Tools and structure:
        tools: whether functions are accepted at all.
        strict_tools: `strict` of a function is accepted.
        custom_tools, allowed_tools: OpenAI's own `custom` tools and `allowed_tools` choice are accepted.
        parallel_tool_calls: the field is accepted.
        forced_tool_choice: when `required` and a named function are accepted; otherwise `auto` is sent.
        calls: `constrained` where the model cannot call: its answer is held to a schema that is a call. A configuration
            may say otherwise.
        call_text_max: how long such a call's texts may become where the function sets no limit, in characters.
        calls_in_turn: after so many calls it is asked for an answer, where it may do either. `None`: it finds an end.
        structured: the strongest `response_format`.
        searches: dialects other than Chat in which it searches the web itself when asked to.
        chat_search: how it is asked to in Chat. `options`: by `web_search_options`; `server_tool`: by a tool of
            OpenRouter's; `always`: it searches unasked.

    Reasoning:
        reasoning_request: how effort is asked for. `reasoning_effort`: top-level string. `reasoning_object`:
            `reasoning.effort`. `reasoning_switch`: the boolean `reasoning.enabled`. `thinking`: `thinking.type` enabled
            or disabled. `enable_thinking`: top-level boolean. `chat_template_kwargs`: booleans `enable_thinking` and
            `thinking` inside it. Beside a switch goes `reasoning_effort` where `efforts` is not empty.
        efforts: the words that are accepted; see `effort`.
        reasoning_replay, reasoning_replay_when: how and when earlier reasoning is sent back. `think_tags`: inside the
            text, between tags.
        reasoning_replay_required: which messages of the assistant are refused without `reasoning_content`; it is sent
            empty when the thought is lost.
        think_tags: the answer's text starts with thoughts inside <think> tags.

    Its Responses endpoint, where that is spoken:
        responses_bare: a thin layer over chat. It takes functions only and wants every item spelled out, and it says
            `completed` where the answer was cut at the limit.
        responses_least_tokens: the smallest limit of output that it takes.
        responses_fields: tuning fields that it takes although they are not in OpenAI's API.
        responses_thoughts: it wants the text of earlier reasoning back.
        responses_developer: it knows the role `developer`; otherwise `system` is sent.
        responses_spelled_out: it refuses what the assistant said without an id and a status.
        responses_nested_choice: a bare one that wants a function named as in Chat.
        sealed_reasoning: it may be asked for reasoning in encrypted form, and takes that back.

        rules: exceptions per model; all that match apply, in order, so general ones stand first.
    """

    name: str
    base_url: str | None = None
    bare_path: str = "/v1"
    key_env: tuple[str, ...] = ()
    key_required: bool = False
    auto: bool = True
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    protocol: Protocol = "chat"
    base_urls: Mapping[Protocol, str] = field(default_factory=dict)
    by_door: bool = False
    speaks: tuple[Protocol, ...] = ()

    token_limit_field: TokenLimitField = "max_tokens"  # noqa: S105 - a field's name, no secret
    sampling: Sampling = "always"
    temperature_max: float = 2.0
    penalties: bool = True
    logprobs: bool = True
    logit_bias: bool = True
    n: bool = True
    top_k: bool = False
    min_p: bool = False
    seed: Literal["none", "seed", "random_seed"] = "seed"
    stop_max: int = 4

    service_tier: bool = False
    verbosity: bool = False
    safety_identifier: bool = False
    prompt_cache_key: bool = False
    user_field: bool = False
    stream: Streaming = "auto"
    usage_in_stream: bool = True
    extra: Mapping[str, Raw] = field(default_factory=dict)

    developer_role: bool = False
    single_system: bool = False
    assistant_last: bool = True
    assistant_prefix: bool = False
    assistant_parts: bool = False
    refusal_field: bool = False
    empty_content_with_calls: Literal["null", "empty"] = "null"
    tool_call_id: Literal["any", "alnum9"] = "any"
    call_extra: str | None = None
    call_extra_absent: bytes = b""

    images: bool = True
    files: bool = False
    audio: bool = False
    image_in_tool_output: bool = False
    fetches_urls: bool = False

    tools: bool = True
    strict_tools: bool = False
    custom_tools: bool = False
    allowed_tools: bool = False
    parallel_tool_calls: bool = True
    forced_tool_choice: ForcedToolChoice = "always"
    calls: Calls = "native"
    call_text_max: int = 1500
    calls_in_turn: int | None = None
    structured: Structured = "json_schema"
    searches: tuple[Protocol, ...] = ()
    chat_search: ChatSearch = "none"

    reasoning_request: ReasoningRequest = "none"
    efforts: tuple[Effort, ...] = ()
    reasoning_replay: ReasoningReplay = "none"
    reasoning_replay_when: ReplayWhen = "never"
    reasoning_replay_required: ReplayWhen = "never"
    think_tags: bool = False

    responses_bare: bool = False
    responses_least_tokens: int = 1
    responses_fields: tuple[str, ...] = ()
    responses_thoughts: bool = False
    responses_developer: bool = True
    responses_spelled_out: bool = False
    responses_nested_choice: bool = False
    sealed_reasoning: bool = True

    rules: tuple[ModelRule, ...] = ()

    def address(self, protocol: str) -> str | None:
        """Where that dialect is spoken; `None` when the operator has to say."""
        for spoken, url in self.base_urls.items():
            if spoken == protocol:
                return url
        return self.base_url

    def for_model(self, model: str) -> "Quirks":
        """These facts with the rules for one model applied. Itself when no rule matches."""
        changes: dict[str, object] = {}
        for rule in self.rules:
            if matches_any(rule.match, model):
                changes.update((name, value) for name, value in structs.asdict(rule).items() if value is not None)
        if not changes:
            return self
        del changes["match"]
        return structs.replace(self, **changes)

    def search(self, protocol: str) -> bool:
        """Whether it searches the web itself when that dialect is spoken with it."""
        return protocol in self.searches and not (protocol == "responses" and self.responses_bare)

    def effort(self, asked: Effort) -> Effort | None:
        """The accepted word nearest to the effort asked for: the next weaker one, else the next stronger one.

        `None` when nothing fits. `none` stands apart: it never replaces another effort, nor another effort it.
        """
        if asked in self.efforts:
            return asked
        if asked == "none":
            return None
        wanted = ALL_EFFORTS.index(asked)
        known = sorted(ALL_EFFORTS.index(word) for word in self.efforts if word != "none")
        weaker = [rank for rank in known if rank < wanted]
        return ALL_EFFORTS[weaker[-1]] if weaker else (ALL_EFFORTS[known[0]] if known else None)
