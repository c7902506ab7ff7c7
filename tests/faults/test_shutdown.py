"""A process that is told to stop: row P4."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.helpers.gateway import add_key
from tests.helpers.local_model import local_model_path, process_end
from tests.helpers.process import GatewayProcess, children_of, database_url, gateway_process, refused, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, sse, text_chunks

WIRE = sse(*text_chunks("Hel", "lo."))
EVENTS = {"content-type": "text/event-stream"}


class Client:
    """One connection's worth of requests to a gateway."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def create(self, **body: Any) -> aiohttp.ClientResponse:
        return await self._session.post(self.url + "/v1/responses", json={"model": "test/m", "input": "Hi", **body})


@asynccontextmanager
async def running(
    directory: Path, reply: Reply, drain_s: float
) -> AsyncIterator[tuple[GatewayProcess, Client, ScriptedUpstream]]:
    async with ScriptedUpstream(reply) as upstream:
        config = write_config(directory, upstream.url, server={"drain_s": drain_s, "access_log": False})
        headers = {"authorization": "Bearer " + add_key(database_url(config))}
        async with gateway_process(config) as gateway, aiohttp.ClientSession(headers=headers) as session:
            yield gateway, Client(session, gateway.url), upstream


async def read_until(answer: aiohttp.ClientResponse, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += await answer.content.readany()
    return seen


def rows(directory: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(directory / "data" / "antiphon.db")) as connection, connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_p4_a_stream_within_the_limit_runs_to_its_end(tmp_path: Path, sent: signal.Signals) -> None:
    gate = Gate()

    async def main() -> None:
        reply = Reply([*WIRE[:2], gate, *WIRE[2:]], headers=EVENTS, framing="chunked")
        async with running(tmp_path, reply, drain_s=30) as (gateway, client, _):
            answer = await client.create(stream=True)
            seen = await read_until(answer, b'"delta":"Hel"')
            os.kill(gateway.pid, sent)
            await refused(client.url)
            gate.open()
            checked = check_stream(seen + await answer.read())
            assert checked.response["status"] == "completed"
            assert checked.text == "Hello."
            assert await gateway.stop() == 0
            assert rows(tmp_path, "SELECT status FROM responses") == [("completed",)]

    asyncio.run(main())


def test_p4_a_stream_beyond_the_limit_is_ended_and_stored_as_failed(tmp_path: Path) -> None:
    async def main() -> None:
        reply = Reply([*WIRE[:2], "stall"], headers=EVENTS, framing="chunked")
        async with running(tmp_path, reply, drain_s=0.2) as (gateway, client, upstream):
            answer = await client.create(stream=True)
            seen = await read_until(answer, b'"delta":"Hel"')
            code = asyncio.create_task(gateway.stop())
            checked = check_stream(seen + await answer.read())
            assert checked.response["status"] == "failed"
            assert checked.response["error"]["reason"] == "shutting_down"
            assert checked.text == "Hel"
            assert await code == 0
            await upstream.closed(0)
            assert rows(tmp_path, "SELECT status FROM responses") == [("failed",)]
            assert rows(tmp_path, "SELECT status, error_code FROM runs") == [("failed", "shutting_down")]

    asyncio.run(main())


@pytest.mark.parametrize("streamed", [False, True])
def test_p4_who_has_no_output_yet_gets_503(tmp_path: Path, streamed: bool) -> None:
    async def main() -> None:
        async with running(tmp_path, Reply(["stall"], framing="raw"), drain_s=0.2) as (gateway, client, upstream):
            asking = asyncio.create_task(client.create(stream=streamed))
            await upstream.received(1)
            code = asyncio.create_task(gateway.stop())
            answer = await asking
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "shutting_down"
            assert await code == 0
            assert rows(tmp_path, "SELECT 1 FROM responses") == []

    asyncio.run(main())


def test_p4_without_anything_to_do_the_process_ends_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, Reply(), drain_s=30) as (gateway, client, _):
            idle = await asyncio.open_connection(*client.url.removeprefix("http://").split(":"))
            assert await asyncio.wait_for(gateway.stop(), 5) == 0
            assert await idle[0].read() == b""
            idle[1].close()

    asyncio.run(main())


def test_p4_connections_that_come_while_the_process_ends_do_not_keep_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, Reply(), drain_s=30) as (gateway, client, _):
            host, port = client.url.removeprefix("http://").split(":")
            idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

            async def knock() -> None:
                with suppress(OSError):
                    while len(idle) < 2000:
                        idle.append(await asyncio.open_connection(host, port))

            knocking = [asyncio.create_task(knock()) for _ in range(4)]
            await asyncio.sleep(0.02)
            assert await asyncio.wait_for(gateway.stop(), 5) == 0
            await asyncio.wait_for(asyncio.gather(*knocking), 5)
            for reader, writer in idle:
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()

    asyncio.run(main())


def test_p4_the_local_model_ends_with_the_process(tmp_path: Path) -> None:
    path = local_model_path()

    async def main() -> None:
        config = write_config(tmp_path, local={"enabled": True, "model": str(path), "slots": 1, "context": 512})
        async with gateway_process(config) as gateway:
            (child,) = children_of(gateway.pid)
            assert await gateway.stop() == 0
            await process_end(child)

    asyncio.run(main())
