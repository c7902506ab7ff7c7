"""The response as it begins: what was asked, with the defaults that apply, and nothing in it yet."""

import msgspec
from msgspec import Raw

from antiphon.protocol.ids import ResponseId, response_id_text
from antiphon.protocol.request import NULL, HostedTool, ReasoningConfig, Request, TextConfig
from antiphon.protocol.response import Response

__all__ = ["begin_response"]

_encoder = msgspec.json.Encoder()

# What most requests leave at its default, encoded once.
_NO_TOOLS = Raw(b"[]")
_NO_REASONING = ReasoningConfig()
_REASONING_NULL = Raw(_encoder.encode(_NO_REASONING))
_DEFAULT_TEXT = TextConfig()
_PLAIN_TEXT = Raw(b'{"format":{"type":"text"}}')


def begin_response(request: Request, response_id: ResponseId, *, created_at: int) -> Response:
    """The `in_progress` resource. Large echoed fields are encoded here, once per run."""
    previous = request.previous_response_id
    return Response(
        id=response_id_text(response_id),
        created_at=created_at,
        status="in_progress",
        model=request.asked_model or request.model,
        instructions=Raw(_encoder.encode(request.instructions)) if request.instructions is not None else NULL,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=response_id_text(previous) if previous else None,
        prompt_cache_key=request.prompt_cache_key,
        reasoning=Raw(_encoder.encode(request.reasoning)) if request.reasoning != _NO_REASONING else _REASONING_NULL,
        safety_identifier=request.safety_identifier,
        store=request.store,
        temperature=_or(request.temperature, 1.0),
        text=_PLAIN_TEXT if request.text == _DEFAULT_TEXT else Raw(_encoder.encode(_text(request.text))),
        tool_choice=request.tool_choice.raw,
        tools=request.tools_echo or (_tools(request) if request.tools else _NO_TOOLS),
        top_logprobs=request.top_logprobs or 0,
        top_p=_or(request.top_p, 1.0),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        truncation=request.truncation,
        metadata=dict(request.metadata),
        user=msgspec.UNSET if request.user is None else request.user,
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _tools(request: Request) -> Raw:
    return Raw(_encoder.encode([tool.raw if isinstance(tool, HostedTool) else tool for tool in request.tools]))


def _text(text: TextConfig) -> dict[str, object]:
    wire: dict[str, object] = {"format": {"type": text.format.type}}
    if text.format.type == "json_schema":
        wire["format"] = text.format
    if text.verbosity is not None:
        wire["verbosity"] = text.verbosity
    return wire
