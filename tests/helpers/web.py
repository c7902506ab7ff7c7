"""A small web on a real socket: pages, robots.txt, and a search endpoint that answers as SearXNG does.

async with small_web() as web:
    web.page("/bread", "<html>…", title="Bread")      # found by a search for any of its words
    ... web.url("/bread"), web.search_url ...
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import msgspec

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


def article(title: str, *paragraphs: str) -> str:
    """A page as sites have them: with things around the text that nobody wants to read."""
    text = "".join(f"<p>{one}</p>" for one in paragraphs)
    return (
        f"<!doctype html><html><head><title>{title}</title><style>p {{}}</style></head><body>"
        f'<nav><a href="/">Home</a></nav><main><article><h1>{title}</h1>{text}</article></main>'
        "<footer>All rights reserved</footer><script>alert(1)</script></body></html>"
    )


def reply(body: bytes, kind: str = "text/html; charset=utf-8", status: str = "200 OK", *headers: str) -> Respond:
    """One whole answer."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
        writer.write("\r\n".join([*head, *headers, "", ""]).encode() + body)

    return respond


def moved(location: str) -> Respond:
    """A redirect."""
    return reply(b"", "text/html", "302 Found", f"Location: {location}")


async def silence(_: asyncio.StreamWriter) -> None:
    """No answer, ever."""
    await asyncio.Event().wait()


@dataclass
class SmallWeb:
    """What is served, and what was asked. Names under `.example.com` lead here; `names` says otherwise."""

    port: int = 0
    paths: dict[str, Respond] = field(default_factory=dict)
    found: list[dict[str, object]] = field(default_factory=list)
    search: Respond | None = None
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    #: Whoever asked went away, before the answer or behind it.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: The first request is here.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def search_url(self) -> str:
        """For `web_search.url`."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str, host: str = "site.example.com") -> str:
        return f"http://{host}:{self.port}{path}"

    def page(self, path: str, html: str, *, title: str = "", snippet: str = "", host: str = "site.example.com") -> str:
        """Serve a page, and let searches find it. Its address."""
        self.paths[path] = reply(html.encode())
        self.found.append({"url": self.url(path, host), "title": title, "content": snippet, "engine": "test"})
        return self.url(path, host)

    async def resolve(self, host: str) -> Sequence[str]:
        return self.names.get(host, ["127.0.0.1"])

    async def respond(self, target: str, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(target)
        if parts.path == "/search":
            await (self.search or self._results(parse_qs(parts.query)))(writer)
        else:
            await self.paths.get(parts.path, reply(b"Not here.", "text/plain", "404 Not Found"))(writer)

    def _results(self, query: dict[str, list[str]]) -> Respond:
        """As SearXNG has it: without `format=json` it is a page; nobody says how many."""
        if query.get("format") != ["json"]:
            return reply(b"<html>results</html>")
        words = {word.lower() for word in query["q"][0].split()}
        hits = [one for one in self.found if words & set(f"{one['title']} {one['content']}".lower().split())]
        answer = {
            "query": query["q"][0],
            "number_of_results": 0,
            "results": [{**one, "publishedDate": None, "score": 1.0, "category": "general"} for one in hits],
            "answers": [],
            "corrections": [],
            "infoboxes": [],
            "suggestions": [],
            "unresponsive_engines": [],
        }
        return reply(msgspec.json.encode(answer), "application/json")


@asynccontextmanager
async def small_web() -> AsyncIterator[SmallWeb]:
    """A web for as long as the context lasts."""
    web = SmallWeb()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            talks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            web.bodies.append(await reader.readexactly(length))
            web.heads.append(head)
            web.asked.append(target)
            web.arrived.set()
            leaving = asyncio.create_task(_until_left(reader, web.left))
            talks.add(leaving)
            await web.respond(target, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield web
        finally:
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)


async def _until_left(reader: asyncio.StreamReader, left: asyncio.Event) -> None:
    with suppress(ConnectionError):
        await reader.read()
    left.set()
