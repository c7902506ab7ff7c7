"""Bytes of an answer to deltas: a stream of events, or one JSON body, whichever it turns out to be."""

import msgspec

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.deltas import Broke, Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.reading import NULL, Fields, read_fields
from antiphon.protocol.target import Target
from antiphon.providers.responses.events import TEXT_DELTA, read_text
from antiphon.providers.responses.reader import EventReader, Expected
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import broken_off, fault_of, protocol_fault
from antiphon.providers.shared.halves import Halves
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["ResponsesDecoder"]

#: A whole JSON body may have this many bytes. (One frame of a stream: the limit of `SseParser`.)
_BODY_LIMIT = 32 * 1024 * 1024

_READABLE = frozenset({"", "text/event-stream", "application/json", "text/plain", "application/octet-stream"})
_BLANK = b" \t\r\n\xef\xbb\xbf"
_DONE = b"[DONE]"
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class ResponsesDecoder:
    """Reads one answer. See `providers.base.Decoder`.

    Attributes:
        done: the answer is complete or broken: nothing that may still come would matter.
    """

    __slots__ = ("_body", "_body_bytes", "_content_type", "_frames", "_mode", "_reader", "_seen", "_target", "done")

    def __init__(self, expected: Expected, target: Target, *, content_type: str) -> None:
        self._target = target
        self._reader = EventReader(expected, target)
        self._frames = SseParser()
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._seen = False  # a frame came
        self._content_type = content_type
        self._mode = "unknown" if _is_readable(content_type) else "wrong"
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises; after `Broke` everything is ignored."""
        out: list[Delta] = []
        if self.done or not data:
            return out
        if self._mode == "stream":
            self._stream(data, out)
        else:
            self._begin(data, out)
        return out

    def eof(self) -> list[Delta]:
        """The body ended cleanly.

        Complete is an answer whose last event came, or a whole JSON body. Everything else ends in `Broke`:
        `upstream_reset` in the middle of a frame, `upstream_protocol_error` when nothing came, else
        `upstream_truncated`.
        """
        out: list[Delta] = []
        if self.done:
            return out
        if self._mode == "stream":
            self._end_stream(out)
        elif self._mode == "body":
            self._whole_body(out)
        else:
            self._fail(protocol_fault(self._target, f"empty body ({self._mode})"), out)
        self.done = True
        return out

    def _begin(self, data: bytes, out: list[Delta]) -> None:
        """Until the first byte that tells what it is."""
        if self._mode == "wrong":
            self._fail(protocol_fault(self._target, f"content type {self._content_type[:80]}"), out)
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > _BODY_LIMIT:
            self._fail(protocol_fault(self._target, "body too large"), out)
            return
        if self._mode == "body":
            return
        first = data.lstrip(_BLANK)[:1]
        if first == b"<":
            self._fail(protocol_fault(self._target, "HTML or XML"), out)
        elif first in (b"{", b"["):
            self._mode = "body"
        elif first:
            self._mode = "stream"
            held, self._body = b"".join(self._body), []
            self._stream(held, out)

    def _stream(self, data: bytes, out: list[Delta]) -> None:
        too_long = ""
        try:
            frames = self._frames.feed(data)
        except FrameTooLongError as error:
            frames, too_long = error.events, str(error)
        for frame in frames:
            if not self.done:
                self._frame(frame, out)
        if too_long and not self.done:
            self._fail(protocol_fault(self._target, too_long), out)

    def _frame(self, frame: SseEvent, out: list[Delta]) -> None:
        self._seen = True
        data = frame.data
        if TEXT_DELTA in data[:80]:
            try:
                text = self._reader.text(read_text(data))
            except _UNREADABLE:
                text = None  # the long way tells whether anything is wrong with it
            if text is not None:
                out.append(text)
                return
        if data.strip() in (_DONE, b""):
            if data.strip():
                self._fail(broken_off(self._target, code="upstream_truncated", reason="[DONE] without an end"), out)
            return
        try:
            self._event(data, out, name=frame.name)
        except _UNREADABLE as error:
            self._mended(data, error, out=out)
        if self._reader.ended or (out and isinstance(out[-1], Broke)):
            self.done = True

    def _event(self, data: bytes, out: list[Delta], *, name: bytes) -> None:
        fields = _read(data)
        kind = fields.get("type")
        is_error = name == b"error" or bytes(kind or b"") == b'"error"'
        if is_error or (kind is None and fields.get("error", NULL) != NULL):
            said = read_error(data) or UpstreamError(data.decode("utf-8", "replace"), words="server_error")
            self._fail(fault_of(said, None, target=self._target), out)
        elif kind is not None:
            self._reader.event(fields, out)
        elif fields:
            self._fail(protocol_fault(self._target, f"frame of {len(data)} bytes: no event"), out)

    def _mended(self, data: bytes, error: Exception, *, out: list[Delta]) -> None:
        """A frame that cannot be read: perhaps only because a character was cut in two, or is half a one."""
        mended, stand_ins = repair_surrogates(data)
        try:
            if mended == data:
                raise error
            if stand_ins and b'.delta"' in data:
                self._reader.expect_halves(stand_ins)
            elif stand_ins:
                halves = Halves()
                halves.stand_ins = stand_ins
                mended = halves.replaced(mended)
            self._event(mended, out, name=b"")
        except _UNREADABLE as unread:
            self._fail(protocol_fault(self._target, f"frame of {len(data)} bytes: {unread}"), out)

    def _end_stream(self, out: list[Delta]) -> None:
        for frame in self._frames.eof():
            if _is_cut(frame.data):
                self._fail(broken_off(self._target, code="upstream_reset", reason="end inside a frame"), out)
                return
            self._frame(frame, out)
        if self.done:
            return
        if self._seen:
            self._fail(broken_off(self._target, code="upstream_truncated", reason="end without an end event"), out)
        else:
            self._fail(protocol_fault(self._target, "no frame in it"), out)

    def _whole_body(self, out: list[Delta]) -> None:
        body = b"".join(self._body).strip(_BLANK)
        self._body = []
        try:
            fields = _read(repair_surrogates(body)[0])
            if "output" in fields or "status" in fields:
                self._reader.end(fields, out, beside={}, kind="")
                return
        except _UNREADABLE as error:
            said = read_error(body)
            reason = f"body of {len(body)} bytes: {error}"
        else:
            said, reason = read_error(body), "no output"
        fault = protocol_fault(self._target, reason) if said is None else fault_of(said, None, target=self._target)
        self._fail(fault, out)

    def _fail(self, fault: Fault, out: list[Delta]) -> None:
        out.append(Broke(fault))
        self._body = []
        self.done = True


def _read(data: bytes) -> Fields:
    if not data.isascii():
        data.decode()  # what is passed on unread is not checked by the decoder
    return read_fields(data)


def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _READABLE or kind.endswith("+json")


def _is_cut(data: bytes) -> bool:
    """Whether a frame that the end cut off is JSON in its first half only."""
    if data.strip() in (_DONE, b""):
        return False
    try:
        read_fields(data)
    except _UNREADABLE:
        return True
    return False
