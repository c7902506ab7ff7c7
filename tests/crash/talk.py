"""Clients that remember exactly what they heard until the line went dead, and a provider that takes its time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from tests.helpers.chat_wire import JSON, text_chunks
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Part, Reply, Seen, sse, stream

__all__ = ["Ask", "Client", "Heard", "Pace", "call"]

_TIMEOUT = aiohttp.ClientTimeout(total=60)


async def call(
    session: aiohttp.ClientSession, method: str, url: str, *, key: str, body: object = None
) -> tuple[int, bytes]:
    """One whole exchange: its status and body."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    payload = None if body is None else msgspec.json.encode(body)
    async with session.request(method, url, data=payload, headers=headers, timeout=_TIMEOUT) as answer:
        return answer.status, await answer.read()


@dataclass(frozen=True)
class Ask:
    """One request: the provider will answer it in so many pieces."""

    name: str
    pieces: int
    instructions: str | None = None
    previous: str | None = None

    @property
    def text(self) -> str:
        return f"{self.name} {self.pieces}"

    @property
    def answer(self) -> str:
        return "".join(_pieces(self.text))

    @property
    def body(self) -> JSON:
        body: JSON = {"model": "test/m", "input": self.text, "stream": True, "store": True}
        if self.instructions is not None:
            body["instructions"] = self.instructions
        if self.previous is not None:
            body["previous_response_id"] = self.previous
        return body


@dataclass
class Heard:
    """What one client heard of one stream: whole events only, as a client library would give them out."""

    ask: Ask
    raw: bytes = b""
    events: list[JSON] = field(default_factory=list)
    ended: bool = False
    _rest: bytes = b""

    @property
    def id(self) -> str | None:
        return str(self.events[0]["response"]["id"]) if self.events else None

    @property
    def final(self) -> JSON | None:
        """The resource of the terminal event, if it came through."""
        last: JSON = self.events[-1] if self.events else {}
        response: JSON | None = last.get("response")
        return response if response is not None and response["status"] != "in_progress" else None

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == "response.output_text.delta")

    def take(self, data: bytes) -> int:
        """More bytes came. How many events they completed."""
        self.raw += data
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        lines = (line for block in blocks for line in block.split(b"\n"))
        events = [msgspec.json.decode(line[6:]) for line in lines if line.startswith(b"data: {")]
        self.events += events
        return len(events)


class Pace:
    """A provider that writes each answer piece by piece, and calls `on_end` just after the last of one."""

    def __init__(self, on_end: Callable[[], None], *, pace_s: float = 0.004) -> None:
        self._on_end = on_end
        self._pace_s = pace_s

    def __call__(self, request: Seen) -> Reply:
        loop = asyncio.get_running_loop()
        pieces = _pieces(_last_text(request))
        usage = {"prompt_tokens": 5, "completion_tokens": len(pieces), "total_tokens": 5 + len(pieces)}
        parts: list[Part] = []
        for number, chunk in enumerate(text_chunks(*pieces, usage=usage)):
            due = asyncio.Event()
            loop.call_later(number * self._pace_s, due.set)
            parts += [due, *sse(chunk, done=False)]
        loop.call_later(len(pieces) * self._pace_s, self._on_end)
        return stream(*parts)


class Client:
    """Asks one thing after the other until the line goes dead."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self._name = name
        self._rng = rng
        self.heard: list[Heard] = []

    async def talk(
        self, session: aiohttp.ClientSession, url: str, *, key: str, on_events: Callable[[Heard, int], None]
    ) -> None:
        """Returns at the first request that is cut off."""
        headers = {"authorization": f"Bearer {key}"}
        while True:
            heard = Heard(self._next_ask())
            self.heard.append(heard)
            try:
                async with session.post(url, json=heard.ask.body, headers=headers, timeout=_TIMEOUT) as answer:
                    assert answer.status == 200, await answer.text()
                    async for data in answer.content.iter_any():
                        on_events(heard, heard.take(data))
            except (aiohttp.ClientError, ConnectionError):
                return
            heard.ended = True
            assert check_stream(heard.raw).text == heard.ask.answer

    def _next_ask(self) -> Ask:
        number = len(self.heard)
        # Large instructions are kept apart from their response and shared by all that have the same.
        own = f"You are {self._name}-{number}. " * 200
        instructions = self._rng.choice([None, "Be brief.", "Be precise. " * 200, own])
        previous = self.heard[-1].id if self.heard and self._rng.random() < 0.4 else None
        return Ask(f"{self._name}-{number}", self._rng.choice((3, 12, 12, 12, 40)), instructions, previous)


def _last_text(request: Seen) -> str:
    content: Any = request.json["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _pieces(text: str) -> list[str]:
    name, _, count = text.rpartition(" ")
    return [f"{name} says {number}. " for number in range(int(count))]
