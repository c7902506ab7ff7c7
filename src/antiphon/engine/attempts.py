"""One call of an upstream: send, read, decode. What the deltas mean is the run's business."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from antiphon.engine.ports import Client, Exchange, Health
from antiphon.engine.record import Attempt
from antiphon.protocol.deltas import Delta
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Codec, Decoder, Encoded

__all__ = ["Call", "Taker", "attempt", "error_body", "upstream_request"]

#: An error body is read this far, and waited for so long; the rest explains nothing more.
_ERROR_BODY_BYTES = 64 * 1024
_ERROR_BODY_S = 5.0

#: An answer in one piece comes when the model has thought to its end; the limit of the run is shorter than this.
_WHOLE_ANSWER_S = 86_400.0

#: After the model stopped, only usage and the end marker can follow. An upstream that keeps the line open instead is
#: not waited for longer than this.
_GRACE_S = 3.0

#: After the end marker only the end of the body can follow. Waiting for it keeps the connection usable.
_GRACE_DONE_S = 0.1


class Taker(Protocol):
    """What becomes of the deltas of each read."""

    @property
    def elapsed_ms(self) -> Callable[[], int]:
        """Tells the time since the request came."""

    def take_now(self, batch: list[Delta]) -> bool:
        """Deal with them without waiting, as is possible for nearly all; false leaves them to `take`."""

    async def take(self, batch: list[Delta]) -> bool:
        """Deal with them. Whether the model has stopped."""


class Call(Struct, frozen=True):
    """What to send where, and how to read the answer."""

    request: Request
    target: Target
    codec: Codec
    upstream: UpstreamRequest


def upstream_request(encoded: Encoded, target: Target) -> UpstreamRequest:
    """What the codec wrote, with the way to get there."""
    return UpstreamRequest(  # by position, in the order of its fields; one is made for each request
        encoded.url,
        encoded.body,
        encoded.headers,
        encoded.stream,
        target.provider,
        target.proxy,
        target.ca_file,
        target.first_byte_s if encoded.stream else _WHOLE_ANSWER_S,
        target.idle_s if encoded.stream else _WHOLE_ANSWER_S,
    )


async def attempt(
    call: Call,
    client: Client,
    *,
    health: Health,
    trace: Attempt,
    taker: Taker,
) -> None:
    """Read one answer to its end, and tell what that says of the target's health.

    Raises:
        Fault: the upstream refused, broke, or could not be reached. Cancelling closes the connection at once.
    """
    trace.start = taker.elapsed_ms()
    tried = health.begin(call.target)
    try:
        exchange = await client.open(call.upstream)
        try:
            trace.first_byte = taker.elapsed_ms()
            trace.status = exchange.status
            if not 200 <= exchange.status < 300:
                body = await error_body(exchange)
                raise call.codec.fault(exchange.status, exchange.headers, body=body, target=call.target)
            await _read(call, exchange, taker=taker)
        finally:
            exchange.close()
    except Fault as fault:
        tried.failed(fault)
        raise
    else:
        tried.served(latency_ms=trace.latency_ms, streamed=call.upstream.stream)
    finally:
        tried.left()
        trace.end = taker.elapsed_ms()


async def error_body(exchange: Exchange) -> bytes:
    """What the upstream says of a failure, as far as it comes: too long, cut or late, the status holds all the same."""
    deadline = asyncio.get_running_loop().time() + _ERROR_BODY_S
    body = b""
    while len(body) < _ERROR_BODY_BYTES and (data := await _read_until(exchange, deadline)):
        body += data
    return body[:_ERROR_BODY_BYTES]


async def _read(call: Call, exchange: Exchange, *, taker: Taker) -> None:
    decoder = call.codec.decoder(call.request, call.target, content_type=exchange.content_type)
    batch: list[Delta] = []

    def feed(data: bytes) -> bool:
        nonlocal batch
        batch = decoder.feed(data)
        return not decoder.done and (not batch or taker.take_now(batch))

    while await exchange.pump(feed):
        if (batch and await taker.take(batch)) or decoder.done:
            await _read_rest(exchange, decoder, taker=taker)
            return
    if batch := decoder.eof():
        await taker.take(batch)


async def _read_rest(exchange: Exchange, decoder: Decoder, *, taker: Taker) -> None:
    """What comes after the model has stopped. Only what says something moves the deadline."""
    time = asyncio.get_running_loop().time
    deadline = time() + (_GRACE_DONE_S if decoder.done else _GRACE_S)
    while data := await _read_until(exchange, deadline):
        if batch := decoder.feed(data):
            await taker.take(batch)
            deadline = time() + (_GRACE_DONE_S if decoder.done else _GRACE_S)
    if batch := decoder.eof():
        await taker.take(batch)


async def _read_until(exchange: Exchange, deadline: float) -> bytes:
    """Where all that matters has been said, a reset or silence is as good as the end."""
    try:
        async with asyncio.timeout_at(deadline):
            return await exchange.read()
    except (TimeoutError, NetworkFault):
        return b""
