"""`/v1/messages`: the front door for clients of Anthropic's Messages API."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import structs

from antiphon.dialects.messages.count import estimate_input
from antiphon.dialects.messages.encode import Asked, MessagesAnswer, MessagesStream
from antiphon.dialects.messages.parse import Parsed, parse_count, parse_messages
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, Headers, send_bytes
from antiphon.edge.door import allow_models, answer_whole, answer_with_stream, arrival, web_wish
from antiphon.edge.watch import Watch

__all__ = ["count_tokens", "create"]

_BETA = b"anthropic-beta"

#: What this dialect calls the fields that faults and notices name.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "input": "messages",
        "input.reasoning": "messages.thinking",
        "instructions": "system",
        "max_output_tokens": "max_tokens",
        "max_tool_calls": "tools.max_uses",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "reasoning": "thinking",
        "reasoning.effort": "output_config.effort",
        "reasoning.summary": "thinking.display",
        "stop": "stop_sequences",
        "text.format": "output_config.format",
        "text.format.schema": "output_config.format.schema",
        "user": "metadata.user_id",
    }
)


async def create(services: Services, exchange: Exchange) -> None:
    """`POST /v1/messages`."""
    body = await services.bodies.read_json(exchange)
    parsed = parse_messages(body, betas=exchange.header(_BETA))
    wish = web_wish(services, parsed.request, body)
    if wish is not None:
        parsed = parse_messages(wish.body, betas=exchange.header(_BETA))
        parsed = structs.replace(parsed, request=wish.onto(parsed.request))
    request = parsed.request
    allow_models(exchange, request)
    _allow_upstream_models(exchange, parsed)
    if request.stream:
        asked = Asked(exchange.request_id, parsed.omits_thinking, estimate_input(request), parsed.edits)
        stream = MessagesStream(asked)
        await answer_with_stream(services, exchange, request=request, encoder=stream, names=_NAMES)
    else:
        asked = Asked(exchange.request_id, parsed.omits_thinking, edits=parsed.edits)
        await answer_whole(services, exchange, request=request, encoder=MessagesAnswer(asked), names=_NAMES)


def _allow_upstream_models(exchange: Exchange, parsed: Parsed) -> None:
    """`fallbacks` names models as the provider does; the key's list may know them under the provider's name."""
    principal = exchange.known
    provider, slash, _ = parsed.request.model.partition("/")
    for name in parsed.models:
        if not (slash and principal.may_use(f"{provider}/{name}")):
            principal.allow_model(name, param="fallbacks")


async def count_tokens(services: Services, exchange: Exchange) -> None:
    """`POST /v1/messages/count_tokens`: by the provider where it counts, else an estimate that says that it is one."""
    body = await services.bodies.read_json(exchange)
    request = parse_count(body, betas=exchange.header(_BETA))
    wish = web_wish(services, request, body)
    if wish is not None:
        request = wish.onto(parse_count(wish.body, betas=exchange.header(_BETA)))
    exchange.known.allow_model(request.model)
    async with Watch(exchange):
        counted = await services.engine.count_input(request, tenant=exchange.known.tenant, arrival=arrival(exchange))
    if exchange.client_gone:
        return
    answer: dict[str, object] = {"input_tokens": counted}
    headers: Headers = []
    if counted is None:
        answer = {"input_tokens": estimate_input(request), "estimated": True}
        headers.append((b"x-antiphon-estimated", b"input_tokens"))
    await send_bytes(exchange, 200, body=msgspec.json.encode(answer), headers=headers)
