"""A client that writes its own bytes, and looks at what comes back: for requests that no decent client would send."""

import http.client
import socket
import struct
from types import TracebackType
from typing import Self

import msgspec

from tests.helpers.gateway import Answer, Gateway

__all__ = ["Wire", "head_of", "request_of"]


class Wire:
    """One connection to a gateway. Use as a context manager."""

    def __init__(self, gateway: Gateway, *, send_buffer: int | None = None, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(20)
        if send_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(gateway.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        self.socket.sendall(data)
        return self

    def send_until_refused(self, piece: bytes, *, most_bytes: int) -> int:
        """Send the piece again and again until the other end has hung up; how many bytes it took."""
        sent = 0
        try:
            while sent < most_bytes:
                self.socket.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return sent

    def response(self, method: str = "POST") -> http.client.HTTPResponse:
        """The next answer, its body still to be read; an interim one is skipped."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response

    def answer(self, method: str = "POST") -> Answer:
        """The next whole answer."""
        response = self.response(method)
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def rest(self) -> bytes:
        """All that still comes until the connection ends, be it by a reset."""
        received = b""
        try:
            while piece := self.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received

    def leave(self) -> None:
        """Hang up."""
        self.socket.close()

    def reset(self) -> None:
        """Hang up without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def head_of(gateway: Gateway, *headers: bytes, length: int | None = None) -> bytes:
    """The head of a create request; `length` is declared where given."""
    lines = [
        b"POST /v1/responses HTTP/1.1",
        b"host: gateway",
        b"authorization: Bearer " + gateway.key.encode(),
        b"content-type: application/json",
        *headers,
    ]
    if length is not None:
        lines.append(b"content-length: %d" % length)
    return b"\r\n".join([*lines, b"", b""])


def request_of(gateway: Gateway, **body: object) -> bytes:
    """A whole create request."""
    encoded = msgspec.json.encode({"model": "test/m", "input": "Hi", **body})
    return head_of(gateway, length=len(encoded)) + encoded
