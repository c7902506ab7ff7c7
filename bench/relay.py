"""The floor: the least that a Responses to Chat Completions gateway in Python can do.

asyncio protocols and httptools on both sides, msgspec between them, one process. It speaks the life cycle of a
text answer and nothing else: no keys, no state, no limits, no tools, no faults. What Antiphon costs beyond this is
what its features cost.

usage: python bench/relay.py PORT UPSTREAM_PORT
"""
# ruff: noqa: D101, D102 - a script: its protocol methods are asyncio's and httptools'

import asyncio
import sys
from collections import deque
from typing import Any

import httptools
import msgspec
import uvloop
from msgspec import Struct, field

RESPONSE_ID = "resp_019a0000000070008000000000000000"
ITEM_ID = "msg_019a00000000700080000000000000000000"
WHERE = {"item_id": ITEM_ID, "output_index": 0, "content_index": 0}
JSON_HEAD = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
encode = msgspec.json.encode


class Ask(Struct):
    model: str
    input: Any = ""
    instructions: str | None = None
    tools: list[dict] = field(default_factory=list)
    stream: bool = False
    temperature: float | None = None
    max_output_tokens: int | None = None


class Delta(Struct):
    content: str | None = None


class Choice(Struct):
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Chat(Struct):
    choices: list[Choice] = field(default_factory=list)
    usage: Usage | None = None


decode_ask = msgspec.json.Decoder(Ask).decode
decode_chat = msgspec.json.Decoder(Chat).decode


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def to_chat(ask: Ask) -> bytes:
    messages = [{"role": "system", "content": ask.instructions}] if ask.instructions else []
    if isinstance(ask.input, str):
        messages.append({"role": "user", "content": ask.input})
    else:
        messages += [{"role": item["role"], "content": text_of(item["content"])} for item in ask.input]
    body: dict[str, Any] = {"model": ask.model, "messages": messages}
    if ask.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if ask.tools:
        body["tools"] = [
            {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
            for tool in ask.tools
        ]
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if ask.max_output_tokens is not None:
        body["max_completion_tokens"] = ask.max_output_tokens
    return encode(body)


def resource(ask: Ask, status: str, *, output: list, usage: Usage | None = None) -> dict:
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1760000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": ask.instructions,
        "max_output_tokens": ask.max_output_tokens,
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": ask.temperature,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": ask.tools,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage
        and {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.total_tokens,
        },
    }


def message(status: str, parts: list) -> dict:
    return {"id": ITEM_ID, "type": "message", "status": status, "role": "assistant", "content": parts}


def part(text: str) -> dict:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class Stream:
    """One streamed answer: upstream bytes in, client bytes out."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.number = 0
        self.rest = b""
        self.text: list[str] = []
        self.usage: Usage | None = None

    def event(self, kind: str, fields: dict) -> bytes:
        body = encode({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), body)

    def begin(self) -> bytes:
        snapshot = {"response": resource(self.ask, "in_progress", output=[])}
        return b"".join(
            [
                self.event("response.created", snapshot),
                self.event("response.in_progress", snapshot),
                self.event("response.output_item.added", {"output_index": 0, "item": message("in_progress", [])}),
                self.event("response.content_part.added", {**WHERE, "part": part("")}),
            ]
        )

    def feed(self, data: bytes) -> bytes:
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        out = []
        for line in lines:
            if not line.startswith(b"data: ") or line == b"data: [DONE]":
                continue
            chunk = decode_chat(line[6:])
            self.usage = chunk.usage or self.usage
            for choice in chunk.choices:
                if choice.delta is not None and choice.delta.content:
                    self.text.append(choice.delta.content)
                    out.append(
                        self.event(
                            "response.output_text.delta", {**WHERE, "delta": choice.delta.content, "logprobs": []}
                        )
                    )
        return b"".join(out)

    def end(self) -> bytes:
        text = "".join(self.text)
        item = message("completed", [part(text)])
        done = resource(self.ask, "completed", output=[item], usage=self.usage)
        return b"".join(
            [
                self.event("response.output_text.done", {**WHERE, "text": text, "logprobs": []}),
                self.event("response.content_part.done", {**WHERE, "part": part(text)}),
                self.event("response.output_item.done", {"output_index": 0, "item": item}),
                self.event("response.completed", {"response": done}),
            ]
        )


class Upstream(asyncio.Protocol):
    """A connection to the provider, kept for the next request when its answer is complete."""

    idle: deque["Upstream"] = deque()  # noqa: RUF012 - one process, one pool
    port = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.transport = None

    def send(self, request: bytes, client: "Client") -> None:
        self.client = client
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.pieces: list[bytes] = []
        self.complete = False
        self.parser.feed_data(data)
        client = self.client
        if self.complete:
            self.idle.append(self)
        client.answer(b"".join(self.pieces), complete=self.complete)

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.ask = decode_ask(b"".join(self.body))
        self.body.clear()
        self.whole: list[bytes] = []
        self.stream: Stream | None = None
        chat = to_chat(self.ask)
        request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer x\r\ncontent-length: %d\r\n\r\n%s" % (len(chat), chat)
        )
        while Upstream.idle:
            upstream = Upstream.idle.pop()
            if upstream.transport is not None:
                upstream.send(request, self)
                return
        self.task = asyncio.get_running_loop().create_task(self.connect(request))

    async def connect(self, request: bytes) -> None:
        _, upstream = await asyncio.get_running_loop().create_connection(Upstream, "127.0.0.1", Upstream.port)
        upstream.send(request, self)

    def answer(self, data: bytes, *, complete: bool) -> None:
        if not self.ask.stream:
            self.whole.append(data)
            if complete:
                self.transport.write(self.json_answer(decode_chat(b"".join(self.whole))))
            return
        out = b""
        if self.stream is None:
            self.stream = Stream(self.ask)
            out = self.stream.begin()
        out += self.stream.feed(data)
        if complete:
            out += self.stream.end()
        framed = b"%x\r\n%s\r\n" % (len(out), out) if out else b""
        head = STREAM_HEAD if self.stream.number and not self.whole else b""
        self.whole = [b"begun"]
        self.transport.write(head + framed + (b"0\r\n\r\n" if complete else b""))

    def json_answer(self, chat: Chat) -> bytes:
        text = chat.choices[0].message.content or ""
        item = message("completed", [part(text)])
        body = encode(resource(self.ask, "completed", output=[item], usage=chat.usage))
        return JSON_HEAD % (200, len(body), body)


async def main() -> None:
    Upstream.port = int(sys.argv[2])
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
