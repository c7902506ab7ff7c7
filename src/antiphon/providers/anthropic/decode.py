"""Bytes of an answer to events: a stream, or one JSON body, whichever it turns out to be.

The first byte that is no blank tells the two apart, because content types lie; one that is neither is refused unread.
"""

import msgspec
from msgspec import Raw

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.deltas import Delta, Native, Seal
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.faults import error_fault
from antiphon.providers.anthropic.reader import Expected, MessageReader
from antiphon.providers.anthropic.retell import retell
from antiphon.providers.anthropic.wire import Event, decode_event, decode_message
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.shared.faults import broken_off, protocol_fault

__all__ = ["BODY_LIMIT", "AnthropicDecoder"]

#: A whole JSON body may have this many bytes. (One frame of a stream: the limit of `SseParser`.)
BODY_LIMIT = 32 * 1024 * 1024

_READABLE = frozenset({"", "text/event-stream", "application/json", "text/plain", "application/octet-stream"})
_BLANK = b" \t\r\n\xef\xbb\xbf"
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class AnthropicDecoder:
    """Reads one answer. See `providers.base.Decoder`.

    Args:
        calls: what brings calls into the client's words, where they differ from those on the wire.

    Attributes:
        done: the answer is complete or broken: nothing that may still come would matter.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_calls",
        "_expected",
        "_frames",
        "_mode",
        "_reader",
        "_seen",
        "_target",
        "done",
    )

    def __init__(
        self, expected: Expected, target: Target, *, content_type: str, calls: ClientCalls | None = None
    ) -> None:
        self._target = target
        self._expected = expected
        self._calls = calls
        self._reader = MessageReader(expected, target)
        self._frames = SseParser()
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._seen = False  # a frame came
        self._mode = "unknown" if _is_readable(content_type) else f"wrong:{content_type[:80]}"
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises; after `Broke` everything is ignored."""
        out: list[Delta] = []
        if self._mode == "stream":
            self._stream(data, out)
        elif not self.done and data:
            self._begin(data, out)
        return out if self._calls is None else self._calls.translate(out)

    def eof(self) -> list[Delta]:
        """The body ended cleanly.

        Complete are: a stop reason, with or without `message_stop`; a whole JSON body. Everything else ends in `Broke`:
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
            self._fail(f"empty body ({self._mode})", out)
        self.done = True
        return out if self._calls is None else self._calls.translate(out)

    def _begin(self, data: bytes, out: list[Delta]) -> None:
        """Until the first byte that tells what it is."""
        if self._mode.startswith("wrong"):
            self._fail(f"content type {self._mode}", out)
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > BODY_LIMIT:
            self._fail("body too large", out)
            return
        if self._mode == "body":
            return
        first = data.lstrip(_BLANK)[:1]
        if first == b"<":
            self._fail("HTML or XML", out)
        elif first in (b"{", b"["):
            self._mode = "body"
        elif first:
            self._mode = "stream"
            held, self._body = b"".join(self._body), []
            self._stream(held, out)

    def _stream(self, data: bytes, out: list[Delta]) -> None:
        if self.done:
            return
        try:
            frames = self._frames.feed(data)
        except FrameTooLongError as error:
            for frame in error.events:
                self._frame(frame, out)
            self._fail(str(error), out)
            return
        for frame in frames:
            self._frame(frame, out)

    def _frame(self, frame: SseEvent, out: list[Delta]) -> None:
        if self.done:
            return
        self._seen = True
        data = frame.data
        if frame.name == b"error":
            self._error(data, out)
            return
        before = len(out)
        try:
            self._event(decode_event(data), data, out=out)
            self._hand_on(data, out, before=before)
        except _UNREADABLE as error:
            if data.strip() not in (b"", b"[DONE]"):  # some servers end every stream as Chat does
                self._fail(f"frame of {len(data)} bytes: {error}", out)
        if self._reader.broken:
            self.done = True

    def _event(self, event: Event, data: bytes, *, out: list[Delta]) -> None:
        """What an event says. Unknown ones are skipped: the vendor adds some without notice.

        Raises:
            msgspec.DecodeError: something in it has not the shape that it should have.
        """
        reader = self._reader
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    reader.delta(event.index, event.delta, out)
            case "content_block_start":
                reader.start(event.index, event.content_block, out)
            case "content_block_stop":
                reader.stop(event.index, out)
            case "message_start":
                reader.begin(decode_message(event.message), out)
            case "message_delta":
                reader.count(event.usage, out)
                if event.delta is not None and event.delta.stop_reason:
                    reader.end(event.delta.stop_reason, event.delta.stop_details, out=out)
            case "message_stop":
                self._finished(out)
            case "error":
                self._error(data, out)

    def _hand_on(self, data: bytes, out: list[Delta], *, before: int) -> None:
        """The event itself, for a client that reads it. What is not sent on is what breaks the answer."""
        if self._expected.vendor and not self._reader.broken:
            out.append(Native(Raw(data), _count_seals(out, before)))

    def _error(self, data: bytes, out: list[Delta]) -> None:
        self._reader.fail(error_fault(data, self._target), out)
        self.done = True

    def _finished(self, out: list[Delta]) -> None:
        if not self._reader.stopped:
            self._cut("message_stop without a stop_reason", out)
        self.done = True

    def _cut(self, reason: str, out: list[Delta], *, code: str = "upstream_truncated") -> None:
        self._reader.fail(broken_off(self._target, code=code, reason=reason), out)

    def _end_stream(self, out: list[Delta]) -> None:
        for frame in self._frames.eof():
            if not _is_json(frame.data):
                if not self._reader.stopped:
                    self._cut("end inside a frame", out, code="upstream_reset")
                return
            self._frame(frame, out)
        if self.done or self._reader.stopped:
            return
        if self._seen:
            self._cut("end without a stop_reason", out)
        else:
            self._fail("no frame in it", out)

    def _whole_body(self, out: list[Delta]) -> None:
        body = b"".join(self._body).strip(_BLANK)
        self._body = []
        try:
            self._message(body, out)
        except _UNREADABLE as error:
            self._fail(f"body of {len(body)} bytes: {error}", out)

    def _message(self, body: bytes, out: list[Delta]) -> None:
        message = decode_message(body)
        if message.type == "error":
            self._error(body, out)
            return
        if message.content is None:
            self._fail(f"body of {len(body)} bytes: no content", out)
            return
        reader, seals = self._reader, []
        reader.begin(message, out)
        for index, block in enumerate(message.content):
            before = len(out)
            reader.start(index, block, out)
            reader.stop(index, out)
            seals.append(_count_seals(out, before))
        if not message.stop_reason:
            self._cut("no stop_reason", out)
            return
        before = len(out)
        reader.end(message.stop_reason, message.stop_details, out=out)
        if self._expected.vendor and not reader.broken:
            out += retell(body, message.content, seals=[*seals, _count_seals(out, before)])

    def _fail(self, reason: str, out: list[Delta]) -> None:
        self._reader.fail(protocol_fault(self._target, reason), out)
        self._body = []
        self.done = True


def _count_seals(out: list[Delta], start: int) -> int:
    return sum(isinstance(delta, Seal) for delta in out[start:])


def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _READABLE or kind.endswith("+json")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except _UNREADABLE:
        return data.strip() in (b"", b"[DONE]")
    return True
