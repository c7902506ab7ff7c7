"""Bytes of an answer to the frames in it: a stream of events, or JSON, whichever it turns out to be.

Content types lie: errors come as JSON under `text/event-stream`, whole answers where a stream was asked for. The first
byte that is no blank tells the two apart; a content type that is neither is refused unread. What a frame says, each
codec's own reader knows.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.deltas import Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.shared.faults import protocol_fault
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["UNREADABLE", "Bodies", "BrokenBodyError", "FrameReader", "Framing", "WholeBody", "is_end_marker"]

#: What decoding JSON raises.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)

#: A whole JSON body may have this many bytes. (One frame of a stream: the limit of `SseParser`.)
_BODY_LIMIT = 32 * 1024 * 1024
_KINDS = frozenset({"", "text/event-stream", "application/json", "text/plain", "application/octet-stream"})
_BLANK = b" \t\r\n\xef\xbb\xbf"  # with the bytes of a byte order mark


class FrameReader(Protocol):
    """What the frames of one dialect say. Appends to the list it is given, and never raises."""

    def frame(self, frame: SseEvent, out: list[Delta]) -> bool:
        """Take one event of a stream. Returns whether the answer is over: complete, or broken."""

    def body(self, body: bytes, out: list[Delta]) -> bool:
        """Take one JSON body, without blanks around it. Returns the same."""

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """Nothing more comes, and the answer is not over. `is_cut`: the bytes end inside a frame."""

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer is unusable from here on."""


class BrokenBodyError(ValueError):
    """Something else than JSON bodies, or too much of it. `bodies` are those that were complete before."""

    def __init__(self, reason: str, bodies: Sequence[bytes] = ()) -> None:
        super().__init__(reason)
        self.bodies = bodies


class Bodies(Protocol):
    """What takes JSON as it comes, where there is no stream of events."""

    @property
    def is_inside(self) -> bool:
        """A body has begun and not ended."""

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes as they came, return the bodies that are complete now. Raises `BrokenBodyError`."""

    def eof(self) -> Sequence[bytes]:
        """The bytes have ended: return what only that completes."""


class WholeBody:
    """All bytes are one body. Holds at most `limit` of them; beyond that `feed` raises `BrokenBodyError`."""

    __slots__ = ("_held", "_held_bytes", "_limit")

    is_inside = False  # whether one that was cut off can be read, its reader finds out

    def __init__(self, *, limit: int = _BODY_LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Hold them."""
        self._held_bytes += len(data)
        if self._held_bytes > self._limit:
            self._held.clear()
            raise BrokenBodyError("body too large")
        self._held.append(data)
        return ()

    def eof(self) -> Sequence[bytes]:
        """The body."""
        body = b"".join(self._held)
        self._held.clear()
        return (body.rstrip(_BLANK),)


class Framing:
    """Reads one answer. See `providers.base.Decoder`.

    Args:
        reader: what the frames mean.
        calls: what brings calls into the client's words, where they differ from those on the wire.
        bodies: how JSON comes, where it is not one body.

    Attributes:
        done: the answer is complete or broken: nothing that may still come would matter.
    """

    __slots__ = (
        "_blank_bytes", "_bodies", "_calls", "_frames", "_mode", "_read", "_reader", "_seen", "_target", "done",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self,
        reader: FrameReader,
        target: Target,
        content_type: str,
        calls: ClientCalls | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        self._reader = reader
        self._read = reader.frame
        self._target = target
        self._calls = calls
        self._bodies: Bodies = bodies or WholeBody()
        self._frames = SseParser()
        self._blank_bytes = 0  # in front of everything
        self._seen = False  # a frame or a body came
        self._mode = "unknown" if _is_readable(content_type) else f"content type {content_type[:80]}"
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises; once it is done everything is ignored."""
        out: list[Delta] = []
        if self.done:
            return out
        if self._mode == "stream":
            self._stream(data, out)
        elif self._mode == "body":
            self._body(data, out)
        elif data:
            self._begin(data, out)
        return out if self._calls is None else self._calls.translate(out)

    def eof(self) -> list[Delta]:
        """The body ended cleanly.

        An answer that is not complete ends in `Broke`: `upstream_reset` in the middle of a frame,
        `upstream_protocol_error` when nothing came, else `upstream_truncated`.
        """
        out: list[Delta] = []
        if self.done:
            return out
        if self._mode == "stream":
            self._end_stream(out)
        elif self._mode == "body":
            self._end_body(out)
        else:
            self._fail(f"empty body ({self._mode})", out)
        self.done = True
        return out if self._calls is None else self._calls.translate(out)

    def _begin(self, data: bytes, out: list[Delta]) -> None:
        """Until the first byte that tells what it is. Blanks before it mean nothing in either form."""
        if self._mode != "unknown":
            self._fail(self._mode, out)
            return
        rest = data.lstrip(_BLANK)
        self._blank_bytes += len(data) - len(rest)
        if self._blank_bytes > _BODY_LIMIT:
            self._fail("blanks without end", out)
        elif rest[:1] == b"<":
            self._fail("HTML or XML", out)
        elif rest[:1] in (b"{", b"["):
            self._mode = "body"
            self._body(rest, out)
        elif rest:
            self._mode = "stream"
            self._stream(rest, out)

    def _stream(self, data: bytes, out: list[Delta]) -> None:
        problem = ""
        try:
            frames = self._frames.feed(data)
        except FrameTooLongError as error:
            frames, problem = error.events, str(error)
        for frame in frames:
            self._seen = True
            if self._read(frame, out):
                self.done = True
                return
        if problem:
            self._fail(problem, out)

    def _body(self, data: bytes, out: list[Delta]) -> None:
        problem = ""
        try:
            bodies = self._bodies.feed(data)
        except BrokenBodyError as error:
            bodies, problem = error.bodies, str(error)
        self._read_bodies(bodies, out)
        if problem and not self.done:
            self._fail(problem, out)

    def _read_bodies(self, bodies: Sequence[bytes], out: list[Delta]) -> None:
        for body in bodies:
            self._seen = True
            if self._reader.body(body, out):
                self.done = True
                return

    def _end_stream(self, out: list[Delta]) -> None:
        is_cut = False
        for frame in self._frames.eof():
            self._seen = True
            is_cut = _is_cut(frame.data)
            if not is_cut and self._read(frame, out):
                return
        if self._seen:
            self._reader.end(out, is_cut=is_cut)
        else:
            self._fail("no frame in it", out)

    def _end_body(self, out: list[Delta]) -> None:
        self._read_bodies(self._bodies.eof(), out)
        if self.done:
            return
        if self._seen:
            self._reader.end(out, is_cut=self._bodies.is_inside)
        else:  # not even the first is whole: no answer, rather than one that broke off
            self._fail("half a body", out)

    def _fail(self, reason: str, out: list[Delta]) -> None:
        self._reader.fail(protocol_fault(self._target, reason), out)
        self.done = True


def is_end_marker(data: bytes) -> bool:
    """Whether an event's data is the end of a stream, as Chat ends it and as many others do too."""
    return data.strip() == b"[DONE]"


def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _KINDS or kind.endswith("+json")


def _is_cut(data: bytes) -> bool:
    """Whether a frame that the end cut off is JSON in its first half only."""
    if not data.strip() or is_end_marker(data):
        return False
    try:
        msgspec.json.decode(repair_surrogates(data)[0])
    except UNREADABLE:
        return True
    return False
