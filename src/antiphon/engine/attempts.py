"""One call of an upstream: send, read, decode. What the deltas mean is the run's business."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from antiphon.engine.ports import Client, Exchange
from antiphon.engine.record import Attempt
from antiphon.protocol.deltas import Delta
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Codec, Encoded

__all__ = ["Call", "attempt", "upstream_request"]

#: An error body is read this far; the rest explains nothing more.
_ERROR_BODY_BYTES = 64 * 1024

#: An answer in one piece comes when the model has thought to its end; the limit of the run is shorter than this.
_WHOLE_ANSWER_S = 86_400.0

#: After the model stopped, only usage and the end marker can follow. An upstream that keeps the line open instead is
#: not waited for longer than this.
_GRACE_S = 3.0

#: After the end marker only the end of the body can follow. Waiting for it keeps the connection usable.
_GRACE_DONE_S = 0.1


class Call(Struct, frozen=True):
    """What to send where, and how to read the answer."""

    request: Request
    target: Target
    codec: Codec
    upstream: UpstreamRequest


def upstream_request(encoded: Encoded, target: Target) -> UpstreamRequest:
    """What the codec wrote, with the way to get there."""
    return UpstreamRequest(
        url=encoded.url,
        body=encoded.body,
        headers=encoded.headers,
        stream=encoded.stream,
        provider=target.provider,
        proxy=target.proxy,
        ca_file=target.ca_file,
        first_byte_s=target.first_byte_s if encoded.stream else _WHOLE_ANSWER_S,
        idle_s=target.idle_s if encoded.stream else _WHOLE_ANSWER_S,
    )


async def attempt(
    call: Call,
    client: Client,
    *,
    trace: Attempt,
    clock_ms: Callable[[], int],
    take: Callable[[list[Delta]], Awaitable[bool]],
) -> None:
    """Read one answer to its end. `take` gets the deltas of each read and says whether the model has stopped.

    Raises:
        Fault: the upstream refused, broke, or could not be reached. Cancelling closes the connection at once.
    """
    trace.start = clock_ms()
    try:
        async with await client.open(call.upstream) as exchange:
            trace.first_byte = clock_ms()
            trace.status = exchange.status
            if not 200 <= exchange.status < 300:
                body = await exchange.read_all(_ERROR_BODY_BYTES)
                raise call.codec.fault(exchange.status, exchange.headers, body=body, target=call.target)
            await _read(call, exchange, take=take)
    finally:
        trace.end = clock_ms()


async def _read(call: Call, exchange: Exchange, *, take: Callable[[list[Delta]], Awaitable[bool]]) -> None:
    decoder = call.codec.decoder(call.request, call.target, content_type=exchange.content_type)
    time = asyncio.get_running_loop().time
    stopped = False
    deadline: float | None = None  # once the model has stopped; only what says something moves it
    while True:
        data = await (exchange.read() if deadline is None else _read_until(exchange, deadline))
        batch = decoder.feed(data) if data else decoder.eof()
        if batch:
            stopped = await take(batch)
        if not data:
            return
        if (batch or deadline is None) and (stopped or decoder.done):
            deadline = time() + (_GRACE_DONE_S if decoder.done else _GRACE_S)


async def _read_until(exchange: Exchange, deadline: float) -> bytes:
    """After the model stopped, a reset or silence is as good as the end."""
    try:
        async with asyncio.timeout_at(deadline):
            return await exchange.read()
    except (TimeoutError, NetworkFault):
        return b""
