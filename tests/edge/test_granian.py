"""The application on another ASGI server: only the limits on request heads are the server's own."""

import asyncio
import io
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from tests.helpers.gateway import add_key
from tests.helpers.process import database_url, write_config
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, Seen, answer_like, sse, text_chunks

WIRE = sse(*text_chunks("Hel", "lo."))
EVENTS = {"content-type": "text/event-stream"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def granian(config: Path) -> AsyncIterator[str]:
    """The application as granian serves it, ready; told to stop at the end."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "antiphon.app:create_app"),
        *("--host", "127.0.0.1", "--port", str(port), "--no-ws"),
        cwd=config.parent,
        env={**os.environ, "ANTIPHON_CONFIG": str(config)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.get(url + "/readyz") as ready:
                        if ready.status == 200:
                            break
                await asyncio.sleep(0.02)
        yield url
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


def test_answers_streams_errors_and_disconnects_are_the_same_on_granian(tmp_path: Path) -> None:
    gate = Gate()

    def brain(request: Seen) -> Reply:
        if b"stall" in request.body:
            return Reply([*WIRE[:2], "stall"], headers=EVENTS, framing="chunked")
        if b"wait" in request.body:
            return Reply(["stall"], framing="raw")
        if b"late" in request.body:
            return Reply([gate, *WIRE], headers=EVENTS, framing="chunked")
        return answer_like(request, "Hello.")

    async def main() -> None:
        async with ScriptedUpstream(brain) as upstream:
            server = {"heartbeat_s": 0.1, "early_status_s": 0.1, "max_body_mib": 1}
            config = write_config(tmp_path, upstream.url, server=server)
            headers = {"authorization": "Bearer " + add_key(database_url(config))}
            async with granian(config) as url, aiohttp.ClientSession(url, headers=headers) as session:
                await answers(session)
                await refusals(session)
                await heartbeats(session, gate)
                await disconnects(session, upstream)

    asyncio.run(main())


async def answers(session: aiohttp.ClientSession) -> None:
    async with session.post("/v1/responses", json={"model": "test/m", "input": "Hi"}) as got:
        made = check_response(await got.json())
        assert got.headers["x-actual-model"] == "test/m"
    async with session.post("/v1/responses", json={"model": "test/m", "input": "Hi", "stream": True}) as got:
        assert got.content_type == "text/event-stream"
        assert check_stream(await got.read()).text == "Hello."
    async with session.get(f"/v1/responses/{made['id']}") as got:
        assert await got.json() == made


async def refusals(session: aiohttp.ClientSession) -> None:
    for arguments, status, code in (
        ({"json": {"model": "test/m"}}, 400, "missing_required_parameter"),
        ({"data": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"data": b"x"}, 415, "unsupported_media_type"),
        ({"json": {}, "headers": {"authorization": "Bearer x"}}, 401, "invalid_api_key"),
    ):
        async with session.post("/v1/responses", **arguments) as got:
            assert (got.status, (await got.json())["error"]["code"]) == (status, code)
    too_large = io.BytesIO(b" " * 2_000_000)
    with suppress(aiohttp.ClientOSError):  # it may close before the last byte is written
        async with session.post("/v1/responses", data=too_large, headers={"content-type": "application/json"}) as got:
            assert (got.status, (await got.json())["error"]["code"]) == (413, "request_too_large")
    async with session.get("/v1/%ed%a0%80%00") as got:
        assert (got.status, (await got.json())["error"]["code"]) == (404, "unknown_endpoint")


async def heartbeats(session: aiohttp.ClientSession, gate: Gate) -> None:
    async with session.post("/v1/responses", json={"model": "test/m", "input": "late", "stream": True}) as got:
        seen = b""
        while seen.count(b": keep-alive") < 2:
            seen += await got.content.readany()
        gate.open()
        assert check_stream(seen + await got.read()).text == "Hello."


async def disconnects(session: aiohttp.ClientSession, upstream: ScriptedUpstream) -> None:
    for text, streamed in (("stall", True), ("wait", False)):
        asked = len(upstream.requests)
        asking = asyncio.create_task(
            session.post("/v1/responses", json={"model": "test/m", "input": text, "stream": streamed})
        )
        request = (await upstream.received(asked + 1))[-1]
        if streamed:
            got = await asking
            await got.content.readany()
            got.close()
        else:
            asking.cancel()
        began = time.monotonic()
        await upstream.closed(request.connection)
        assert time.monotonic() - began < 1
