"""Counting a prompt before it is sent, where the provider does that."""

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.engine.attempts import Call
from antiphon.engine.prepare import Parts, prepare
from antiphon.engine.record import Arrival, Record
from antiphon.protocol.exchange import UpstreamRequest
from antiphon.protocol.faults import UpstreamFault
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Request

__all__ = ["count_input"]

#: Only this vendor counts what its own clients will send, and needs no key of its own for it.
_PROTOCOL = "anthropic"
_ENDPOINT = "/messages"
_ANSWER_BYTES = 64 * 1024
_WAIT_S = 30.0

#: What the endpoint takes of a request's body.
_COUNTED = frozenset(
    {
        "cache_control",
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)


class _Counted(Struct, frozen=True):
    input_tokens: int


_fields = msgspec.json.Decoder(dict[str, Raw])
_counted = msgspec.json.Decoder(_Counted)
_encode = msgspec.json.Encoder().encode


async def count_input(request: Request, tenant: Tenant, *, parts: Parts, arrival: Arrival) -> int | None:
    """The tokens of a prompt as its provider counts them; `None` where it does not.

    Raises:
        Fault: the model is unknown, the prompt cannot be sent to it, or the provider refused or could not be reached.
            Cancelling closes the connection.
    """
    if all(target.protocol != _PROTOCOL for target in parts.router.targets(request.model)):
        return None
    record = Record("", tenant.id, arrival.caller, created_at=0, model=request.model, stream=False, store=False)
    plan = await prepare(request, tenant, parts=parts, record=record, arrival=arrival)
    if plan.call.target.protocol != _PROTOCOL or not plan.call.upstream.url.endswith(_ENDPOINT):
        return None  # where the model stands in the URL, counting is done elsewhere
    return await _ask(plan.call, parts=parts)


async def _ask(call: Call, *, parts: Parts) -> int | None:
    async with await parts.client.open(_counting(call.upstream)) as exchange:
        body = await exchange.read_all(_ANSWER_BYTES)
        if exchange.status in (404, 405, 501):
            return None  # others that speak this dialect do not all count
        if not 200 <= exchange.status < 300:
            raise call.codec.fault(exchange.status, exchange.headers, body=body, target=call.target)
        try:
            return _counted.decode(body).input_tokens
        except (msgspec.DecodeError, UnicodeError) as error:
            raise UpstreamFault(
                f"The provider '{call.target.provider}' gave an answer that could not be read.",
                code="upstream_protocol_error",
                detail=str(error),
            ) from error


def _counting(upstream: UpstreamRequest) -> UpstreamRequest:
    """The request that asks for the count instead of the answer."""
    body = {name: value for name, value in _fields.decode(upstream.body).items() if name in _COUNTED}
    return structs.replace(
        upstream,
        url=f"{upstream.url}/count_tokens",
        body=_encode(body),
        stream=False,
        first_byte_s=_WAIT_S,
        idle_s=_WAIT_S,
    )
