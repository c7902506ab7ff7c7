"""An ear on the line of an official client."""

from collections.abc import Iterator

import httpx2

__all__ = ["Listening"]


class Listening(httpx2.HTTPTransport):
    """What an official client got last, byte for byte."""

    def __init__(self) -> None:
        super().__init__()
        self._body = bytearray()

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        self._body = bytearray()
        response.stream = _Copied(response.stream, self._body)
        return response


class _Copied(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, copy: bytearray) -> None:
        self._inner = inner
        self._copy = copy

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self._copy += chunk
            yield chunk

    def close(self) -> None:
        self._inner.close()
