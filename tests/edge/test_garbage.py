"""Requests leave nothing behind that only the garbage collector could find: it is memory, and looking for it is time."""

import asyncio
import gc
import time
import weakref
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from antiphon.edge.admission import Admission, AdmissionLimits
from antiphon.edge.asgi import Message, Receive, Scope, Send
from antiphon.edge.server import GatewayServer, server_config
from tests.edge.wire import Wire, request_of
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Script, Seen, ThreadedUpstream, answer_like, error, stream, text_chunks

_TIMES = 5


class Answering:
    """An application that answers, and remembers what its server gave it, weakly."""

    def __init__(self) -> None:
        self.admission = Admission(AdmissionLimits())
        self.seen: list[weakref.ref[object]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            started: Message = {"type": "lifespan.startup.complete"}
            await send(started)
            await receive()
            ended: Message = {"type": "lifespan.shutdown.complete"}
            await send(ended)
            return
        self.seen.append(weakref.ref(receive.__self__))  # type: ignore[attr-defined]  # the server's side of the request
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def nothing() -> None:
    """No run to wait for."""


def test_an_answered_request_is_freed_without_a_collection() -> None:
    async def main() -> list[weakref.ref[object]]:
        app = Answering()
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        config = server_config(app, host="127.0.0.1", port=0, drain_s=1, proxies=())
        server = GatewayServer(config, drain=nothing, started=url.set_result)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve())
            port = int((await url).rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            gc.disable()
            try:
                for _ in range(3):
                    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                    await reader.readuntil(b"\r\n\r\nok")
                alive = [ref for ref in app.seen[:-1] if ref() is not None]  # the connection holds the last one
            finally:
                gc.enable()
            writer.close()
            server.stop()
        return alive

    assert not asyncio.run(main())


def _says(request: Seen) -> Reply:
    return answer_like(request, "Hello there")


def _breaks_off(_: Seen) -> Reply:
    return stream(*text_chunks("Hello", " there")[:2], "reset", done=False)


def _fails(_: Seen) -> Reply:
    return error(500, "Something broke.")


def _recovers() -> Script:
    replies = cycle([error(500, "Something broke."), error(503, "Not now."), None])

    def reply(request: Seen) -> Reply:
        return next(replies) or answer_like(request, "Hello there")

    return reply


#: Two of three attempts fail, in different ways.
_RECOVERS = _recovers()


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
        (_RECOVERS, _whole),
        (_RECOVERS, _streamed),
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
    config = {"retries": {"attempts": 3 if script is _RECOVERS else 1}}
    with ThreadedUpstream(script) as upstream, Gateway(upstream.url, tmp_path, config=config) as gateway:
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
