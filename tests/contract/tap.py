"""The official client, with an ear on its line: what it got is checked as it came, not as the client's types hold it."""

from types import TracebackType
from typing import Any, Self

import msgspec
import openai

from tests.helpers.gateway import Gateway
from tests.helpers.listening import Listening
from tests.helpers.stream import Checked, check_response, check_stream

__all__ = ["Tap"]


class Tap:
    """`client` is the official client in strict validation; `body` is what it got last. Use as a context manager."""

    def __init__(self, gateway: Gateway, **options: Any) -> None:
        self._line = Listening()
        self.client = gateway.openai(http_client=openai.DefaultHttpxClient(transport=self._line), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    @property
    def body(self) -> bytes:
        return self._line.body

    def response(self) -> dict[str, Any]:
        """The last answer, which was a response in JSON: checked."""
        return check_response(msgspec.json.decode(self.body))

    def stream(self) -> Checked:
        """The last answer, which was a stream: checked."""
        return check_stream(self.body)
