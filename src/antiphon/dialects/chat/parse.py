"""Body bytes to a `Request`, and to what only this dialect's answer has to know."""

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.body import decode_fields, field_names, read_body
from antiphon.dialects.chat.items import read_messages
from antiphon.dialects.chat.params import ChatParams, ReasoningParams, ResponseFormatParams, StrictParams
from antiphon.dialects.chat.tools import (
    parse_choice,
    parse_function_choice,
    parse_functions,
    parse_tools,
    web_search,
)
from antiphon.dialects.fallback import seconds
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import (
    NULL,
    HostedTool,
    ReasoningConfig,
    Request,
    TextConfig,
    TextFormat,
    Tool,
    ToolChoice,
)

__all__ = ["Asked", "parse_chat"]

_strict = msgspec.json.Decoder(StrictParams)
_lenient = msgspec.json.Decoder(ChatParams)
_KNOWN = frozenset(ChatParams.__struct_fields__)
_ENDPOINT = "/v1/responses"
_RESPONSES_ONLY = (
    "input",
    "instructions",
    "previous_response_id",
    "conversation",
    "background",
    "max_output_tokens",
    "max_tool_calls",
    "include",
    "text",
    "truncation",
    "prompt",
)
_VENDORS = ("prediction", "prompt_cache_options", "prompt_cache_retention")
#: Of unknown fields and places, so many are named, and so much of a name: they are kept in the run's record.
_SHOWN_NAMES = 64
_SHOWN_CHARS = 256


class Asked(Struct, frozen=True):
    """A request, and how its answer shall look.

    Attributes:
        n: how many answers.
        include_usage: a stream ends with its usage.
        legacy: functions were offered the old way, and calls are told the old way.
    """

    request: Request
    n: int = 1
    include_usage: bool = False
    legacy: bool = False


def parse_chat(body: bytes) -> Asked:
    """What the body of a Chat Completions request asks for.

    Raises:
        RequestFault: 400, with the offending `param`. `invalid_json` when it is not JSON that can be read.
    """
    return read_body(body, _parse)


def _parse(body: bytes) -> Asked:
    params, unknown = _decode(body)
    _refuse(params)
    if params.model is None:
        raise _missing("model")
    if not params.messages:
        raise _missing("messages")
    read = read_messages(params.messages)
    tools = _tools(params)
    legacy = params.functions is not None and params.tools is None
    own = [name for name in _VENDORS if getattr(params, name) != NULL]
    request = Request(
        model=params.model,
        input=tuple(read.items),
        stream=params.stream is True,
        store=params.store is True,
        tools=tools,
        tool_choice=_choice(params, tools),
        parallel_tool_calls=False if legacy else params.parallel_tool_calls,
        max_output_tokens=params.max_completion_tokens or params.max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        min_p=params.min_p,
        presence_penalty=params.presence_penalty,
        frequency_penalty=params.frequency_penalty,
        top_logprobs=params.top_logprobs if params.logprobs else None,
        seed=params.seed,
        stop=_stop(params.stop),
        logit_bias=params.logit_bias,
        text=TextConfig(_format(params.response_format), params.verbosity),
        reasoning=_reasoning(params),
        service_tier=params.service_tier,
        metadata=params.metadata or {},
        include=_include(params),
        prompt_cache_key=params.prompt_cache_key,
        safety_identifier=params.safety_identifier,
        user=params.user,
        web_results=params.web_results_count,
        web_length=params.web_content_length,
        dialect="chat",
        body=body,
        vendor_only=(*unknown, *own, *_vendors_reasoning(params.reasoning), *read.lost[:_SHOWN_NAMES]),
        fallbacks=tuple(params.fallback_models or ()),
        fallback=params.fallback_enabled,
        fallback_s=seconds(params.fallback_timeout),
    )
    options = params.stream_options
    asked = Asked(request, params.n or 1, options is not None and options.include_usage is True, legacy)
    _check_n(asked)
    return asked


def _decode(body: bytes) -> tuple[ChatParams, list[str]]:
    """The fields, and the names of those that are unknown."""
    try:
        return _strict.decode(body), []
    except msgspec.DecodeError:
        params = decode_fields(body, _lenient, expected=ChatParams)  # tells what is wrong, where it is not just unknown
    return params, [name[:_SHOWN_CHARS] for name in field_names(body) if name not in _KNOWN][:_SHOWN_NAMES]


def _refuse(params: ChatParams) -> None:
    """What would change the meaning of the answer is never ignored."""
    for name in _RESPONSES_ONLY:
        if getattr(params, name) != NULL:
            raise RequestFault(
                f"'{name}' belongs to POST {_ENDPOINT}. Send the request there, or leave it out.",
                code="unsupported_parameter",
                param=name,
            )
    spoken = [mode for mode in params.modalities or () if mode != "text"]
    if params.audio != NULL or spoken:
        raise _unsupported("modalities" if spoken else "audio", "Answers are text.")
    if params.moderation != NULL:
        raise _unsupported("moderation", "Leave it out.")
    if params.top_logprobs and not params.logprobs:
        raise RequestFault("'top_logprobs' needs 'logprobs' to be true.", code="invalid_value", param="top_logprobs")


def _check_n(asked: Asked) -> None:
    hosted = next((tool for tool in asked.request.tools if isinstance(tool, HostedTool)), None)
    if asked.n > 1 and hosted is not None:
        raise RequestFault(
            f"'n' above 1 cannot be combined with hosted tools ('{hosted.type[:80]}').",
            code="unsupported_parameter",
            param="n",
        )


def _tools(params: ChatParams) -> tuple[Tool, ...]:
    tools: list[Tool] = parse_tools(params.tools) if params.tools is not None else []
    if params.tools is None:
        tools = parse_functions(params.functions or ())
    if params.web_search_options is not None:
        tools.append(web_search(params.web_search_options))
    return tuple(tools)


def _choice(params: ChatParams, tools: tuple[Tool, ...]) -> ToolChoice:
    if params.tool_choice == NULL and params.tools is None:
        return parse_function_choice(params.function_call, tools)
    return parse_choice(params.tool_choice, tools)


def _stop(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _include(params: ChatParams) -> frozenset[str]:
    """Who asks for reasoning in its long form can also hold what the provider wants back with it."""
    wanted = set()
    if params.logprobs:
        wanted.add("message.output_text.logprobs")
    if params.reasoning is not None and not params.reasoning.exclude:
        wanted.add("reasoning.encrypted_content")
    return frozenset(wanted)


def _reasoning(params: ChatParams) -> ReasoningConfig:
    asked = params.reasoning
    if asked is None:
        return ReasoningConfig(params.reasoning_effort)
    effort = params.reasoning_effort or asked.effort
    if effort is None and asked.enabled is False:
        effort = "none"
    return ReasoningConfig(effort, None if asked.exclude or effort == "none" else "auto")


def _vendors_reasoning(asked: ReasoningParams | None) -> list[str]:
    return ["reasoning.max_tokens"] if asked is not None and asked.max_tokens != NULL else []


def _format(params: ResponseFormatParams | None) -> TextFormat:
    if params is None:
        return TextFormat()
    if params.type != "json_schema":
        return TextFormat(params.type)
    wanted = params.json_schema
    if wanted is None:
        raise _missing("response_format.json_schema")
    if wanted.schema == NULL:  # the API leaves it optional
        return TextFormat("json_schema", wanted.name, Raw(b"{}"), wanted.description, wanted.strict)
    if bytes(wanted.schema)[:1] != b"{":
        where = "response_format.json_schema.schema"
        raise RequestFault(
            f"Invalid type for '{where}': expected a JSON Schema object.", code="invalid_value", param=where
        )
    return TextFormat("json_schema", wanted.name, wanted.schema.copy(), wanted.description, wanted.strict)


def _missing(name: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _unsupported(name: str, advice: str) -> RequestFault:
    return RequestFault(
        f"'{name}' is not supported by this gateway. {advice}", code="unsupported_parameter", param=name
    )
