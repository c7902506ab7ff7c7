"""Clients that read slowly, or not at all: row D4. In a gateway of its own, so that its memory can be weighed."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Connection, Part, Reply, ScriptedUpstream, Seen, sse, stream, text_chunks

MIB = 1024 * 1024
READERS = 6
#: Far more than all buffers between a provider and a client can hold.
OFFERED_BYTES = 64 * MIB
#: What a stuck run may cost: what waits for its reader, what came in meanwhile, and its answer so far. Roughly, for
#: the allocator rounds up; without a bound it would be all that is offered.
COST_KIB = 6 * 1024


class Flood(Sequence[Part]):
    """A reply's parts: few words in many events, as models speak. Counts what was taken of it."""

    def __init__(self) -> None:
        self.taken_bytes = 0
        self._first, *words = sse(*text_chunks(*[" word"] * 100), done=False)
        self._words = b"".join(words[:100])

    def __len__(self) -> int:
        return OFFERED_BYTES // len(self._words)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # nobody takes slices of it
        if index >= len(self):
            raise IndexError
        self.taken_bytes += len(self._words)
        return self._words if index else self._first


class Floods:
    """A model that floods whoever asks `flood`, and answers everybody else."""

    def __init__(self) -> None:
        self.running: list[Flood] = []

    def __call__(self, request: Seen) -> Reply:
        if b"flood" not in request.body:
            return stream(*text_chunks("Quick", " answer."))
        flood = Flood()
        self.running.append(flood)
        return Reply(flood, headers={"content-type": "text/event-stream"}, framing="chunked")


async def open_stream(url: str, key: str) -> socket.socket:
    """A client that asks for a flood and then reads nothing. Its system takes as little as it can for it."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = url.removeprefix("http://").split(":")
    opened.connect((host, int(port)))
    body = msgspec.json.encode({"model": "test/m", "input": "flood", "stream": True, "store": False})
    opened.sendall(
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )
    return opened


@asynccontextmanager
async def flooded(
    directory: Path, send_stall_s: float
) -> AsyncIterator[tuple[GatewayProcess, str, Floods, ScriptedUpstream]]:
    floods = Floods()
    async with ScriptedUpstream(floods) as upstream:
        config = write_config(directory, upstream.url, server={"send_stall_s": send_stall_s, "access_log": False})
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway:
            yield gateway, key, floods, upstream


def test_d4_readers_that_stop_cost_little_hold_up_nobody_and_are_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with flooded(tmp_path, send_stall_s=2) as (gateway, key, floods, upstream):
            await quick_stream(gateway.url, key)
            before = gateway.memory_kib()["RssAnon"]
            readers = [await open_stream(gateway.url, key) for _ in range(READERS)]
            while len(floods.running) < READERS:
                await quick_stream(gateway.url, key)
            took_s, most = [], 0
            dropped = [connection.closed for connection in flooding(upstream)]
            while not all(closed.is_set() for closed in dropped):
                took_s.append(await quick_stream(gateway.url, key))
                most = max(most, gateway.memory_kib()["RssAnon"])
            for flood in floods.running:
                assert flood.taken_bytes < OFFERED_BYTES // 2, "the upstream was not read more slowly"
            assert most - before < READERS * COST_KIB
            assert sorted(took_s)[len(took_s) // 2] < 0.25
            for reader in readers:
                reader.close()

    asyncio.run(main())


def flooding(upstream: ScriptedUpstream) -> list[Connection]:
    numbers = {request.connection for request in upstream.requests if b"flood" in request.body}
    return [upstream.connections[number] for number in numbers]


async def metrics(url: str, key: str) -> str:
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url + "/metrics") as answer:
        return await answer.text()


def ended_requests(told: str) -> list[str]:
    """The requests for a response that are over, by status."""
    return [line for line in told.splitlines() if line.startswith('antiphon_requests_total{route="/v1/responses"')]


async def quick_stream(url: str, key: str) -> float:
    """How long a stream takes that nothing holds up."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        headers = {"authorization": f"Bearer {key}"}
        body = {"model": "test/m", "input": "Hi", "stream": True, "store": False}
        async with session.post(url + "/v1/responses", json=body, headers=headers) as answer:
            assert check_stream(await answer.read()).text == "Quick answer."
    return time.monotonic() - began


def test_d4_a_reader_that_is_merely_slow_gets_everything(tmp_path: Path) -> None:
    pieces = [f"{number} " * 50 for number in range(400)]

    async def main() -> bytes:
        async with ScriptedUpstream(stream(*text_chunks(*pieces))) as upstream:
            server = {"send_stall_s": 0.5, "heartbeat_s": 0.1, "access_log": False}
            config = write_config(tmp_path, upstream.url, server=server)
            key = add_key(database_url(config))
            async with gateway_process(config) as gateway:
                opened = await open_stream(gateway.url, key)
                received = b""
                opened.setblocking(False)
                loop = asyncio.get_running_loop()
                while b"[DONE]" not in received:
                    piece = await loop.sock_recv(opened, 1024)
                    assert piece, received[-500:]
                    received += piece
                opened.close()
                return received

    text = asyncio.run(main())
    assert text.count(b"event: response.output_text.delta") == len(pieces)
    assert b"event: response.completed" in text


def test_d4_a_reader_that_stops_while_the_provider_is_silent_is_dropped_too(tmp_path: Path) -> None:
    """Then it is a heartbeat that cannot be sent."""

    async def main() -> None:
        flood = Flood()
        some = [flood[index] for index in range(500)]
        reply = Reply([*some, "stall"], headers={"content-type": "text/event-stream"}, framing="chunked")
        async with ScriptedUpstream(reply) as upstream:
            server = {"send_stall_s": 0.5, "heartbeat_s": 0.1, "access_log": False}
            config = write_config(tmp_path, upstream.url, server=server)
            key = add_key(database_url(config))
            async with gateway_process(config) as gateway:
                opened = await open_stream(gateway.url, key)
                await upstream.received(1)
                await upstream.closed(0)
                opened.close()

    asyncio.run(main())


def test_d4_a_reader_that_stops_at_the_end_is_dropped_too(tmp_path: Path) -> None:
    """All has been said, but its last events cannot be sent."""

    async def main() -> None:
        async with ScriptedUpstream(stream(*text_chunks("x" * 7 * MIB))) as upstream:
            config = write_config(tmp_path, upstream.url, server={"send_stall_s": 0.5, "access_log": False})
            key = add_key(database_url(config))
            async with gateway_process(config) as gateway:
                opened = await open_stream(gateway.url, key)
                await upstream.received(1)
                began = time.monotonic()
                while not ended_requests(await metrics(gateway.url, key)):
                    assert time.monotonic() - began < 10
                opened.close()

    asyncio.run(main())
