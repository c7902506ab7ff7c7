"""A client that leaves, through every door and before every kind of provider: nobody goes on paying for its answer."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.helpers import anthropic_wire, responses_wire
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, text_chunks

Json = dict[str, Any]

PROTOCOLS = ("chat", "responses", "anthropic", "gemini")
DOORS: dict[str, Json] = {
    "/v1/responses": {"input": "Hi"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50},
}
#: A second, and what a busy machine takes.
WITHIN_S = 3.0


class Far:
    """The provider: stalls before its head, or when it has said a word."""

    def __init__(self) -> None:
        self.speaks = False

    def __call__(self, request: Seen) -> Reply:
        if not self.speaks:
            return Reply(["stall"], framing="raw")
        beginning = _beginning(request)
        kind = "text/event-stream" if beginning[:1] in (b"d", b"e") else "application/json"
        return Reply([beginning, "stall"], headers={"content-type": kind}, framing="chunked")


def _beginning(request: Seen) -> bytes:
    """The first word of a streamed answer, or the first byte of a whole one."""
    if "GenerateContent" not in request.path and not request.json.get("stream"):
        return b"{"
    if request.path.endswith("/responses"):
        return responses_wire.sse(responses_wire.events([responses_wire.message("Hello")])[:5])
    if request.path.endswith("/messages"):
        events = anthropic_wire.message_events(anthropic_wire.message([anthropic_wire.text("Hello")]))[:4]
    elif "GenerateContent" in request.path:
        events = [{"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "index": 0}]}]
    else:
        events = text_chunks("Hello")[:2]
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in events)


class Stage:
    """The gateway before its provider."""

    def __init__(self, gateway: Gateway, up: ThreadedUpstream, far: Far) -> None:
        self._gateway = gateway
        self._up = up
        self._far = far

    def leave(self, path: str, body: Json, *, speaking: bool, connections: int = 1) -> None:
        """Ask, leave when the provider is at work, and expect that it is left alone at once."""
        self._far.speaks = speaking
        before = len(self._up.requests)
        raw = msgspec.json.encode(body)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._gateway.key}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        with socket.create_connection(self._gateway.address, timeout=20) as client:
            client.sendall(head.encode() + raw)
            seen = self._up.received(before + connections)[before:]
            if speaking and body.get("stream"):
                got = b""
                while b'"He' not in got:
                    piece = client.recv(65536)
                    assert piece, got
                    got += piece
        began = time.monotonic()
        for request in seen:
            self._up.closed(request.connection)
        assert time.monotonic() - began < WITHIN_S


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    far = Far()
    with ThreadedUpstream(far) as up:
        providers = {name: {"base_url": up.url, "protocol": name, "api_key": "k"} for name in PROTOCOLS}
        with Gateway(None, tmp_path_factory.mktemp("gateway"), config={"providers": providers}) as gateway:
            yield Stage(gateway, up, far)


@pytest.mark.parametrize("speaking", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("door", DOORS)
def test_the_provider_is_left_alone(stage: Stage, door: str, protocol: str, *, streamed: bool, speaking: bool) -> None:
    stage.leave(door, {"model": f"{protocol}/m", "stream": streamed, **DOORS[door]}, speaking=speaking)


@pytest.mark.parametrize("streamed", [False, True])
def test_all_choices_are_given_up(stage: Stage, *, streamed: bool) -> None:
    door = "/v1/chat/completions"
    body = {"model": "chat/m", "n": 3, "stream": streamed, **DOORS[door]}
    stage.leave(door, body, speaking=streamed, connections=3)


@pytest.mark.parametrize("speaking", [False, True])
def test_counting_and_embedding_are_given_up(stage: Stage, *, speaking: bool) -> None:
    counted = {"model": "anthropic/m", **DOORS["/v1/messages"]}
    stage.leave("/v1/messages/count_tokens", counted, speaking=speaking)
    stage.leave("/v1/embeddings", {"model": "chat/m", "input": "Hi"}, speaking=speaking)
