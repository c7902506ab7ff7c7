"""An answer on its way to uvicorn's transport: its head leaves in one write with the first piece of its body.

uvicorn writes the two apart, which costs a system call here and a wake-up at the client for every answer, and it checks
each header with two regular expressions. All else is as uvicorn does it, and its cycle keeps the state.
"""

from itertools import chain
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Callable

    from antiphon.edge.asgi import Headers, Message
    from antiphon.lib.outbox import Outbox

__all__ = ["SHORTCUTS", "JoinedAnswer"]

#: Key in the scope's `extensions` under which our server keeps the `JoinedAnswer`, for what need not be waited for.
#: Waiting all the same is a good part of the cost of a request, and of a streamed event.
SHORTCUTS = "antiphon.shortcuts"

_BODYLESS = (204, 304)


class JoinedAnswer:
    """Takes the place of `RequestResponseCycle.send` for one request.

    The head is held until the first `http.response.body`, which therefore has to follow at once, be it empty.
    `close` ends the connection after an answer that says so.
    """

    __slots__ = ("_close", "_cycle", "_held", "_outbox")

    def __init__(self, cycle: RequestResponseCycle, outbox: "Outbox", close: "Callable[[], None]") -> None:
        self._cycle = cycle
        self._outbox = outbox
        self._close = close
        self._held = b""

    def whole_body(self) -> bytes | None:
        """The request's body where all of it is there, as it is for most requests; what `receive` would give."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected:
            return None
        body = bytes(cycle.body)
        cycle.body = bytearray()
        cycle.message_event.clear()
        cycle.flow.resume_reading()
        return body

    async def send(self, message: "Message") -> None:
        """Take one ASGI message. Waits while the client reads slowly; does nothing once it is gone."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if message["type"] == "http.response.start":
            self._held = self._head(message["status"], message["headers"])
        else:
            self._write(message.get("body", b""), more=message.get("more_body", False))

    def whole_answer(self, status: int, headers: "Headers", body: bytes) -> bool:
        """Take all of an answer at once, where that needs no waiting; false leaves it to `send`."""
        cycle = self._cycle
        if cycle.flow.write_paused or cycle.disconnected:
            return False
        self._held = self._head(status, headers)
        self._write(body, more=False)
        return True

    def is_ready(self) -> bool:
        """Whether a piece of a streamed answer, which has begun, can be written without waiting."""
        cycle = self._cycle
        return not cycle.flow.write_paused and not cycle.disconnected and cycle.chunked_encoding is True

    def write_now(self, data: bytes) -> None:
        """A piece of a streamed answer, right after `is_ready` said so."""
        self._outbox.write(self._cycle.transport, b"%x\r\n%b\r\n" % (len(data), data))

    def _head(self, status: int, headers: "Headers") -> bytes:
        cycle = self._cycle
        if cycle.response_started:
            raise RuntimeError("the answer has begun already")
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        fields = [*cycle.default_headers, *headers]
        known = dict(fields)
        if b"connection" in known:
            cycle.keep_alive = False  # `close`, the only word that is ever said here, is said below
            fields = [field for field in fields if field[0] != b"connection"]
        length = known.get(b"content-length")
        if length is not None:
            cycle.expected_content_length = int(length)
            cycle.chunked_encoding = False
        elif cycle.scope["method"] != "HEAD" and status not in _BODYLESS:
            cycle.chunked_encoding = True
            fields.append((b"transfer-encoding", b"chunked"))
        if not cycle.keep_alive:
            fields.append((b"connection", b"close"))
        lines = b"\r\n".join(map(b": ".join, fields))
        said = b"".join(chain.from_iterable(fields))
        if said.find(b"\n") >= 0 or said.find(b"\r") >= 0:
            raise RuntimeError("a header of the answer holds a line break")
        return STATUS_LINE[status] + lines + b"\r\n\r\n"

    def _write(self, body: bytes, *, more: bool) -> None:
        cycle = self._cycle
        if not cycle.response_started or cycle.response_complete:
            raise RuntimeError("a piece of the answer before its head, or after its end")
        data = self._held
        self._held = b""
        if cycle.scope["method"] == "HEAD":
            cycle.expected_content_length = 0
        elif cycle.chunked_encoding:
            if body:
                data += b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                data += b"0\r\n\r\n"
        else:
            cycle.expected_content_length -= len(body)
            data += body
        if cycle.expected_content_length < 0 or (cycle.expected_content_length and not more):
            raise RuntimeError("the answer is not as long as its content-length says")
        if data:
            self._outbox.write(cycle.transport, data)
        if not more:
            cycle.response_complete = True
            cycle.message_event.set()
            if not cycle.keep_alive:
                self._close()
            cycle.on_response()
