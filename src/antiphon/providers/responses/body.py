"""The body of the upstream request: the client's own, edited, or written from what it asked in another dialect.

Conversations are kept here, so that the upstream keeps nothing: it gets the whole input every time, `store` is false,
and what refers to stored things never reaches it. Identifiers of the client's go as the engine hashed them.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from antiphon.protocol.reading import read_fields
from antiphon.protocol.request import CustomTool, FunctionTool, HostedTool, Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.base import InlineMedia
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.registry import effective
from antiphon.providers.responses.bare import bare_input, bare_tools
from antiphon.providers.responses.items import ItemEditor
from antiphon.providers.responses.tools import edit_tool_choice, edit_tools
from antiphon.providers.shared.account import check_fields, drop_elsewhere

__all__ = ["Written", "edit_body", "write_body"]


_list = msgspec.json.Decoder(list[Raw] | None).decode
_strings = msgspec.json.Decoder(list[str] | None).decode
_encode = msgspec.json.Encoder().encode

_LACKS = "not_supported_by_upstream"
#: Values of `include` that ask this gateway, and no upstream.
_OUR_INCLUDES = "antiphon."
_SEALED = "reasoning.encrypted_content"
_SOURCES = "web_search_call.action.sources"
_CACHE = "prompt_cache_options"
_COMPARED = "comparison_response_id"

#: What is done here, and would do harm there.
_OURS = ("previous_response_id", "background", "background_options", "conversation", "metadata", "max_tokens", "n")
#: Fields in which names of all kinds can stand, or that are looked through one by one.
_LOOKED_AT = frozenset({"input", "instructions", "tools", "text", "tool_choice"})
_IDENTIFIERS = ("prompt_cache_key", "safety_identifier", "user")

#: Fields that this gateway takes although the Responses API does not have them.
_BESIDE = ("top_k", "min_p", "seed", "stop", "logit_bias", "presence_penalty", "frequency_penalty")


class Written(Struct, frozen=True):
    """A body but for `stream` and the operator's overlay, and what could not be done as asked."""

    body: dict[str, object]
    notices: list[Notice]


def edit_body(request: Request, target: Target, *, media: InlineMedia) -> Written:
    """The client's body. Fields that nobody here knows stay as they are.

    Raises:
        RequestFault: 400 for what cannot be said to this upstream.
    """
    quirks = effective(target.quirks, target.model)
    body: dict[str, object] = {**read_fields(request.body)}
    for name in _OURS:
        body.pop(name, None)
    elsewhere = drop_elsewhere(body)
    check_fields(body, target, known=_LOOKED_AT)
    lacking = [name for name in _BESIDE if name in body and name not in quirks.responses_fields]
    dropped = [_lacks(name) for name in lacking if body.pop(name) != Raw(b"null")]
    notices = [*elsewhere, *dropped]
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = request.max_output_tokens
    _put_identifiers(body, request)
    body["model"] = target.model
    body["store"] = False
    text = body.get("text")
    if isinstance(text, Raw) and request.text.verbosity is not None:
        body["text"] = {**read_fields(text), "verbosity": request.text.verbosity}
    _put_include(body, request, quirks)
    _drop_comparison(body, notices)
    if quirks.responses_bare:
        _put_bare(body, request, quirks, media=media, target=target, notices=notices)
        return Written(body, notices)
    tools, choice, asked = body.get("tools"), body.get("tool_choice"), body.get("input")
    if isinstance(tools, Raw):
        body["tools"] = edit_tools(_list(tools) or (), target)
    if isinstance(choice, Raw):
        body["tool_choice"] = edit_tool_choice(choice, request.tool_choice.raw)
    if not (isinstance(asked, Raw) and bytes(asked)[:1] == b'"' and len(request.input) == 1):
        body["input"] = ItemEditor(target, quirks, media).input(request.input)
    return Written(body, notices)


def write_body(request: Request, target: Target, *, media: InlineMedia) -> Written:
    """A body from the canonical fields.

    Raises:
        RequestFault: 400 for what cannot be said to this upstream.
    """
    quirks = effective(target.quirks, target.model)
    notices = [Notice(name, "dropped", _LACKS) for name in request.vendor_only]
    body: dict[str, object] = {"model": target.model, "store": False}
    if request.instructions is not None:
        body["instructions"] = request.instructions
    _put_parameters(body, request)
    _put_limit(body, request, least=quirks.responses_least_tokens, notices=notices)
    _put_sampling(body, request, quirks, notices=notices)
    _put_text(body, request)
    _put_reasoning(body, request, quirks, notices=notices)
    _put_identifiers(body, request)
    _put_include(body, request, quirks)
    if quirks.responses_bare:
        _put_bare(body, request, quirks, media=media, target=target, notices=notices)
        return Written(body, notices)
    if request.tools:
        body["tools"] = edit_tools(_canonical_tools(request), target)
        if request.tool_choice.mode != "auto" or request.tool_choice.allowed is not None:
            body["tool_choice"] = request.tool_choice.raw
    body["input"] = ItemEditor(target, quirks, media).input(request.input)
    return Written(body, notices)


def _put_bare(  # noqa: PLR0913 - the parts of one job
    body: dict[str, object],
    request: Request,
    quirks: Quirks,
    *,
    media: InlineMedia,
    target: Target,
    notices: list[Notice],
) -> None:
    """Input and tools for a server that only knows what Chat has too."""
    written = bare_input(request, target, media=media, thoughts=quirks.responses_thoughts)
    notices += written.notices
    body["input"] = written.input
    body.pop("instructions", None)
    if written.instructions:
        body["instructions"] = written.instructions
    offer = bare_tools(request, nested=quirks.responses_nested_choice)
    notices += offer.notices
    for name, value in (("tools", offer.tools or None), ("tool_choice", offer.choice)):
        body.pop(name, None)
        if value is not None:
            body[name] = value


def _put_identifiers(body: dict[str, object], request: Request) -> None:
    for name, value in zip(
        _IDENTIFIERS, (request.prompt_cache_key, request.safety_identifier, request.user), strict=True
    ):
        body.pop(name, None)
        if value is not None:
            body[name] = value


def _drop_comparison(body: dict[str, object], notices: list[Notice]) -> None:
    """The one field deep inside that names a response: one of ours, of which the upstream knows nothing."""
    options = body.get(_CACHE)
    if not isinstance(options, Raw) or bytes(options)[:1] != b"{":
        return
    kept = read_fields(options)
    if kept.pop(_COMPARED, Raw(b"null")) != Raw(b"null"):
        notices.append(Notice(f"{_CACHE}.{_COMPARED}", "dropped", _LACKS))
        body[_CACHE] = kept


def _put_include(body: dict[str, object], request: Request, quirks: Quirks) -> None:
    """What the client wants to see, and sealed thought, which the next turn needs whether the client sees it or not.

    Models that do not think refuse to be asked for it.
    """
    asked = body.get("include")
    wanted = _strings(asked) or [] if isinstance(asked, Raw) else sorted(request.include)
    wanted = [name for name in wanted if name != _SEALED or quirks.sealed_reasoning]
    wanted = [name for name in wanted if not name.startswith(_OUR_INCLUDES)]
    if request.dialect != "responses" and any(
        isinstance(tool, HostedTool) and tool.type.startswith("web_search") for tool in request.tools
    ):
        wanted.append(_SOURCES)  # the other dialects show them always
    if quirks.sealed_reasoning and _SEALED not in wanted:
        wanted.append(_SEALED)
    body.pop("include", None)
    if wanted:
        body["include"] = wanted


def _put_parameters(body: dict[str, object], request: Request) -> None:
    given = {
        "max_tool_calls": request.max_tool_calls,
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "service_tier": request.service_tier,
        "top_logprobs": request.top_logprobs,
        "truncation": request.truncation if request.truncation != "disabled" else None,
    }
    body.update((name, value) for name, value in given.items() if value is not None)


def _put_limit(body: dict[str, object], request: Request, *, least: int, notices: list[Notice]) -> None:
    """The limit of output. Other dialects allow smaller ones than some servers of this one."""
    asked = request.max_output_tokens
    if asked is None:
        return
    body["max_output_tokens"] = max(asked, least)
    if asked < least:
        notices.append(Notice("max_output_tokens", "approximated", "out_of_range", str(asked), str(least)))


def _put_sampling(body: dict[str, object], request: Request, quirks: Quirks, *, notices: list[Notice]) -> None:
    effort = request.reasoning.effort
    samples = {
        "always": True,
        "unless_effort": effort in (None, "none"),
        "only_effort_none": effort == "none",
        "never": False,
    }[quirks.sampling]
    given = {
        "temperature": (request.temperature, samples),
        "top_p": (request.top_p, samples),
        **{name: (getattr(request, name) or None, name in quirks.responses_fields) for name in _BESIDE},
    }
    for name, (value, accepted) in given.items():
        if value is None:
            continue
        if accepted:
            body[name] = value
        else:
            notices.append(_lacks(name))


def _lacks(name: str) -> Notice:
    """The decoder ends the answer before a stop sequence. Nothing stands in for the others."""
    return Notice(name, "emulated" if name == "stop" else "dropped", _LACKS)


def _put_text(body: dict[str, object], request: Request) -> None:
    wanted = request.text.format
    text: dict[str, object] = {}
    if wanted.type == "json_schema":
        fields: dict[str, object] = {"type": "json_schema", "name": wanted.name, "schema": wanted.schema}
        optional = {"description": wanted.description, "strict": wanted.strict}
        text["format"] = fields | {name: value for name, value in optional.items() if value is not None}
    elif wanted.type != "text":
        text["format"] = {"type": wanted.type}
    if request.text.verbosity is not None:
        text["verbosity"] = request.text.verbosity
    if text:
        body["text"] = text


def _put_reasoning(body: dict[str, object], request: Request, quirks: Quirks, *, notices: list[Notice]) -> None:
    asked = request.reasoning.effort
    reasoning: dict[str, object] = {}
    if asked is not None:
        word = quirks.effort(asked) if quirks.efforts else asked
        if word is not None:
            reasoning["effort"] = word
        if word != asked:
            notices.append(Notice("reasoning.effort", "approximated" if word else "dropped", _LACKS, asked, word or ""))
    if request.reasoning.summary is not None:
        reasoning["summary"] = request.reasoning.summary
    if reasoning:
        body["reasoning"] = reasoning


def _canonical_tools(request: Request) -> list[Raw]:
    if request.tools_echo is not None:
        return _list(request.tools_echo) or []
    strict = None if request.dialect == "responses" else False
    return [
        tool.raw if isinstance(tool, HostedTool) else _canonical_tool(tool, strict=strict) for tool in request.tools
    ]


def _canonical_tool(tool: FunctionTool | CustomTool, *, strict: bool | None) -> Raw:
    """`strict` where the client said nothing: left out, it means true here, which it does not in other dialects."""
    fields = {"type": type(tool).__struct_config__.tag, **structs.asdict(tool)}
    if isinstance(tool, FunctionTool) and tool.strict is None:
        fields["strict"] = strict
    return Raw(_encode({name: value for name, value in fields.items() if value not in (None, UNSET)}))
