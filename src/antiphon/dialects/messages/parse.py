"""Body bytes to a `Request`. The body goes along: an upstream of this dialect is sent it nearly as it came."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.body import decode_fields, field_names, read_body
from antiphon.dialects.fallback import seconds
from antiphon.dialects.messages.context import AppliedEdit, is_done_here, manage
from antiphon.dialects.messages.params import (
    KNOWN_FIELDS,
    ContextParams,
    CountParams,
    FormatParams,
    MessagesParams,
    SystemBlock,
    ThinkingParams,
)
from antiphon.dialects.messages.tools import parse_tool_choice, parse_tools
from antiphon.dialects.messages.turns import TurnReader
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import NULL, Effort, HostedTool, ReasoningConfig, Request, TextConfig, TextFormat, Tool
from antiphon.protocol.validation import validation_fault

__all__ = ["Parsed", "parse_count", "parse_messages"]

_messages = msgspec.json.Decoder(MessagesParams)
_count = msgspec.json.Decoder(CountParams)
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode

#: Signatures are seals of ours: without them no thought could come back.
_INCLUDE = frozenset({"reasoning.encrypted_content"})

#: What changes the meaning of an answer, and that only Anthropic has. They travel like tools that no other codec knows,
#: and are refused as these are.
_FALLBACKS = "fallbacks"
_ONLY_THERE = ("mcp_servers", "compaction", _FALLBACKS)

#: Names a conversation that is held at the provider's account, which is shared.
_REFUSED = "thread"

#: How many tokens of thought stand for which effort, where the client counts them. The first that is enough.
_EFFORTS: tuple[tuple[int, Effort], ...] = ((1024, "minimal"), (4096, "low"), (16384, "medium"))

_TIERS = {"standard_only": "default"}

#: They become a header.
_BETA = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MOST_BETAS = 64

_SHOWN_NAMES = 64
_SHOWN_CHARS = 256


class Parsed(Struct, frozen=True):
    """A request, and what its answer shall look like.

    Attributes:
        omits_thinking: the text of thoughts is left out.
        edits: what was done to the context; `None` where nothing was asked for.
        models: models of the provider's own that the body names beside `model`, in `fallbacks`.
    """

    request: Request
    omits_thinking: bool = False
    edits: tuple[AppliedEdit, ...] | None = None
    models: frozenset[str] = frozenset()


def parse_messages(body: bytes, *, betas: str = "") -> Parsed:
    """The request in a body of `POST /v1/messages`. `betas` is the header `anthropic-beta`.

    Raises:
        RequestFault: 400, with the offending `param`. `invalid_json` when it is not JSON that can be read.
    """
    return read_body(body, lambda body: _parse(body, betas))


def parse_count(body: bytes, *, betas: str = "") -> Request:
    """The request in a body of `POST /v1/messages/count_tokens`: one that asks for no answer.

    Raises:
        RequestFault: as `parse_messages` does.
    """
    return read_body(body, lambda body: _parse_count(body, betas))


def _parse(body: bytes, betas: str) -> Parsed:
    params = decode_fields(body, _messages, expected=MessagesParams)
    if params.max_tokens is None:
        raise _missing("max_tokens")
    prompt = _Prompt(params, body)
    request = Request(
        model=prompt.model,
        input=prompt.items,
        stream=params.stream is True,
        store=False,
        instructions=_system(params.system),
        tools=prompt.tools,
        tool_choice=parse_tool_choice(params.tool_choice, prompt.tools),
        parallel_tool_calls=_parallel(params),
        max_tool_calls=prompt.most_searches,
        max_output_tokens=params.max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k or None,
        stop=tuple(params.stop_sequences or ()),
        text=_text(params),
        reasoning=_reasoning(params),
        service_tier=_TIERS.get(params.service_tier or "", params.service_tier),
        include=_INCLUDE,
        user=params.metadata.user_id if params.metadata else None,
        web_results=params.web_results_count,
        web_length=params.web_content_length,
        dialect="messages",
        body=_with_betas(body, params.betas, header=betas),
        vendor_only=prompt.vendor_only,
        fallbacks=tuple(params.fallback_models or ()),
        fallback=params.fallback_enabled,
        fallback_s=seconds(params.fallback_timeout),
    )
    context = params.context_management
    request, edits = _managed(request, context)
    omits_thinking = params.thinking is not None and params.thinking.display == "omitted"
    return Parsed(request, omits_thinking, None if context is None else edits, _named_models(prompt.tools))


def _managed(request: Request, context: ContextParams | None) -> tuple[Request, tuple[AppliedEdit, ...]]:
    try:
        return manage(request, context)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix="context_management.edits") from error


def _parse_count(body: bytes, betas: str) -> Request:
    params = decode_fields(body, _count, expected=CountParams)
    prompt = _Prompt(params, body)
    request = Request(
        model=prompt.model,
        input=prompt.items,
        store=False,
        instructions=_system(params.system),
        tools=prompt.tools,
        tool_choice=parse_tool_choice(params.tool_choice, prompt.tools),
        text=_text(params),
        reasoning=_reasoning(params),
        include=_INCLUDE,
        web_results=params.web_results_count,
        web_length=params.web_content_length,
        dialect="messages",
        body=_with_betas(body, params.betas, header=betas),
        vendor_only=prompt.vendor_only,
    )
    return _managed(request, params.context_management)[0]


class _Prompt:
    """What both kinds of bodies have."""

    def __init__(self, params: CountParams, body: bytes) -> None:
        if params.model is None:
            raise _missing("model")
        if params.messages is None:
            raise _missing("messages")
        names = field_names(body)
        if _REFUSED in names:
            raise RequestFault(
                f"'{_REFUSED}' is not supported by this gateway. Leave it out.",
                code="unsupported_parameter",
                param=_REFUSED,
            )
        turns = TurnReader()
        turns.read(params.messages)
        vendor_only = turns.parts.vendor_only
        self.model = params.model
        self.items = tuple(turns.items)
        said = parse_tools(params.tools or (), vendor_only)
        self.tools = (*said.tools, *_foreign(names, body))
        self.most_searches = said.most_searches
        self._note(params, names, vendor_only)
        self.vendor_only = tuple(vendor_only)

    def _note(self, params: CountParams, names: Sequence[str], vendor_only: dict[str, None]) -> None:
        """Name what only an upstream of the same vendor can be told."""
        if params.cache_control is not None or _marked(params.system):
            vendor_only["cache_control"] = None
        if params.thinking is not None and params.thinking.budget_tokens is not None:
            vendor_only["thinking.budget_tokens"] = None
        if params.output_config is not None and params.output_config.task_budget != NULL:
            vendor_only["output_config.task_budget"] = None
        if params.context_management is not None and not all(map(is_done_here, params.context_management.edits or ())):
            vendor_only["context_management"] = None
        others = [name for name in names if name not in KNOWN_FIELDS and name not in _SPOKEN_FOR]
        vendor_only.update(dict.fromkeys(name[:_SHOWN_CHARS] for name in others[:_SHOWN_NAMES]))


_SPOKEN_FOR = frozenset({"cache_control", "context_management", *_ONLY_THERE})


def _foreign(names: Sequence[str], body: bytes) -> list[Tool]:
    wanted = [name for name in _ONLY_THERE if name in names]
    if not wanted:
        return []
    fields = _fields.decode(body)
    return [HostedTool(name, fields[name].copy()) for name in wanted if bytes(fields[name]) not in (b"null", b"[]")]


def _named_models(tools: Sequence[Tool]) -> frozenset[str]:
    """What `fallbacks` names. Nobody here knows all of its forms, so any text under `model`, or alone, is a name."""
    found: set[str] = set()
    for tool in tools:
        if isinstance(tool, HostedTool) and tool.type == _FALLBACKS:
            _collect(msgspec.json.decode(tool.raw), found)
    return frozenset(found)


def _collect(value: object, found: set[str]) -> None:
    if isinstance(value, str):
        found.add(value)
    elif isinstance(value, list):
        for one in value:
            _collect(one, found)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "model" or isinstance(one, (list, dict)):
                _collect(one, found)


def _missing(name: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _system(system: str | list[SystemBlock] | None) -> str | None:
    if system is None or isinstance(system, str):
        return system or None
    return "\n\n".join(block.text for block in system if block.text) or None


def _marked(system: str | list[SystemBlock] | None) -> bool:
    return isinstance(system, list) and any(block.cache_control != NULL for block in system)


def _parallel(params: MessagesParams) -> bool | None:
    choice = params.tool_choice
    if choice is None or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _text(params: CountParams) -> TextConfig:
    """The schema needs a name in every other dialect. Whether it is enforced is not said here, so it is not there."""
    wanted = (params.output_config.format if params.output_config else None) or params.output_format
    return TextConfig(_format(wanted)) if wanted is not None else TextConfig()


def _format(wanted: FormatParams) -> TextFormat:
    if bytes(wanted.schema)[:1] != b"{":
        raise RequestFault(
            "Invalid type for 'output_config.format.schema': expected a JSON Schema object.",
            code="invalid_value",
            param="output_config.format.schema",
        )
    return TextFormat("json_schema", "answer", wanted.schema.copy())


def _reasoning(params: CountParams) -> ReasoningConfig:
    thinking = params.thinking
    effort: Effort | None = params.output_config.effort if params.output_config else None
    if thinking is None:
        return ReasoningConfig(effort)
    if thinking.type == "disabled":
        return ReasoningConfig("none")
    if effort is None and thinking.type == "enabled":
        effort = _effort(thinking)
    summary: Literal["auto"] | None = "auto" if thinking.display != "omitted" else None
    return ReasoningConfig(effort, summary)


def _effort(thinking: ThinkingParams) -> Effort:
    budget = thinking.budget_tokens
    if budget is None:
        raise _missing("thinking.budget_tokens")
    return next((effort for enough, effort in _EFFORTS if budget <= enough), "high")


def _with_betas(body: bytes, named: list[str] | None, *, header: str) -> bytes:
    """The body, with the client's beta header in it: that is how it travels to a codec of this dialect."""
    betas = [*(named or ()), *(beta.strip() for beta in header.split(","))]
    betas = list(dict.fromkeys(beta for beta in betas if beta))
    if len(betas) > _MOST_BETAS or not all(map(_BETA.fullmatch, betas)):
        raise RequestFault(
            f"Invalid value for 'betas': expected at most {_MOST_BETAS} names of betas.",
            code="invalid_value",
            param="betas",
        )
    if not betas or betas == named:
        return body
    if named is not None or b'"betas"' in body:
        return _encode({**_fields.decode(body), "betas": betas})
    return b'{"betas":%b,%b' % (_encode(betas), body.lstrip()[1:])
