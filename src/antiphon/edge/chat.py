"""`/v1/chat/completions`: the front door for clients of OpenAI's Chat Completions API."""

from collections.abc import Mapping
from types import MappingProxyType

from antiphon.dialects.chat import Asked, ChatAnswer, ChatStream, Head, parse_chat
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange
from antiphon.edge.choices import Choices
from antiphon.edge.door import allow_models, answer_whole, answer_with_stream
from antiphon.protocol.faults import Fault

__all__ = ["create"]

#: What this dialect calls the fields that faults and notices name.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "input": "messages",
        "input.reasoning": "messages.reasoning_content",
        "max_output_tokens": "max_completion_tokens",
        "reasoning": "reasoning_effort",
        "reasoning.effort": "reasoning_effort",
        "text.format": "response_format",
        "text.format.schema": "response_format.json_schema.schema",
        "text.verbosity": "verbosity",
        "tools.strict": "tools.function.strict",
    }
)


async def create(services: Services, exchange: Exchange) -> None:
    """`POST /v1/chat/completions`."""
    asked = parse_chat(await services.bodies.read_json(exchange))
    allow_models(exchange, asked.request)
    try:
        await _answer(services, exchange, asked=asked)
    except Fault as fault:
        fault.param = _NAMES.get(fault.param, fault.param) if fault.param is not None else None
        raise


async def _answer(services: Services, exchange: Exchange, *, asked: Asked) -> None:
    request, legacy = asked.request, asked.legacy
    if asked.n > 1:
        choices = Choices(services, exchange, asked=asked, names=_NAMES)
        await (choices.stream() if request.stream else choices.answer())
    elif request.stream:
        encoder = ChatStream(Head(), include_usage=asked.include_usage, legacy=legacy)
        await answer_with_stream(services, exchange, request=request, encoder=encoder, names=_NAMES)
    else:
        await answer_whole(services, exchange, request=request, encoder=ChatAnswer(legacy=legacy), names=_NAMES)
