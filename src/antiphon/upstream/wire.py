"""One connection to a provider: HTTP/1.1 as it is spoken on it, one answer at a time.

httptools reads the answers; this module writes requests, keeps what arrived until it is read, and decides whether the
connection can carry another request. It knows no addresses, no limits on connecting and no faults: what goes wrong is
one of three errors, or the operating system's own.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from antiphon.lib.outbox import Outbox
from antiphon.upstream.head import Origin

__all__ = ["Answer", "CutError", "FramingError", "Keeper", "SilenceError", "Wire"]

#: Unread bytes held per connection, framing included; beyond it the provider is read more slowly.
_UNREAD_BYTES = 128 * 1024

#: One header. Some providers send policies and traces of tens of kilobytes.
_MAX_HEADER_BYTES = 64 * 1024

#: Bytes in a row that bring no part of a body: a whole head, or chunk extensions and trailers.
_MAX_BARREN_BYTES = 256 * 1024

_TRANSFER_ENCODINGS = frozenset({b"chunked", b"identity"})


class CutError(Exception):
    """The connection ended before the answer did."""


class FramingError(Exception):
    """What arrived is not HTTP."""


class SilenceError(Exception):
    """Nothing arrived for as long as one waits."""


class Keeper(Protocol):
    """Who knows all connections, and keeps those that have nothing to do."""

    @property
    def outbox(self) -> Outbox:
        """Where requests are written."""

    def join(self, wire: "Wire") -> None:
        """A connection is ready."""

    def release(self, wire: "Wire") -> None:
        """It has nothing to do, and can be used again."""

    def forget(self, wire: "Wire") -> None:
        """It is closed."""


class Answer:
    """One answer as it arrives: filled by a `Wire`, emptied by one reader, which waits for `news`.

    It outlives its time on the connection: what arrived stays here until it is read. Implements `watch.Wait`.

    Attributes:
        status: 0 until the head is complete.
        headers: names in lower case. Of a name that comes twice the first counts.
        parts: pieces of the body that nobody has read.
        unread_bytes: how much of the socket went into them, framing included.
        heard: whether a byte has arrived.
        wire: the connection, until the answer has ended.
        error: why it ended before its time, if it did.
        since: when the reader began to wait, in the loop's time; `None` while nobody waits.
        limit_s: how long it waits.
        taker: takes pieces of the body as they arrive, in place of a reader that would have to be woken for each. False
            wakes the reader, and so does an error, which is left in `taker_error`.
    """

    __slots__ = (
        "_loop",
        "_waiter",
        "error",
        "headers",
        "heard",
        "limit_s",
        "parts",
        "since",
        "status",
        "taker",
        "taker_error",
        "unread_bytes",
        "wire",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, since: float, limit_s: float) -> None:
        self._loop = loop
        self.unread_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.heard = False
        self.wire: Wire | None = None
        self.error: Exception | None = None
        self.since: float | None = since
        self.limit_s = limit_s
        self.taker: Callable[[bytes], bool] | None = None
        self.taker_error: Exception | None = None

    def news(self) -> asyncio.Future[None]:
        """Done when something may have changed: the head is there, a part of the body, or the end."""
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def take(self) -> bytes:
        """All that has arrived of the body and was not taken yet."""
        parts = self.parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self.unread_bytes > _UNREAD_BYTES and self.wire is not None:
            self.wire.resume_reading()
        self.unread_bytes = 0
        return taken

    def offer(self) -> bool:
        """Whether what arrived was taken without the reader."""
        taker = self.taker
        if taker is None or not self.parts:
            return False
        self.since = self._loop.time()
        try:
            took = taker(self.take())
        except Exception as error:  # noqa: BLE001 - it belongs to the reader, not to the connection
            self.taker_error, took = error, False
        if not took:
            self.taker = None
        return took

    def drop(self) -> None:
        """Close the connection, unless the answer has ended: then there is none to close."""
        if self.wire is not None:
            self.wire.abort()

    def look(self, now: float) -> float | None:
        """Ends the answer when its reader has waited for too long."""
        wire = self.wire
        if wire is None:
            return None
        left_s = self.limit_s
        if self.since is not None:
            left_s -= now - self.since
        if left_s <= 0:
            self.end(SilenceError("no byte within the limit"))
            wire.abort()
            return None
        return left_s

    def wake(self) -> None:
        """Tell the reader to look."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: Exception | None = None) -> None:
        """No more will come. Only the first end counts."""
        if self.wire is not None:
            self.wire = None
            self.error = error
            self.wake()


class Wire(asyncio.Protocol):
    """One connection. `send` it a request when it has nothing to do; the answer fills by itself.

    Closing is always hard: a polite end would let a TLS peer go on generating, and billing, until it answers.

    Attributes:
        origin: where it leads.
    """

    __slots__ = (
        "_answer", "_barren_bytes", "_is_complete", "_keeper", "_parser", "_reusable", "_transport", "origin"
    )  # fmt: skip

    def __init__(self, origin: Origin, keeper: Keeper) -> None:
        self.origin = origin
        self._keeper = keeper
        self._parser = _response_parser(self)
        self._transport: asyncio.Transport
        self._answer: Answer | None = None
        self._is_complete = False
        self._reusable = False
        self._barren_bytes = 0

    @property
    def is_closing(self) -> bool:
        """Whether it can no longer be used."""
        return self._transport.is_closing()

    def send(self, answer: Answer, request: bytes) -> None:
        """Write the request; `answer` ends in an error when that fails.

        It is handed over in one write, and what the network does not take at once is sent by the transport while the
        answer is read already: a provider that refuses a request says so before it has read all of it, and then
        closes. A second write into such an end would lose what was said.
        """
        self._answer = answer
        answer.wire = self
        if self._transport.is_closing():
            self._end(CutError("the connection was closed before it was used"))
        else:
            self._keeper.outbox.write(self._transport, request)

    def abort(self) -> None:
        """Close it now, whatever state it is in. An answer under way ends in a `CutError`."""
        self._transport.abort()
        self._end(CutError("the connection was dropped"))

    def resume_reading(self) -> None:
        """The reader has caught up."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # What asyncio calls. uvloop's transports are not subclasses of asyncio's, so there is nothing to narrow by.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio's subclasses have it
        """The connection is ready, TLS included."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        answer = self._answer
        if answer is None:
            # Nothing was asked. Usually a provider that says that it closes a connection after a while.
            self.abort()
            return
        answer.heard = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._refuse(answer, error)
            return
        if self._is_complete:
            self._finish(answer)
            return
        if answer.parts:
            self._barren_bytes = 0
            answer.unread_bytes += len(data)
            if answer.unread_bytes > _UNREAD_BYTES:
                self._transport.pause_reading()
        else:
            self._barren_bytes += len(data)
            if self._barren_bytes > _MAX_BARREN_BYTES:
                self._refuse(answer, FramingError("the head or the framing is too large"))
                return
        if answer.status and not answer.offer():
            answer.wake()

    def eof_received(self) -> None:
        """The far side sends no more. It may be the way to end a body; half-open connections are of no use."""
        self._close(None)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._close(exc)
        self._keeper.forget(self)
        del self._parser  # it holds what it calls, and so this object

    # What httptools calls, within `feed_data`.

    def on_message_begin(self) -> None:
        """The first byte of an answer, or of one that nobody asked for."""
        if self._is_complete:
            raise FramingError("an answer came without a request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, of which none has a meaning for us."""
        answer = self._answer
        if answer is None or answer.status:
            return
        if len(name) + len(value) > _MAX_HEADER_BYTES:
            raise FramingError("a header is too large")
        answer.headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """The head is there. Interim answers (1xx) are passed over."""
        answer = self._answer
        if answer is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise FramingError("the status is none that can be answered to a POST")
            answer.headers.clear()
            return
        coding = answer.headers.get(b"transfer-encoding")
        if coding is not None and coding.strip().lower() not in _TRANSFER_ENCODINGS:
            raise FramingError("the transfer-encoding is unknown")
        self._reusable = self._parser.should_keep_alive()
        answer.status = status

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        if self._answer is not None:
            self._answer.parts.append(part)

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one."""
        if self._answer is not None and self._answer.status:
            self._is_complete = True

    def _refuse(self, answer: Answer, error: Exception) -> None:
        # An answer that came whole is good, whatever follows it.
        if isinstance(error, HttpParserCallbackError) and error.__context__ is not None:
            error = error.__context__  # type: ignore[assignment]  # what `on_…` raised
        answer.end(None if self._is_complete else FramingError(str(error)))
        self.abort()

    def _finish(self, answer: Answer) -> None:
        self._is_complete = False
        self._barren_bytes = 0
        self._answer = None
        if answer.unread_bytes > _UNREAD_BYTES:
            self.resume_reading()
        transport = self._transport
        # Who answers before the request was sent whole may have stopped reading.
        if self._reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            self._keeper.release(self)
        else:
            transport.abort()
        answer.end()

    def _close(self, error: Exception | None) -> None:
        answer = self._answer
        if answer is None:
            return
        ends_so = answer.status > 0 and _ends_with_connection(answer.headers)
        # Who refuses a request without reading it all resets the connection behind the refusal.
        if ends_so and (error is None or answer.status >= 400):
            self._end(None)
        else:
            self._end(error or CutError("the connection was closed"))

    def _end(self, error: Exception | None) -> None:
        answer = self._answer
        if answer is not None:
            self._answer = None
            answer.end(error)


def _response_parser(wire: Wire) -> HttpResponseParser:
    # What providers get slightly wrong, and no reader can take for something else, is let pass.
    parser = HttpResponseParser(wire)
    parser.set_dangerous_leniencies(
        lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser


def _ends_with_connection(headers: dict[bytes, bytes]) -> bool:
    coding = headers.get(b"transfer-encoding", b"identity").strip().lower()
    return coding == b"identity" and b"content-length" not in headers
