"""A model provider for benchmarks: canned chat completions, as cheap as Python allows.

One JSON answer of about 700 bytes, or a stream of 67 chunks (the role, 64 deltas, the finish, the usage). The prompt
steers it: `gap_us=10000` sends one event each 10 ms, `burst=1` the whole stream in one write; otherwise each event
is a write of its own, without pause. `delay_us=10000` lets a JSON answer wait. With `stamp=1` and a gap the text of
each event is the moment at which it was sent, in µs of the machine's monotonic clock: `@123456@`.

usage: python bench/upstream.py PORT
"""
# ruff: noqa: D101, D102 - a script: its protocol methods are asyncio's and httptools'

import asyncio
import json
import re
import sys
import time
from collections import deque

import httptools
import uvloop

DELTAS = 64
EVENTS = DELTAS + 3
WORDS = (" the", " model", " streams", " its", " answer", " word", " by", " word")
GAP = re.compile(rb"gap_us=(\d+)")
DELAY = re.compile(rb"delay_us=(\d+)")
STREAM = re.compile(rb'"stream":\s*true')


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def event(fields: dict) -> bytes:
    common = {"id": "chatcmpl-bench0123456789", "object": "chat.completion.chunk", "created": 1760000000,
              "model": "mock-model", "system_fingerprint": "fp_bench"}  # fmt: skip
    return b"data: " + json.dumps(common | fields, separators=(",", ":")).encode() + b"\n\n"


def choice(delta: dict, finish: str | None = None) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def usage() -> dict:
    return {
        "prompt_tokens": 42,
        "completion_tokens": DELTAS,
        "total_tokens": 42 + DELTAS,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def stream_parts() -> list[bytes]:
    """The head together with the first event, then each event; the last one closes the body."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    events = [
        choice({"role": "assistant", "content": ""}),
        *(choice({"content": WORDS[number % len(WORDS)]}) for number in range(DELTAS)),
        choice({}, "stop"),
        event({"choices": [], "usage": usage()}) + b"data: [DONE]\n\n",
    ]
    parts = [chunk(each) for each in events]
    return [head + parts[0], *parts[1:-1], parts[-1] + b"0\r\n\r\n"]


def json_answer() -> bytes:
    text = "".join(WORDS[number % len(WORDS)] for number in range(DELTAS))
    message = {"role": "assistant", "content": text, "refusal": None}
    body = json.dumps(
        {
            "id": "chatcmpl-bench0123456789",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "mock-model",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": usage(),
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def stamped() -> bytes:
    return chunk(choice({"content": f"@{time.monotonic_ns() // 1000}@"}))


class Pacer:
    """All streams of one gap in one queue with one timer: their due times are in order by construction."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gap_s: float) -> None:
        self.loop = loop
        self.gap_s = gap_s
        self.queue: deque[tuple[float, Provider, int]] = deque()
        self.armed = False

    def add(self, provider: "Provider", number: int = 1) -> None:
        self.queue.append((self.loop.time() + self.gap_s, provider, number))
        if not self.armed:
            self.arm()

    def arm(self) -> None:
        self.armed = bool(self.queue)
        if self.armed:
            self.loop.call_at(self.queue[0][0], self.run)

    def run(self) -> None:
        now = self.loop.time() + 0.0005
        parts = Provider.parts
        while self.queue and self.queue[0][0] <= now:
            due, provider, number = self.queue.popleft()
            if provider.gone:
                continue
            if number < 0:
                provider.transport.write(provider.answer)
                continue
            provider.transport.write(stamped() if provider.stamps and number <= DELTAS else parts[number])
            if number + 1 < len(parts):
                self.queue.append((due + self.gap_s, provider, number + 1))
        self.arm()


class Provider(asyncio.Protocol):
    parts: list[bytes] = stream_parts()
    whole = b"".join(parts)
    answer = json_answer()
    pacers: dict[tuple[int, str], Pacer] = {}  # noqa: RUF012 - one process, one table

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []
        self.gone = False
        self.stamps = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.gone = True

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        self.body.clear()
        if STREAM.search(body) is None:
            if found := DELAY.search(body):
                self.pacer(int(found[1]), "delay").add(self, -1)
            else:
                self.transport.write(self.answer)
        elif found := GAP.search(body):
            self.stamps = b"stamp=1" in body
            self.transport.write(self.parts[0])
            self.pacer(int(found[1]), "gap").add(self)
        elif b"burst=1" in body:
            self.transport.write(self.whole)
        else:
            for part in self.parts:
                self.transport.write(part)

    def pacer(self, pause_us: int, kind: str) -> Pacer:
        if (pause_us, kind) not in self.pacers:
            self.pacers[pause_us, kind] = Pacer(asyncio.get_running_loop(), pause_us / 1e6)
        return self.pacers[pause_us, kind]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
