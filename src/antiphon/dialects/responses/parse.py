"""Body bytes to a `Request`. One pass over the body where nothing in it is unknown."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

import msgspec
from msgspec import Raw

from antiphon.dialects.fallback import seconds
from antiphon.dialects.responses.choice import parse_tool_choice
from antiphon.dialects.responses.params import (
    INCLUDES,
    CreateParams,
    ReasoningParams,
    StrictParams,
    TextFormatParams,
    TextParams,
)
from antiphon.dialects.responses.tools import ToolList, join_tools, parse_tools, tools_in
from antiphon.protocol.faults import RequestFault, previous_response_not_found
from antiphon.protocol.ids import ResponseId, parse_response_id
from antiphon.protocol.items import InputItem, InputText, Message, decode_item, validation_fault
from antiphon.protocol.request import NULL, ReasoningConfig, Request, TextConfig, TextFormat

__all__ = ["parse_create"]

_strict = msgspec.json.Decoder(StrictParams)
_lenient = msgspec.json.Decoder(CreateParams)
_fields = msgspec.json.Decoder(dict[str, Raw])
_syntax = msgspec.json.Decoder(Raw)
_KNOWN = frozenset(CreateParams.__struct_fields__)
_REFUSED = ("conversation", "prompt", "moderation")
_VENDORS = (
    "background_options",
    "client_metadata",
    "context_management",
    "prompt_cache_options",
    "prompt_cache_retention",
    "access_programs",
    "image",
)
_refused_values = attrgetter(*_REFUSED)
_vendor_values = attrgetter(*_VENDORS)
_NOTHING_REFUSED = (NULL,) * len(_REFUSED)
_NOTHING_VENDOR = (NULL,) * len(_VENDORS)
_VERBOSITY: dict[str, Literal["low", "medium", "high"]] = {
    "concise": "low",
    "normal": "medium",
    "verbose": "high",
    "low": "low",
    "medium": "medium",
    "high": "high",
}
#: How deep JSON may be depends on how deep the stack is that reads it. Items and schemas are kept as JSON and read
#: again from deeper inside other calls, as when a response is continued: what gets in here must be readable there.
_SPARE_FRAMES = 64
#: A body with fewer brackets than this cannot be deep.
_FEW_BRACKETS = 128
#: Of unknown fields, so many are named, and so much of a name: they are kept in the run's record.
_SHOWN_NAMES = 64
_SHOWN_CHARS = 256
_NOTHING_INCLUDED: frozenset[str] = frozenset()
_UNREADABLE_NUMBER = ("Number out of range", "Integer value out of range")


def parse_create(body: bytes) -> Request:
    """The request in a create body.

    Raises:
        RequestFault: 400, with the offending `param`. `invalid_json` when it is not JSON that can be read.
    """
    try:
        if body.count(b"{") + body.count(b"[") < _FEW_BRACKETS:
            return _parse(body)
        return _parse_with_room_to_spare(body, _SPARE_FRAMES)
    except RecursionError as error:
        raise _invalid_json("nested too deeply") from error


def _parse_with_room_to_spare(body: bytes, frames: int) -> Request:
    """Parse from deeper in the stack, which leaves less depth to the JSON."""
    return _parse_with_room_to_spare(body, frames - 1) if frames else _parse(body)


def _parse(body: bytes) -> Request:
    params, unknown = _decode(body)
    _refuse_unservable(params)
    if params.model is None:
        raise _missing("model")
    if params.input is None and params.previous_response_id is None:
        raise _missing("input")
    items = _parse_input(params.input)
    offered = _tools(params.tools or (), items)
    return Request(  # by position, in the order of its fields: to look up thirty names is a hundredth of a request
        params.model,
        items,
        params.stream is True,
        params.store is not False,
        params.instructions,
        _previous(params.previous_response_id),
        offered.tools,
        parse_tool_choice(params.tool_choice, offered.tools),
        params.parallel_tool_calls,
        params.max_tool_calls,
        params.max_output_tokens or params.max_tokens,
        params.temperature,
        params.top_p,
        params.top_k,
        params.min_p,
        params.presence_penalty,
        params.frequency_penalty,
        params.top_logprobs,
        params.seed,
        _stop(params.stop),
        params.logit_bias,
        _text(params.text),
        _reasoning(params.reasoning),
        params.truncation or "disabled",
        params.service_tier,
        params.metadata or {},
        _include(params.include),
        params.prompt_cache_key,
        params.safety_identifier,
        params.user,
        tools_echo=offered.echo,
        web_results=params.web_results_count,
        web_length=params.web_content_length,
        body=body,
        vendor_only=_vendor_only(params, unknown),
        fallbacks=tuple(params.fallback_models or ()),
        fallback=params.fallback_enabled,
        fallback_s=seconds(params.fallback_timeout),
    )


def _decode(body: bytes) -> tuple[CreateParams, list[str]]:
    """The fields, and the names of those that are unknown."""
    try:
        if not body.isascii():
            body.decode()  # skipped parts of the JSON are not checked by the decoder
        try:
            return _strict.decode(body), []
        except msgspec.ValidationError as error:
            _syntax.decode(body)  # a type error is told only about what is JSON: decoding stopped at it
            if not str(error).startswith("Object contains unknown field"):
                raise
        unknown = [name[:_SHOWN_CHARS] for name in _fields.decode(body) if name not in _KNOWN][:_SHOWN_NAMES]
        return _lenient.decode(body), unknown
    except msgspec.ValidationError as error:
        if str(error).startswith(_UNREADABLE_NUMBER):
            raise _invalid_json(str(error)) from error
        raise validation_fault(error, expected=CreateParams) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid_json(str(error)) from error


def _vendor_only(params: CreateParams, unknown: list[str]) -> tuple[str, ...]:
    if _vendor_values(params) == _NOTHING_VENDOR:
        return tuple(unknown)
    return (*unknown, *(name for name in _VENDORS if getattr(params, name) != NULL))


def _invalid_json(reason: str) -> RequestFault:
    return RequestFault(
        f"The request body is not valid JSON: {reason}.".replace("`", "'"), code="invalid_json", param=None
    )


def _missing(name: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _unsupported(name: str) -> RequestFault:
    return RequestFault(
        f"'{name}' is not supported by this gateway. Leave it out.", code="unsupported_parameter", param=name
    )


def _refuse_unservable(params: CreateParams) -> None:
    """R5b: what would change the meaning of the answer is never ignored."""
    if _refused_values(params) != _NOTHING_REFUSED:
        raise _unsupported(next(name for name in _REFUSED if getattr(params, name) != NULL))
    if params.background:
        raise _unsupported("background")
    if params.n not in (None, 1):
        raise _unsupported("n")


def _parse_input(value: str | list[Raw] | None) -> tuple[InputItem, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        message = Message("user", [InputText(value)])
        raw = b'{"type":"message","role":"user","content":[{"type":"input_text","text":%b}]}'
        return (InputItem(message, raw % msgspec.json.encode(value), "input"),)
    items: list[InputItem] = []
    for index, raw_item in enumerate(value):
        path = f"input[{index}]"
        own = bytes(raw_item)  # a Raw is a view, and keeps all of the request's body alive
        items.append(InputItem(decode_item(own, path=path), own, path))
    return tuple(items)


def _tools(raws: Sequence[Raw], items: Sequence[InputItem]) -> ToolList:
    """All that may be called. The echo shows those that were sent in `tools`."""
    offered = parse_tools(raws)
    brought = tools_in(items)
    if not brought:
        return offered
    echo = offered.echo or Raw(msgspec.json.encode(offered.tools))
    return ToolList(join_tools(offered.tools, brought), echo)


def _previous(text: str | None) -> ResponseId | None:
    if text is None:
        return None
    response_id = parse_response_id(text)
    if response_id is None:
        raise previous_response_not_found(text)
    return response_id


def _stop(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _text(params: TextParams | None) -> TextConfig:
    if params is None:
        return TextConfig()
    verbosity = _VERBOSITY[params.verbosity] if params.verbosity else None
    return TextConfig(_format(params.format), verbosity)


def _format(params: TextFormatParams | None) -> TextFormat:
    if params is None:
        return TextFormat()
    if params.type != "json_schema":
        return TextFormat(params.type)
    if not params.name:
        raise _missing("text.format.name")
    if params.schema == NULL:
        raise _missing("text.format.schema")
    if bytes(params.schema)[:1] != b"{":
        raise RequestFault(
            "Invalid type for 'text.format.schema': expected a JSON Schema object.",
            code="invalid_value",
            param="text.format.schema",
        )
    return TextFormat("json_schema", params.name, params.schema.copy(), params.description, params.strict)


def _reasoning(params: ReasoningParams | None) -> ReasoningConfig:
    if params is None:
        return ReasoningConfig()
    return ReasoningConfig(params.effort, params.summary or params.generate_summary)


def _include(values: list[str] | None) -> frozenset[str]:
    if not values:
        return _NOTHING_INCLUDED
    for index, value in enumerate(values):
        if value not in INCLUDES:
            raise RequestFault(
                f"Invalid value for 'include[{index}]': '{value[:80]}'. Accepted: {', '.join(sorted(INCLUDES))}.",
                code="invalid_value",
                param=f"include[{index}]",
            )
    return frozenset(values)
