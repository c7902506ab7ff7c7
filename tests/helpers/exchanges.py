"""What tests of the upstream client share: both event loops, a request, and an exchange ready to be read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.client import Exchange, UpstreamClient
from tests.helpers.upstream import Script, ScriptedUpstream

__all__ = ["Run", "ask", "exchange_with", "fault_of", "read_to_end", "run_on"]

Run = Callable[[Coroutine[Any, Any, None]], None]


def run_on(loop: str) -> Run:
    """The standard library's event loop and the one used in production differ in what a cut looks like."""

    def run(work: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if loop == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(work, 30))

    return run


def ask(
    up: ScriptedUpstream, *, first_byte_s: float = 20.0, idle_s: float = 20.0, body: bytes = b"{}"
) -> UpstreamRequest:
    return UpstreamRequest(
        url=f"{up.url}/chat/completions",
        body=body,
        headers={"content-type": "application/json", "authorization": "Bearer sk-secret"},
        provider="acme",
        first_byte_s=first_byte_s,
        idle_s=idle_s,
    )


async def read_to_end(exchange: Exchange) -> tuple[bytes, NetworkFault | None]:
    received = b""
    try:
        while part := await exchange.read():
            received += part
    except NetworkFault as fault:
        return received, fault
    return received, None


async def fault_of(work: Awaitable[object]) -> NetworkFault:
    with pytest.raises(NetworkFault) as caught:
        await work
    assert "127.0.0.1" not in caught.value.message
    assert "sk-secret" not in caught.value.message + caught.value.detail
    return caught.value


@contextlib.asynccontextmanager
async def exchange_with(
    script: Script, *, idle_s: float = 20.0, decoded_cap_bytes: int = 10_000_000
) -> AsyncIterator[tuple[ScriptedUpstream, Exchange]]:
    """An exchange whose head has arrived, and the upstream at its other end."""
    async with (
        ScriptedUpstream(script) as up,
        UpstreamClient(decoded_cap_bytes=decoded_cap_bytes) as client,
        await client.open(ask(up, idle_s=idle_s)) as exchange,
    ):
        yield up, exchange
