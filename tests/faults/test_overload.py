"""More than there is room for: rows P5 and P6."""

import asyncio
import re
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.edge.wire import Wire, request_of
from tests.helpers.gateway import Answer, Gateway, add_key
from tests.helpers.process import database_url, gateway_process, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import (
    Gate,
    Reply,
    ScriptedUpstream,
    Seen,
    ThreadedUpstream,
    answer,
    chat_json,
    stream,
    text_chunks,
)

RUNS = 3
JSON = {"content-type": "application/json"}
DOORS: dict[str, dict[str, Any]] = {
    "/v1/responses": {"input": "Hi"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/embeddings": {"input": "Hi"},
    "/responses": {"input": "Hi"},
    "/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
}


class Held:
    """A full gateway: as many streams as it takes have begun, and wait in their middle until they are `let_go`."""

    def __init__(self, gateway: Gateway, gate: Gate) -> None:
        self.gateway = gateway
        self.gate = gate
        self.wires: list[Wire] = []

    def fill(self, stack: ExitStack, count: int = RUNS) -> None:
        for _ in range(count):
            wire = stack.enter_context(Wire(self.gateway))
            wire.send(request_of(self.gateway, stream=True, store=False))
            self.wires.append(wire)
        for wire in self.wires:
            assert wire.socket.recv(12) == b"HTTP/1.1 200"

    def let_go(self) -> None:
        """Every stream runs to its end, and is whole."""
        self.gate.open()
        for wire in self.wires:
            body = b""
            while not body.endswith(b"0\r\n\r\n"):
                piece = wire.socket.recv(65536)
                assert piece, body
                body += piece
            chunks = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", body.partition(b"\r\n\r\n")[2])
            assert check_stream(chunks.removesuffix(b"\r\n")).done


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Held]:
    gate = Gate()

    def brain(request: Seen) -> Reply:
        first, *rest = text_chunks("Hel", "lo.")
        return stream(first, rest[0], gate, *rest[1:]) if request.wants_stream else answer(chat_json("Hello."))

    config = {"limits": {"max_runs": RUNS}, "server": {"cors_origins": ["https://app.example"]}}
    with (
        ThreadedUpstream(brain) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
        ExitStack() as all_,
    ):
        held = Held(gateway, gate)
        held.fill(all_)
        try:
            yield held
        finally:
            gate.open()


def ask(gateway: Gateway, path: str, **headers: str) -> Answer:
    return gateway.request("POST", path, body={"model": "test/m", "store": False, **DOORS[path]}, headers=headers)


def assert_refused(refused: Answer, path: str = "/v1/responses") -> None:
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-should-retry"] == "true"
    assert refused.headers["x-request-id"]
    if "messages" in path:
        assert refused.status == 529
        assert refused.json["error"]["type"] == "overloaded_error"
        assert refused.json["request_id"] == refused.headers["request-id"] == refused.headers["x-request-id"]
    else:
        assert refused.status == 503
        assert refused.json["error"]["code"] == "overloaded"
        assert refused.json["error"]["type"] == "server_error"


def test_p5_beyond_the_cap_every_door_refuses_and_streams_go_on(full: Held) -> None:
    for path in DOORS:
        assert_refused(ask(full.gateway, path), path)
        assert_refused(full.gateway.request("POST", path, body=b"{", key=None), path)
    full.let_go()
    assert ask(full.gateway, "/v1/responses").status == 200


def test_p5_a_refusal_comes_within_50_ms(full: Held) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        assert_refused(ask(full.gateway, "/v1/responses"))
        return time.perf_counter() - began

    assert sorted(seconds() for _ in range(20))[10] < 0.05
    full.let_go()


def test_p5_health_and_metrics_always_answer(full: Held) -> None:
    assert_refused(ask(full.gateway, "/v1/responses"))
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert full.gateway.request("GET", path, key=None).status == 200
    metrics = full.gateway.request("GET", "/metrics").body.decode()
    assert 'antiphon_refused_total{reason="runs"} 1.0' in metrics
    assert f"antiphon_open_requests {RUNS}" in metrics
    full.let_go()


def test_p5_a_web_page_comes_to_read_its_refusal(full: Held) -> None:
    refused = ask(full.gateway, "/v1/responses", origin="https://app.example")
    assert_refused(refused)
    assert refused.headers["access-control-allow-origin"] == "https://app.example"
    full.let_go()


def test_p5_a_refusal_has_the_name_that_the_client_gave(full: Held) -> None:
    assert ask(full.gateway, "/v1/responses", **{"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    mended = ask(full.gateway, "/v1/responses", **{"x-request-id": "not allowed"}).headers["x-request-id"]
    assert mended.startswith("req_")
    full.let_go()


def test_p5_a_refused_connection_is_used_again(full: Held) -> None:
    asked = request_of(full.gateway, store=False)
    with Wire(full.gateway) as wire:
        for _ in range(3):
            assert_refused(wire.send(asked).answer())
        head, body = asked[:-20], asked[-20:]
        assert_refused(wire.send(head).send(body).answer())  # in two pieces
        wire.send(asked + asked)
        both = b""
        while both.count(b'"overloaded"') < 2:
            both += wire.socket.recv(65536)
        full.let_go()
        assert wire.send(asked).answer().status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"transfer-encoding: chunked\r\n\r\n5\r\n",
        b"content-length: 20000000\r\n\r\n",
        b"content-length: 5\r\nexpect: 100-continue\r\n\r\n",
    ],
    ids=["chunked", "large", "expecting"],
)
def test_p5_a_body_that_is_not_wanted_is_not_waited_for(full: Held, head: bytes) -> None:
    with Wire(full.gateway) as wire:
        refused = wire.send(b"POST /v1/responses HTTP/1.1\r\nhost: gateway\r\n" + head + b"hello").answer()
        assert_refused(refused)
        assert refused.headers["connection"] == "close"
        assert wire.rest() == b""
    full.let_go()


@pytest.mark.parametrize("end", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nconnection: close\r\n"])
def test_p5_who_wants_one_answer_only_gets_one(full: Held, end: bytes) -> None:
    with Wire(full.gateway) as wire:
        wire.send(b"POST /v1/responses " + end + b"host: gateway\r\ncontent-length: 2\r\n\r\n{}")
        assert_refused(wire.answer())
        assert wire.rest() == b""
    full.let_go()


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length : 2\r\n\r\n{}",
        b"content-length: +2\r\n\r\n{}",
    ],
)
def test_c11_what_can_be_read_in_two_ways_ends_the_connection_also_when_it_is_refused(full: Held, head: bytes) -> None:
    with Wire(full.gateway) as wire:
        wire.send(b"POST /v1/responses HTTP/1.1\r\nhost: gateway\r\n" + head)
        assert wire.answer().status in (400, 503)
        assert wire.rest() == b""
    full.let_go()


def test_p5_requests_behind_one_another_are_asked_when_their_turn_comes(full: Held) -> None:
    asked = request_of(full.gateway, store=False)
    full.wires[0].send(asked)  # behind its stream
    assert_refused(ask(full.gateway, "/v1/responses"))
    full.gate.open()
    seen = b""
    while b"HTTP/1.1 200" not in seen:  # of the stream it was read before
        piece = full.wires[0].socket.recv(65536)
        assert piece, seen
        seen += piece


def test_p5_several_answers_to_one_request_are_several_runs(full: Held) -> None:
    full.let_go()
    chat = {"model": "test/m", **DOORS["/v1/chat/completions"]}
    several = full.gateway.request("POST", "/v1/chat/completions", body={**chat, "n": RUNS})
    assert several.status == 200
    assert_refused(full.gateway.request("POST", "/v1/chat/completions", body={**chat, "n": RUNS + 1}))
    assert full.gateway.request("POST", "/v1/chat/completions", body={**chat, "n": RUNS}).status == 200


def test_p5_overload_is_noticed_by_itself_and_is_over_by_itself(tmp_path: Path) -> None:
    """Turns of the event loop may only take 5 ms here: what a few clients make of it is overload."""
    config = {"limits": {"late_s": 0.002}}
    with (
        ThreadedUpstream(stream(*text_chunks("Hello."))) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
    ):
        asked = request_of(gateway, store=False)
        seen: set[int] = set()

        def hammer(_: int) -> None:
            with Wire(gateway) as wire:
                until = time.monotonic() + 20
                while 503 not in seen and time.monotonic() < until:
                    seen.add(wire.send(asked).answer().status)

        with ThreadPoolExecutor(16) as crowd:
            list(crowd.map(hammer, range(16)))
        assert seen == {200, 503}
        until = time.monotonic() + 20
        while ask(gateway, "/v1/responses").status != 200:
            assert time.monotonic() < until


def test_p5_who_comes_while_a_huge_body_is_read_is_not_refused(tmp_path: Path) -> None:
    """A body of 20 MB keeps the event loop busy for longer than `limits.late_s`. That is work, and no overload."""

    async def main() -> None:
        async with ScriptedUpstream(lambda _: answer(chat_json("Hello."))) as upstream:
            config = write_config(tmp_path, upstream.url, limits={"late_s": 0.1})
            headers = {"authorization": f"Bearer {add_key(database_url(config))}"}
            turns = [{"role": "user", "content": "word " * 50}, {"role": "assistant", "content": "word " * 50}] * 36_000
            huge = msgspec.json.encode({"model": "test/m", "input": turns, "store": False})
            assert len(huge) > 20_000_000
            statuses: set[int] = set()
            async with (
                gateway_process(config) as gateway,
                aiohttp.ClientSession(gateway.url, headers=headers) as session,
            ):

                async def other(over: asyncio.Event) -> None:
                    while not over.is_set():
                        async with session.post("/v1/responses", json={"model": "test/m", "input": "Hi"}) as answered:
                            await answered.read()
                            statuses.add(answered.status)

                over = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    for _ in range(8):
                        group.create_task(other(over))
                    async with session.post("/v1/responses", data=BytesIO(huge), headers=JSON) as answered:
                        await answered.read()
                        assert answered.status == 200
                    over.set()
            assert statuses == {200}

    asyncio.run(main())


def test_p6_beyond_the_cap_of_connections_503_and_close(tmp_path: Path) -> None:
    with Gateway(None, tmp_path, config={"server": {"max_connections": 2}}) as gateway, ExitStack() as stack:
        get = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n"
        first, second = (stack.enter_context(Wire(gateway)) for _ in range(2))
        assert first.send(get).answer("GET").status == 200
        assert second.send(get).answer("GET").status == 200
        for _ in range(5):
            with Wire(gateway) as third:
                assert_refused(third.answer())
                assert third.rest() == b""
        assert first.send(get).answer("GET").status == 200
        first.socket.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + 20
        while gateway.connections > 1:
            assert time.monotonic() < until
        with Wire(gateway) as third:
            assert third.send(get).answer("GET").status == 200


def test_p6_bodies_count_until_their_requests_are_over(tmp_path: Path) -> None:
    gate = Gate()
    first, *rest = text_chunks("Hel", "lo.")
    config = {"server": {"max_body_mib": 1, "max_memory_bodies_mib": 1}}
    with (
        ThreadedUpstream(stream(first, rest[0], gate, *rest[1:])) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
        ExitStack() as stack,
    ):
        held = Held(gateway, gate)
        wire = stack.enter_context(Wire(gateway))
        wire.send(request_of(gateway, stream=True, store=False, input="x" * 700_000))
        assert wire.socket.recv(12) == b"HTTP/1.1 200"
        held.wires.append(wire)
        assert_refused(gateway.create(input="x" * 700_000, store=False))
        held.let_go()
        assert gateway.stream(input="x" * 700_000, store=False)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux only")
def test_p6_without_open_files_left_the_gateway_lives_and_streams_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        resume = asyncio.Event()
        first, *rest = text_chunks("Hel", "lo.")
        async with ScriptedUpstream(stream(first, rest[0], resume, *rest[1:])) as upstream:
            config = write_config(tmp_path, upstream.url)
            headers = {"authorization": "Bearer " + add_key(database_url(config))}
            body = {"model": "test/m", "input": "Hi", "stream": True, "store": False}
            async with gateway_process(config) as gateway, aiohttp.ClientSession(headers=headers) as session:
                admitted = await session.post(gateway.url + "/v1/responses", json=body)
                assert admitted.status == 200
                with few_files(gateway.pid, spare=8):
                    await knock(gateway.url, times=64)
                resume.set()
                assert check_stream(await admitted.read()).done
                async with session.post(gateway.url + "/v1/responses", json=body) as after:
                    assert check_stream(await after.read()).done
                assert await gateway.stop() == 0

    asyncio.run(main())


@contextmanager
def few_files(pid: int, *, spare: int) -> Iterator[None]:
    """A process that may open only a few files more than it has open."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + spare, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


async def knock(url: str, *, times: int) -> None:
    """Open connections, and hold them all until each was served or closed."""
    host, port = url.removeprefix("http://").split(":")
    writers = []
    for _ in range(times):
        reader, writer = await asyncio.open_connection(host, int(port))
        writers.append(writer)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n")
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 20) in (b"", b"H")
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
