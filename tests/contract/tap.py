"""The official client, with an ear on its line: what it got is checked as it came, not as the client's types hold it."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec
import openai

from tests.helpers.gateway import Gateway
from tests.helpers.stream import Checked, check_response, check_stream

__all__ = ["Tap"]


class Tap:
    """`client` is the official client in strict validation; `body` is what it got last. Use as a context manager."""

    def __init__(self, gateway: Gateway, **options: Any) -> None:
        self._transport = _Listening()
        self.client = gateway.openai(http_client=openai.DefaultHttpxClient(transport=self._transport), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    @property
    def body(self) -> bytes:
        return bytes(self._transport.bodies[-1])

    def response(self) -> dict[str, Any]:
        """The last answer, which was a response in JSON: checked."""
        return check_response(msgspec.json.decode(self.body))

    def stream(self) -> Checked:
        """The last answer, which was a stream: checked."""
        return check_stream(self.body)


class _Listening(httpx2.HTTPTransport):
    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytearray] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        self.bodies.append(bytearray())
        response.stream = _Copied(response.stream, self.bodies[-1])
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
