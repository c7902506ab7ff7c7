"""Requests leave nothing behind that only the garbage collector could find."""

import asyncio
import gc
import weakref

from antiphon.edge.admission import Admission, AdmissionLimits
from antiphon.edge.asgi import Message, Receive, Scope, Send
from antiphon.edge.server import GatewayServer, server_config


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
            server.should_exit = True
        return alive

    assert not asyncio.run(main())
