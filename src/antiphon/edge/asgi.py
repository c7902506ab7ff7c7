"""The few ASGI types that are used here, and one HTTP exchange as handlers see it."""

import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

from antiphon.access.principal import Principal
from antiphon.edge.answer import SHORTCUTS, JoinedAnswer
from antiphon.engine.embed import EmbeddingRun
from antiphon.engine.run import Run
from antiphon.protocol.request import Dialect

__all__ = ["Exchange", "Headers", "Message", "Receive", "Scope", "Send", "send_bytes"]

# ASGI's own types: the border where dictionaries come in.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Exchange:
    """One request and the way to answer it. Remembers what the access log wants to know.

    Attributes:
        began, authenticated: monotonic seconds of these moments.
        principal: who asks; `None` on public routes. `known` is the same, there on routes that are not public.
        path_params: from the route's pattern.
        dialect: in whose words to answer; the route says so.
        status: of the answer, 0 until it was sent.
        run: the run that a handler started; `more_runs` those beside it, where several make one answer.
        error: code of the fault that was answered.
        held_bytes: size of its body, as `BodyReader` counts it until the exchange is over.
        answered: the whole answer was handed to the server.
        client_gone: the client left before its answer was complete.
        shortcuts: of our own server; see `SHORTCUTS`.
    """

    __slots__ = (
        "answered",
        "authenticated",
        "began",
        "client_gone",
        "dialect",
        "error",
        "headers",
        "held_bytes",
        "known",
        "more_headers",
        "more_runs",
        "path_params",
        "principal",
        "receive",
        "request_id",
        "route",
        "run",
        "scope",
        "send",
        "shortcuts",
        "status",
    )

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self, scope: Scope, receive: Receive, send: Send, began: float
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.request_id = ""
        self.began = began
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.path_params: Mapping[str, str] = {}
        self.principal: Principal | None = None
        self.known: Principal
        self.route = ""
        self.dialect: Dialect = "responses"
        self.status = 0
        self.more_headers: Headers = []
        self.authenticated = began
        self.run: Run | EmbeddingRun | None = None
        self.more_runs: Sequence[Run] = ()
        self.error = ""
        self.held_bytes = 0
        self.client_gone = False
        self.answered = False
        self.shortcuts: JoinedAnswer | None = scope.get("extensions", _NOTHING).get(SHORTCUTS)

    def header(self, name: bytes) -> str:
        """A request header, empty when absent."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value else ""

    def query(self) -> dict[str, list[str]]:
        """The query string's parameters."""
        return urllib.parse.parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    def whole(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer at once, where that goes straight to our own server and it need not wait; else false."""
        if self.shortcuts is None or self.send != self.shortcuts.send:
            return False  # another server, or something between it and us that wants to see the answer
        self.answered = self.shortcuts.whole_answer(status, self._all(headers), body)
        if self.answered:
            self.status = status
        return self.answered

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        await self.send({"type": "http.response.start", "status": status, "headers": self._all(headers)})
        self.status = status

    def _all(self, headers: Headers) -> Headers:
        return [*headers, (b"x-request-id", self.request_id.encode("latin-1")), *self.more_headers]

    async def body(self, body: bytes, *, more: bool = False) -> None:
        """Send a piece of the body; the last one with `more=False`."""
        self.answered = not more
        await self.send({"type": "http.response.body", "body": body, "more_body": more})


async def send_bytes(
    exchange: Exchange,
    status: int,
    *,
    body: bytes,
    headers: Headers | None = None,
    content_type: bytes = b"application/json",
) -> None:
    """A whole answer."""
    fields = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *(headers or ())]
    if not exchange.whole(status, fields, body):
        await exchange.start(status, fields)
        await exchange.body(body)
