"""Requests of people who mean no good, or of programs that are broken: made of chance, the same for the same seed."""

import random
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["Attacks"]

Json = Any

_FIELDS = (
    "model", "input", "instructions", "stream", "store", "temperature", "top_p", "max_output_tokens", "tools", "text",
    "tool_choice", "reasoning", "metadata", "include", "previous_response_id", "truncation", "user", "seed", "stop",
    "parallel_tool_calls", "service_tier", "top_logprobs", "conversation", "prompt", "background", "n", "logit_bias",
)  # fmt: skip
_TEXTS = (
    "", "test/m", "m", "auto", "none", "function", "message", "user", "assistant", "developer", "input_text", "resp_",
    "resp_" + "0" * 32, "msg_" + "0" * 36, "\0", "\r\n", "\u2028", "😀", "é" * 100, "x" * 10_000, "[[[", "data: ",
    "http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "data:image/png;base64,AAAA", "a" * 257,
)  # fmt: skip
_PLAIN: tuple[tuple[Json, ...], ...] = (
    (None, True, False),
    (0, -1, 1, 2, 2**31, 2**63 - 1, 2**64 - 1),
    (0.5, -0.0, 1e308, 5e-324, 2.0000001),
    _TEXTS,
    _TEXTS,
)
_KEYS = (
    "type", "role", "content", "text", "id", "call_id", "name", "arguments", "output", "status", "summary",
    "image_url", "file_id", "file_data", "detail", "format", "schema", "strict", "parameters", "effort", "\0", "x" * 300,
)  # fmt: skip
_ITEMS: tuple[Json, ...] = (
    {"role": "user", "content": "Hi"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": []}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "x"},
    {"type": "reasoning", "summary": [], "encrypted_content": "x"},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "web_search_call", "id": "ws_1"},
)
_HEADERS = (
    b"content-type: text/plain", b"content-encoding: gzip", b"content-encoding: zstd", b"content-length: 5",
    b"content-length: -1", b"transfer-encoding: chunked", b"expect: 100-continue", b"connection: upgrade",
    b"upgrade: websocket", b"x-request-id: a b", b"authorization: Basic x", b"authorization: Bearer x", b"x-api-key: y",
    b"x-a: \xff\xfe", b"x-a: a\0b", b" folded", b"no colon", b"x-a: " + b"a" * 5000, b"cookie: x=y", b"range: bytes=0-1",
    b"traceparent: 00-" + b"0" * 100, b"host: evil", b"x-forwarded-for: 1.2.3.4", b"trailer: authorization",
)  # fmt: skip
_PATHS = (
    b"/v1/responses", b"/v1/responses/", b"/responses", b"/v1/models", b"/v1/models/%00", b"/metrics", b"/healthz",
    b"/v1/responses/resp_" + b"0" * 32, b"/v1/responses/%ff/input_items?limit=%00", b"/v1/antiphon/runs/x", b"*",
    b"/v1/responses/x?stream=true&starting_after=%00", b"http://evil/v1/models", b"/" + b"a" * 3000, b"/%2e%2e/etc/passwd",
    b"/v1/responses?x=" + b"&x=" * 500, b"/\xff", b"//", b"/docs", b"/openapi.json", b"/readyz",
)  # fmt: skip
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"G\0T", b"", b"PRI")


class Attacks:
    """Bytes to send on one connection each. A few of them are good requests."""

    def __init__(self, seed: int, key: str) -> None:
        self._random = random.Random(seed)
        self._key = key.encode()
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._odd_body,
            self._odd_body,
            self._odd_body,
            self._damaged_body,
            self._odd_head,
            self._odd_chunks,
            self._noise,
            self._good,
        )

    def next(self) -> bytes:
        """One attack; now and then one that is cut off."""
        data = self._random.choice(self._kinds)()
        return data[: self._random.randrange(len(data) + 1)] if self._random.random() < 0.1 else data

    def _good(self) -> bytes:
        return self._post(msgspec.json.encode({"model": "test/m", "input": "Hi", "stream": self._coin()}))

    def _odd_body(self) -> bytes:
        body: dict[str, Json] = {"model": "test/m", "input": "Hi", "store": self._coin()}
        for name in self._random.sample(_FIELDS, self._random.randint(1, 4)):
            body[name] = self._items() if name == "input" and self._coin() else self._value(4)
        return self._post(msgspec.json.encode(body))

    def _damaged_body(self) -> bytes:
        body = bytearray(msgspec.json.encode({"model": "test/m", "input": self._items(), "tools": self._value(3)}))
        for _ in range(self._random.randint(1, 5)):
            body[self._random.randrange(len(body))] = self._random.randrange(256)
        return self._post(bytes(body))

    def _odd_head(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self._random.choice(_METHODS), self._random.choice(_PATHS))]
        lines += self._random.sample(_HEADERS, self._random.randint(0, 5))
        if self._coin():
            lines.append(b"authorization: Bearer " + self._key)
        return b"\r\n".join([*lines, b"", b""]) + self._random.randbytes(self._random.randint(0, 50))

    def _odd_chunks(self) -> bytes:
        head = self._post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        sizes = (b"5", b"0", b"ffffffff", b"-1", b"5;x=y", b"", b"5\0", b"g")
        chunks = [
            b"%b\r\n%b\r\n" % (self._random.choice(sizes), self._random.choice((b"hello", b"{}", b""))) for _ in "abc"
        ]
        return head + b"".join(chunks)

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, 500))

    def _items(self) -> Json:
        items = [dict(self._random.choice(_ITEMS)) for _ in range(self._random.randint(0, 4))]
        for item in items:
            if self._coin():
                item[self._random.choice(_KEYS)] = self._value(2)
        return items

    def _value(self, depth: int) -> Json:
        if depth and self._random.random() < 0.35:
            count = range(self._random.randrange(4))
            if self._coin():
                return [self._value(depth - 1) for _ in count]
            return {self._random.choice(_KEYS): self._value(depth - 1) for _ in count}
        return self._random.choice(self._random.choice(_PLAIN))

    def _post(self, body: bytes) -> bytes:
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer "
        return head + self._key + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    def _coin(self) -> bool:
        return self._random.random() < 0.5
