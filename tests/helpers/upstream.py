"""A provider under the test's control, on a real socket, able to misbehave in every way that providers do.

    reply = stream(*text_chunks("Hello"))
    async with ScriptedUpstream(reply) as up:
        ... talk to up.url ...
        assert up.requests[0].json["model"] == "m"

A script is one `Reply` (always the same), a list of them (in order, then status 500), or a function from the request
to a reply (a *brain*). Nothing here sleeps: a reply waits on a `Gate` or an `asyncio.Event`, and tests wait for
`received` and `closed`. `ThreadedUpstream` is the same for tests that are not async.
"""

import asyncio
import concurrent.futures
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from tests.helpers.chat_wire import JSON, chat_json, sse, text_chunks, tool_call_chunks

__all__ = [
    "Gate",
    "Part",
    "Reply",
    "ScriptedUpstream",
    "Seen",
    "ThreadedUpstream",
    "answer",
    "answer_like",
    "chat_json",
    "echo_brain",
    "error",
    "sse",
    "stream",
    "text_brain",
    "text_chunks",
    "tool_brain",
    "tool_call_chunks",
]

T = TypeVar("T")

WAIT_S = 20.0

#: A reset throws away what the far side has not read yet; that it has read all is all but certain by then.
_READ_S = 0.1

#: What a reply does between and after its bytes: RST, silence until the client leaves, or FIN.
Act = Literal["reset", "stall", "close"]


class Gate:
    """A part of a reply that waits until the test opens it, from whatever thread."""

    def __init__(self) -> None:
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()

    def open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    async def wait(self) -> None:
        await asyncio.shield(asyncio.wrap_future(self._opened))


Part = bytes | Act | Gate | asyncio.Event


@dataclass(frozen=True)
class Seen:
    """One request as it came in. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> JSON:
        parsed: JSON = msgspec.json.decode(self.body)
        return parsed

    @property
    def wants_stream(self) -> bool:
        return bool(self.json.get("stream"))


@dataclass(frozen=True)
class Reply:
    """What to send. `chunked` sends each bytes part as one HTTP chunk; `length` declares `declared_length` (the real
    length where none is given); `eof` ends with the connection; `raw` sends the parts alone, without any head."""

    parts: Sequence[Part] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Literal["chunked", "length", "eof", "raw"] = "length"
    declared_length: int | None = None

    def head(self) -> bytes:
        if self.framing == "raw":
            return b""
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif self.framing == "length":
            real = sum(len(part) for part in self.parts if isinstance(part, bytes))
            lines.append(f"content-length: {real if self.declared_length is None else self.declared_length}")
        else:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode()


Brain = Callable[[Seen], Reply]
Script = Reply | Sequence[Reply] | Brain


class Connection(asyncio.Protocol):
    """One accepted connection: parses requests by hand and answers them one after the other."""

    def __init__(self, upstream: "ScriptedUpstream") -> None:
        self._upstream = upstream
        self.closed = asyncio.Event()
        self.was_reset = False
        self.replied = asyncio.Event()  # to all that was asked
        self.replied.set()
        self._buffer = b""
        self._requests: asyncio.Queue[Seen] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()

    # uvloop's transports are not subclasses of asyncio's, so there is nothing to narrow by.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio's subclasses have it
        self.transport = transport
        self.number = self._upstream.register(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next_request()) is not None:
            self.replied.clear()
            self._upstream.note(request)
            self._requests.put_nowait(request)

    def eof_received(self) -> bool:
        self.closed.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_reset = exc is not None
        self.closed.set()
        self._writable.set()
        self.task.cancel()

    @property
    def is_drained(self) -> bool:
        """Whether all that was written has gone out, rather than waiting for a slow reader."""
        return self._writable.is_set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _next_request(self) -> Seen | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return Seen(method, path, headers, rest[:length], self.number)

    async def _serve(self) -> None:
        while True:
            request = await self._requests.get()
            try:
                reply = self._upstream.reply_to(request)
            except BaseException:
                self._hang_up("reset")
                raise
            await self._send(reply)
            self.replied.set()

    async def _send(self, reply: Reply) -> None:
        held = reply.head()
        for part in reply.parts:
            if isinstance(part, bytes):
                if not part:
                    continue  # as a chunk it would end the body
                framed = b"%x\r\n%s\r\n" % (len(part), part) if reply.framing == "chunked" else part
                await self._write(held + framed)
                held = b""
                continue
            if held:
                await self._write(held)
                held = b""
            if not isinstance(part, str):
                await part.wait()
            elif part == "stall":
                await self.closed.wait()
            else:
                if part == "reset" and any(isinstance(sent, bytes) and sent for sent in reply.parts):
                    await asyncio.sleep(_READ_S)
                self._hang_up(part)
                return
        await self._write(held + (b"0\r\n\r\n" if reply.framing == "chunked" else b""))
        if reply.framing in {"eof", "raw"}:
            self.transport.close()

    async def _write(self, data: bytes) -> None:
        await self._writable.wait()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def _hang_up(self, how: Literal["reset", "close"]) -> None:
        if how == "close":
            self.transport.close()
            return
        opened = self.transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class ScriptedUpstream:
    """The server. `url` is its base with `/v1`; `requests` and `connections` grow as they come in."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._replies: Iterator[Reply] | None = None if isinstance(script, Reply) or callable(script) else iter(script)
        self.requests: list[Seen] = []
        self.connections: list[Connection] = []
        self.request_received = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://{'127.0.0.1' if self._tls is None else 'localhost'}:{self.port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self.connections:
            if not connection.closed.is_set():  # Python 3.11 fails on a transport that closed after a last flush
                connection.transport.abort()
            connection.task.cancel()
        endings = await asyncio.gather(*(each.task for each in self.connections), return_exceptions=True)
        for ending in endings:  # a failing brain must fail its test
            if isinstance(ending, Exception):
                raise ending

    async def received(self, count: int) -> list[Seen]:
        """Wait until that many requests have come in, and give all."""
        while len(self.requests) < count:
            self.request_received.clear()
            await asyncio.wait_for(self.request_received.wait(), WAIT_S)
        return self.requests

    async def closed(self, connection: int) -> Connection:
        """Wait until the client has closed that connection (counted from 0)."""
        await asyncio.wait_for(self.connections[connection].closed.wait(), WAIT_S)
        return self.connections[connection]

    async def replied(self, connection: int) -> None:
        """Wait until that connection's reply has been written."""
        await asyncio.wait_for(self.connections[connection].replied.wait(), WAIT_S)

    def note(self, request: Seen) -> None:
        self.requests.append(request)
        self.request_received.set()

    def reply_to(self, request: Seen) -> Reply:
        if isinstance(self._script, Reply):
            return self._script
        if self._replies is None:
            assert callable(self._script)
            return self._script(request)
        return next(self._replies, error(500, "the test's script has no more replies"))

    def register(self, connection: Connection) -> int:
        self.connections.append(connection)
        return len(self.connections) - 1


class ThreadedUpstream:
    """A `ScriptedUpstream` on a loop of its own in a thread, for tests that block. Use as a context manager."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-upstream")

    def __enter__(self) -> Self:
        self._thread.start()
        self._upstream = self._call(self._start())
        self.url = self._upstream.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._upstream.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def requests(self) -> list[Seen]:
        return list(self._upstream.requests)

    def received(self, count: int) -> list[Seen]:
        return list(self._call(self._upstream.received(count)))

    def closed(self, connection: int) -> Connection:
        return self._call(self._upstream.closed(connection))

    def replied(self, connection: int) -> None:
        self._call(self._upstream.replied(connection))

    async def _start(self) -> ScriptedUpstream:
        return await ScriptedUpstream(self._script, tls=self._tls).__aenter__()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)


def stream(*chunks: JSON | Part, done: bool = True, headers: Mapping[str, str] | None = None) -> Reply:
    """A stream of events, each in an HTTP chunk of its own; acts and gates may stand between them."""
    parts: list[Part] = []
    for chunk in chunks:
        parts += sse(chunk, done=False) if isinstance(chunk, dict) else [chunk]
    if done:
        parts += sse()
    return Reply(parts, headers={"content-type": "text/event-stream", **(headers or {})}, framing="chunked")


def answer(body: JSON | bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """One JSON body."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Reply([encoded], status=status, headers={"content-type": "application/json", **(headers or {})})


def error(status: int, message: str, *, headers: Mapping[str, str] | None = None, **fields: str) -> Reply:
    """An error in OpenAI's shape; `fields` (`type`, `code`, `param`) go into it."""
    return answer({"error": {"message": message, **fields}}, status=status, headers=headers)


def answer_like(request: Seen, text: str) -> Reply:
    """The text as a stream or as one body, whichever was asked for."""
    return stream(*text_chunks(text)) if request.wants_stream else answer(chat_json(text))


def text_brain(say: Callable[[list[JSON]], str]) -> Brain:
    """A model that answers with a function of the messages it was given."""
    return lambda request: answer_like(request, say(request.json["messages"]))


def echo_brain(request: Seen) -> Reply:
    """A model that answers with the JSON of the messages it was given, so that a test sees what reached it."""
    return answer_like(request, msgspec.json.encode(request.json["messages"]).decode())


def tool_brain(request: Seen) -> Reply:
    """A model that calls its first tool with `{}` and, once it has the output, says it."""
    body = request.json
    last = body["messages"][-1]
    if last["role"] == "tool":
        return answer_like(request, f"The tool said: {last['content']}")
    name = body["tools"][0]["function"]["name"]
    if request.wants_stream:
        return stream(*tool_call_chunks(name, "{}"))
    return answer(chat_json(None, tool_calls=[{"id": "call_1", "name": name, "arguments": "{}"}]))
