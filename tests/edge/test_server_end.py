"""A server whose application breaks behind it does not go on answering errors for ever."""

import asyncio

import pytest

from antiphon.edge.admission import Admission, AdmissionLimits
from antiphon.edge.asgi import Message, Receive, Scope, Send
from antiphon.edge.server import GatewayServer, server_config


class Breaking:
    """An application whose lifespan ends in an error once it has been told to break."""

    def __init__(self) -> None:
        self.break_now = asyncio.Event()
        self.admission = Admission(AdmissionLimits())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        started: Message = {"type": "lifespan.startup.complete"}
        await send(started)
        await self.break_now.wait()
        raise RuntimeError("a task behind the application broke")


async def nothing() -> None:
    """No run to wait for."""


def test_a_lifespan_that_breaks_ends_the_server_as_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = Breaking()
        listening = asyncio.Event()
        config = server_config(app, host="127.0.0.1", port=0, drain_s=1, proxies=())
        server = GatewayServer(config, drain=nothing, started=lambda _: listening.set())
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve())
            await asyncio.wait_for(listening.wait(), 10)
            assert not server.failed
            app.break_now.set()
            await asyncio.wait_for(asyncio.shield(serving), 10)
        assert server.failed

    asyncio.run(main())
    assert "a task behind the application broke" in caplog.text
