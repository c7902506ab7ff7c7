"""A server at the far end of the guarded fetcher that plays whatever bytes a test gives it, on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.fetch import Fetched, FetchSettings, GuardedFetcher

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = PNG, *headers: str, status: str = "200 OK", length: int | None = -1) -> Script:
    """A script that sends one answer; `length` -1 is the true one, `None` sends no Content-Length."""

    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", *(headers or ("Content-Type: image/png",))]
        if length is not None:
            lines.append(f"Content-Length: {len(body) if length == -1 else length}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return play


def redirect(location: str, status: str = "302 Found") -> Script:
    return answer(b"", f"Location: {location}", status=status)


@dataclass
class Far:
    """A server at the far end, and the name service that leads to it."""

    port: int = 0
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    async def resolve(self, host: str) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.names.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def url(self, path: str = "/a.png", host: str = "pictures.example.com", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def fetcher(self, settings: FetchSettings | None = None, *allowed: str) -> GuardedFetcher:
        policy = AddressPolicy.allowing(allowed or ["127.0.0.1/32"], ports=[self.port])
        chosen = msgspec.structs.replace(settings or FetchSettings(total_s=10), policy=policy)
        return GuardedFetcher(chosen, resolve=self.resolve)


@asynccontextmanager
async def far_end(
    *scripts: Script, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Far]:
    """Plays the scripts, one per connection, the last one again and again."""
    far = Far()
    queue = list(scripts)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            talks.add(task)
        try:
            far.requests.append(await reader.readuntil(b"\r\n\r\n"))
            play = queue.pop(0) if len(queue) > 1 else queue[0]
            await play(far.requests[-1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(talk, host, port, ssl=tls)
    far.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield far
        finally:
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks)


def fetch(*scripts: Script, kinds: tuple[str, ...] = ("image/",), settings: FetchSettings | None = None) -> Fetched:
    async def main() -> Fetched:
        async with far_end(*scripts) as far:
            return await far.fetcher(settings).fetch(far.url(), kinds=kinds)

    return asyncio.run(main())


def fault(
    *scripts: Script, kinds: tuple[str, ...] = ("image/",), settings: FetchSettings | None = None
) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        fetch(*scripts, kinds=kinds, settings=settings)
    assert caught.value.status == 400
    return caught.value
