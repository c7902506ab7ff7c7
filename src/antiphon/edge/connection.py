"""One client's connection: HTTP as uvicorn has it, with bounds on everything that a client may send or hold.

Heads have a size and a time, idle connections an end, and there are only so many connections. While the gateway has too
much to do, requests are refused here, before anything was made for them: that has to cost next to nothing, because
there may be many more of them than of those that are served.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from antiphon.edge.admission import ADMITTED, Admission
from antiphon.edge.answer import SHORTCUTS, JoinedAnswer
from antiphon.edge.problems import error_body
from antiphon.edge.refusal import Refusals
from antiphon.edge.watch import CONNECTION
from antiphon.lib.outbox import Outbox
from antiphon.protocol.faults import RequestFault

__all__ = ["KEEP_ALIVE_S", "LAST_WORD", "ClientConnection"]

_MAX_HEAD_BYTES = 64 * 1024
_HEAD_TIMEOUT_S = 30.0
KEEP_ALIVE_S = 75
#: Among the default headers of a server that retires.
LAST_WORD = (b"connection", b"close")
#: Up to this size a refused body is let come, and the connection used again; a larger one ends it.
_REFUSED_BODY_BYTES = 256 * 1024
#: How long, and how many, connections too many are listened to, so that they come to read why they are closed.
_TURNED_AWAY_S = 1.0
_TURNED_AWAY = 128
#: What is answered whatever there is to do; none of them costs much.
_ALWAYS = (b"/healthz", b"/readyz", b"/metrics", b"/docs", b"/openapi.json")
#: What is read and thrown away of a body that was refused, so that the client comes to read why.
_LINGER_S = 5.0
_LINGER_BYTES = 32 * 1024 * 1024
#: What makes a request an unusual one: it may be read in two ways, or wants to be answered in a way of its own.
_UNUSUAL = frozenset(
    {b"transfer-encoding", b"te", b"trailer", b"expect", b"upgrade", b"origin", b"x-request-id", b"proxy-connection"}
)
_USUAL_HEAD_BYTES = 8192
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class ClientConnection(HttpToolsProtocol):
    """Closes connections whose request head is larger than 64 KiB or does not arrive within 30 s.

    So do more than 64 KiB of anything else that is no body, which the parser would collect. What `admission` does not
    let in is answered here and now. `accepted` is called when the connection is there, and says whether it is wanted:
    one that was on its way when the server told all others to end would be waited for.

    What every request comes through calls its predecessor by name, which takes half the time of `super()`.
    """

    def __init__(
        self,
        *args: Any,
        admission: Admission,
        refusals: Refusals,
        outbox: Outbox,
        accepted: Callable[[], bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._admission = admission
        self._refusals = refusals
        self._outbox = outbox
        self._accepted = accepted
        self._refusal: bytes | None = None
        self._refusal_closes = False
        self._usual_head = b""
        self._usual_bytes = 0
        self._is_turned_away = False
        self._head_bytes = 0
        self._read_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._lingering_bytes: int | None = None
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._watchers: set[Callable[[], None]] = set()
        self._connection: dict[object, object] = {"watchers": self._watchers}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock for the first head; or end it at once, when there are too many."""
        is_wanted = self._accepted()
        if len(self.connections) >= self._admission.max_connections:
            self._turn_away(transport)
            return
        super().connection_made(transport)
        # To hang up at once; a polite end would wait until the client has taken what is held for it. A method of the
        # transport, which forgets us when it ends: what knows itself waits for the collector.
        self._connection["abort"] = transport.abort
        if is_wanted:
            self._start_head_timer()
        else:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell who watches."""
        self._stop_head_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._is_turned_away:
            self._admission.turned_away -= 1
        super().connection_lost(exc)
        for tell in tuple(self._watchers):
            tell()

    def on_message_begin(self) -> None:
        """Count from here."""
        HttpToolsProtocol.on_message_begin(self)
        self._head_bytes += 1  # a head has begun, be it behind another request in the same read

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head, and what else is no body: trailers and extensions of chunks."""
        if self._lingering_bytes is not None:
            self._lingering_bytes += len(data)
            if self._lingering_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        if self._admission.is_full() and self._refuse_unread(data):
            return
        if self._in_head and data.find(b"pgrade") >= 0:  # `in` would try to read a number first, and fail
            data = _without_upgrade(data)
        self._head_bytes += len(data)
        self._read_bytes = len(data)
        HttpToolsProtocol.data_received(self, data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._close()
        elif self._head_timer is None and self._is_awaited() and not self.transport.is_closing():
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        """The head is whole; one that came with its body in the same read may not be larger than the cap either."""
        self._in_head = False
        self._stop_head_timer()
        if self._head_bytes + self._read_bytes > _MAX_HEAD_BYTES and _size(self.headers) > _MAX_HEAD_BYTES:
            self._close()
            return
        # One behind another waits for its turn, and is asked then.
        if self._admission.is_full() and self.is_free and not self.url.startswith(_ALWAYS) and self._refuse():
            return
        HttpToolsProtocol.on_headers_complete(self)
        self.headers = []  # trailers: uvicorn would add them to the request's headers, and a proxy may not look at them

    def on_body(self, body: bytes) -> None:
        """What is read now is body, whose size is the application's business."""
        self._head_bytes = 0
        if self._refusal is None:
            HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        """The next bytes belong to the next request's head."""
        self._in_head = True
        self._head_bytes = 0
        if self._refusal is None:
            HttpToolsProtocol.on_message_complete(self)
        else:
            self._send_refusal(self._refusal)

    def on_response_complete(self) -> None:
        """As uvicorn has it, but with one timer for the life of the connection instead of one for each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._lingering_bytes is not None:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._rest()

    def _rest(self) -> None:
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(KEEP_ALIVE_S, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle_timer = None
        if not self.is_free or self._head_bytes:
            return  # in the middle of a request; its end looks again
        left_s = self._idle_since + KEEP_ALIVE_S - self.loop.time()
        if left_s <= 0 and self.transport.get_write_buffer_size():
            self.transport.abort()  # it has not taken its answer in all this time, and would hold it for ever
        elif left_s <= 0:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(left_s, self._look_whether_idle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Run the application with a `send` of ours; and let it watch the connection without a task of its own."""
        answer = JoinedAnswer(cycle, self._outbox, self._close_gently)
        extensions: dict[str, Any] = {CONNECTION: self._connection, SHORTCUTS: answer}
        cycle.scope["extensions"] = extensions
        admission = self._admission
        is_admitted = not admission.is_full()
        if is_admitted:
            extensions[ADMITTED] = {}
            admission.enter()

        async def joined(scope: Any, receive: Any, _: Any) -> None:
            try:
                await app(scope, receive, answer.send)
            finally:
                if not cycle.response_complete:
                    self._outbox.flush()  # it failed, and uvicorn closes the connection
                extensions.clear()  # the answer knows its cycle, whose scope knows the answer: collecting that costs
                if is_admitted:
                    admission.leave()

        super()._start_asgi_task(cycle, joined)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the same error shape as everything else."""
        body = error_body(RequestFault(msg, code="invalid_http"))
        self._outbox.write(
            self.transport,
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[400], len(body), body),
        )
        self._close()

    def _is_awaited(self) -> bool:
        """There is something of a head, or of a body that is to be refused. Until then an answer may be running."""
        return self._refusal is not None or (self._in_head and self._head_bytes > 0)

    @property
    def is_free(self) -> bool:
        """No request is under way here."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # before the first

    def _refuse_unread(self, data: bytes) -> bool:
        """Refuse a usual request that came in one piece, without the parser: that is half of what a refusal costs.

        Anything that is not quite usual is left to the parser.
        """
        if self._head_bytes or not (self._in_head and self.is_free):
            return False
        if not data.startswith(self._usual_head) or len(data) != self._usual_bytes:
            usual = _usual_head(data)
            if usual is None:
                return False
            self._usual_head, self._usual_bytes = usual, len(data)
        self._refusal_closes = closes = LAST_WORD in self.server_state.default_headers
        self._admission.refuse()
        self._send_refusal(self._refusals.answer(self._usual_head[5:64], None, closes=closes))
        return True

    def _refuse(self) -> bool:
        """Make the answer for one that is not let in. False when the application has to: browsers need more."""
        request_id = None
        closes = LAST_WORD in self.server_state.default_headers or not self.parser.should_keep_alive()
        closes = closes or self.parser.get_http_version() == "1.0"
        unread = False
        for name, value in self.headers:
            match name:
                case b"origin":
                    return False
                case b"x-request-id":
                    request_id = value
                case b"content-length":
                    unread = unread or int(value) > _REFUSED_BODY_BYTES
                case b"expect" | b"transfer-encoding":
                    unread = True
        self._refusal = self._refusals.answer(self.url, request_id, closes=closes or unread)
        self._refusal_closes = closes
        self._admission.refuse()
        if unread:
            self._outbox.write(self.transport, self._refusal)
            self._listen_on(_LINGER_S)
        return True

    def _send_refusal(self, refusal: bytes) -> None:
        self._refusal = None
        self._stop_head_timer()
        if self.flow.write_paused:
            self.transport.abort()  # it asks and asks, and takes no answer
        elif self._lingering_bytes is None:
            self._outbox.write(self.transport, refusal)
            if self._refusal_closes:
                self._close()
            else:
                self._rest()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """There are too many connections: say so, and close this one."""
        self.transport = transport
        admission = self._admission
        admission.refused["connections"] += 1
        if admission.turned_away >= _TURNED_AWAY:
            transport.abort()
            return
        admission.turned_away += 1
        self._is_turned_away = True
        self._outbox.write(transport, self._refusals.answer(b"", None, closes=True))
        self._listen_on(_TURNED_AWAY_S)

    def _close_gently(self) -> None:
        """Close; but a client that is still sending is listened to for a while."""
        if self.cycle.more_body:
            self._listen_on(_LINGER_S)
        else:
            self._close()

    def _listen_on(self, seconds: float) -> None:
        """Close later; closing at once would reset the connection, and the answer that tells why would be lost."""
        self._outbox.flush()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._lingering_bytes = 0
        if self.flow is not None:
            self.flow.resume_reading()
        self.transport.write_eof()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self.loop.call_later(seconds, self.transport.abort)

    def shutdown(self) -> None:
        """Close it, now or when its answer has ended."""
        self._outbox.flush()
        super().shutdown()

    def _close(self) -> None:
        """Close it behind what was written."""
        self._outbox.flush()
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _usual_head(data: bytes) -> bytes | None:
    """The head of a request that is all of `data`, and that everybody reads alike; else `None`."""
    end = data.find(b"\r\n\r\n", 0, _USUAL_HEAD_BYTES)
    head = data[: max(end, 0)].lower()
    start, *lines = head.split(b"\r\n")
    words = start.split(b" ")
    if words[0] != b"post" or words[-1] != b"http/1.1" or len(words) != 3:
        return None
    try:
        fields = dict([line.split(b": ", 1) for line in lines])
    except ValueError:
        return None
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or len(fields) != len(lines):
        return None  # a line break of another kind, or a name that comes twice
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 7 or int(length) != len(data) - end - 4:
        return None
    if not _UNUSUAL.isdisjoint(fields) or fields.get(b"connection", b"keep-alive") != b"keep-alive":
        return None
    # Names that are padded are refused or repaired by others; nobody is to be led astray by what they make of it.
    return None if b" :" in head or b"\r\n " in head or b"\t" in head else data[: end + 4]


def _without_upgrade(data: bytes) -> bytes:
    """Take the offer to speak something else out of a head, because the parser would give up the body that follows.

    Java's own HTTP client offers h2c with every first request. No offer is ever taken here.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest
