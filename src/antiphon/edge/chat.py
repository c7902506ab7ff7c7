"""`/v1/chat/completions`: the front door for clients of OpenAI's Chat Completions API."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import structs

from antiphon.dialects.chat import Asked, ChatAnswer, ChatStream, Head, parse_chat
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange
from antiphon.edge.choices import Choices
from antiphon.edge.door import allow_models, answer_whole, answer_with_stream, web_wish
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
    body = await services.bodies.read_json(exchange)
    asked = parse_chat(body)
    wish = web_wish(services, asked.request, body)
    if wish is not None:
        asked = parse_chat(wish.body)
        asked = structs.replace(asked, request=wish.onto(asked.request))
    allow_models(exchange, asked.request)
    try:
        await _answer(services, exchange, asked=asked)
    except Fault as fault:
        fault.param = _NAMES.get(fault.param, fault.param) if fault.param is not None else None
        raise


async def _answer(services: Services, exchange: Exchange, *, asked: Asked) -> None:
    request, legacy = asked.request, asked.legacy
    web = request.searches_web
    if asked.n > 1:
        choices = Choices(services, exchange, asked=asked, names=_NAMES)
        await (choices.stream() if request.stream else choices.answer())
    elif request.stream:
        encoder = ChatStream(Head(web=web), include_usage=asked.include_usage, legacy=legacy)
        await answer_with_stream(services, exchange, request=request, encoder=encoder, names=_NAMES)
    else:
        await answer_whole(
            services, exchange, request=request, encoder=ChatAnswer(legacy=legacy, web=web), names=_NAMES
        )
