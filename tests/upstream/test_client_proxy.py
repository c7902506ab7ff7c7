"""Through proxies: tunnels for https, whole URLs for http, and what a proxy can do wrong."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, fault_of
from tests.helpers.upstream import ScriptedUpstream, answer, chat_json, stream

OPENED = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\ncontent-length: 7\r\n\r\n"


@pytest.fixture
def ca_file(certificate: Path) -> str:
    return str(certificate)


@dataclass
class Proxy:
    """A proxy that knows CONNECT: `says` is its answer, after which it passes bytes both ways."""

    says: bytes
    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    talks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        with (
            contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError),
            contextlib.closing(writer),
        ):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.says)
            if self.says != OPENED:
                await reader.read()
                return
            target = self.asked[-1].split(b" ")[1].decode()
            there, out = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            with contextlib.closing(out):
                await asyncio.gather(self.copy(reader, out), self.copy(there, writer))

    async def copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()


@contextlib.asynccontextmanager
async def proxy(says: bytes = OPENED, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    made = Proxy(says)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield made
        finally:
            for talk in made.talks:
                talk.cancel()
            await asyncio.gather(*made.talks, return_exceptions=True)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_https_goes_through_a_tunnel_that_is_used_again(
    run: Run, server_tls: ssl.SSLContext, ca_file: str, scheme: str
) -> None:
    async def scene() -> None:
        async with (
            ScriptedUpstream(answer(chat_json()), tls=server_tls) as up,
            proxy(tls=server_tls if scheme == "https" else None) as between,
            UpstreamClient() as client,
        ):
            request = UpstreamRequest(
                url=up.url,
                body=b"{" + b" " * 1_000_000 + b"}",
                headers={"authorization": "Bearer sk-secret"},
                proxy=f"{scheme}://us%40er:p%3Aw@localhost:{between.port}",
                ca_file=ca_file,
            )
            for _ in range(2):
                async with await client.open(request) as exchange:
                    assert b"Hello." in await exchange.read_all(10_000)
            (asked,) = between.asked
            assert asked.startswith(b"CONNECT localhost:%d HTTP/1.1\r\nhost: localhost:%d\r\n" % (up.port, up.port))
            assert b"proxy-authorization: Basic dXNAZXI6cDp3\r\n" in asked
            assert b"sk-secret" not in asked
            assert [seen.path for seen in up.requests] == ["/v1", "/v1"]
            assert "proxy-authorization" not in up.requests[0].headers

    run(scene())


def test_tunnel_is_dropped_when_its_answer_is(run: Run, server_tls: ssl.SSLContext, ca_file: str) -> None:
    async def scene() -> None:
        async with (
            ScriptedUpstream(stream(b"data: 1\n\n", "stall"), tls=server_tls) as up,
            proxy() as between,
            UpstreamClient() as client,
        ):
            way = f"http://127.0.0.1:{between.port}"
            exchange = await client.open(UpstreamRequest(url=up.url, body=b"{}", proxy=way, ca_file=ca_file))
            assert await exchange.read() == b"data: 1\n\n"
            exchange.close()
            await up.closed(0)

    run(scene())


@pytest.mark.parametrize(("says", "phase"), [
    (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "proxy"),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy"),
    (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "proxy"),
    (b"\x05\x00", "proxy"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, "proxy"),
    (b"HTTP/1.1 200 OK\r\n\r\n\x15\x03\x01", "proxy"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OPENED + b"\x15\x03\x01\x00\x02\x02\x46", "proxy"),
    (b"", "connect"),
])  # fmt: skip
def test_proxy_that_opens_no_way_is_a_fault_that_tells_nothing(run: Run, ca_file: str, says: bytes, phase: str) -> None:
    async def scene() -> None:
        async with proxy(says) as between, UpstreamClient(connect_s=5.0 if says else 0.1) as client:
            way = f"http://user:sk-secret@127.0.0.1:{between.port}"
            request = UpstreamRequest(url="https://models.example/v1", body=b"{}", proxy=way, ca_file=ca_file)
            fault = await fault_of(client.open(request))
            assert (fault.code, fault.retryable) == ("upstream_unreachable", True)
            assert fault.phase == phase
            assert "models.example" not in fault.message

    run(scene())


def test_proxy_that_is_not_there_or_speaks_no_tls_is_a_fault(run: Run) -> None:
    async def scene() -> None:
        async with proxy() as between, UpstreamClient(connect_s=0.2) as client:
            port = between.port
            deaf = UpstreamRequest(url="http://x.example/", body=b"", proxy=f"https://127.0.0.1:{port}")
            assert (await fault_of(client.open(deaf))).phase == "connect"
        async with UpstreamClient() as client:
            gone = UpstreamRequest(url="https://x.example/", body=b"", proxy=f"http://127.0.0.1:{port}")
            assert (await fault_of(client.open(gone))).phase == "proxy"
            unknown = UpstreamRequest(url="https://x.example/", body=b"", proxy="http://no-such-host.invalid:3128")
            assert (await fault_of(client.open(unknown))).phase == "dns"

    run(scene())


def test_certificate_of_a_proxy_is_verified_too(run: Run, server_tls: ssl.SSLContext) -> None:
    async def scene() -> None:
        async with proxy(tls=server_tls) as between, UpstreamClient() as client:
            request = UpstreamRequest(url="http://x.example/", body=b"", proxy=f"https://localhost:{between.port}")
            assert (await fault_of(client.open(request))).phase == "tls"
            assert between.asked == []

    run(scene())
