"""What a request made is gone when it has ended. What waits for the collector is memory, and looking for it is time."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge.wire import Wire, request_of
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Script, Seen, ThreadedUpstream, answer_like, error, stream, text_chunks

_TIMES = 5


def _says(request: Seen) -> Reply:
    return answer_like(request, "Hello there")


def _breaks_off(_: Seen) -> Reply:
    return stream(*text_chunks("Hello", " there")[:2], "reset", done=False)


def _fails(_: Seen) -> Reply:
    return error(500, "Something broke.")


def _whole(gateway: Gateway) -> None:
    gateway.create(input="Hi")


def _streamed(gateway: Gateway) -> None:
    gateway.create(input="Hi", stream=True)


def _message(gateway: Gateway) -> None:
    body = {"model": "test/m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    gateway.request("POST", "/v1/messages", body=body)


def _two_choices(gateway: Gateway) -> None:
    body = {"model": "test/m", "n": 2, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    gateway.request("POST", "/v1/chat/completions", body=body)


def _invalid(gateway: Gateway) -> None:
    gateway.create(input=5)


def _hung_up(gateway: Gateway) -> None:
    with Wire(gateway) as wire:
        wire.send(request_of(gateway, stream=True)).socket.recv(64)


@pytest.mark.parametrize(
    ("script", "ask"),
    [
        (_says, _whole),
        (_says, _streamed),
        (_says, _message),
        (_says, _two_choices),
        (_says, _invalid),
        (_says, _hung_up),
        (_fails, _whole),
        (_fails, _streamed),
        (_breaks_off, _whole),
        (_breaks_off, _streamed),
        (_breaks_off, _message),
    ],
)
def test_nothing_that_a_request_made_waits_for_the_collector(
    tmp_path: Path, script: Script, ask: Callable[[Gateway], None]
) -> None:
    with ThreadedUpstream(script) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        ask(gateway)  # what is made once
        _rest(gateway)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(_TIMES):
                ask(gateway)
            _rest(gateway)
            gc.collect()
            left = Counter(type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("antiphon."))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert not left


def _rest(gateway: Gateway) -> None:
    """Until everybody has hung up, and what that set off has run."""
    until = time.monotonic() + 10
    while gateway.connections and time.monotonic() < until:
        time.sleep(0.01)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), gateway.loop).result(10)
