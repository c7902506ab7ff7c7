"""Bytes of an answer to chunks: server-sent events, or JSON, whichever it turns out to be.

Content types lie, and proxies lose the `alt=sse` of a request: the first byte that is no blank tells the two apart. A
content type that is neither is refused unread.
"""

from collections.abc import Sequence

import msgspec

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.deltas import Delta
from antiphon.protocol.target import Target
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.gemini.chunks import decode_chunk
from antiphon.providers.gemini.faults import in_band_fault, protocol_fault
from antiphon.providers.gemini.objects import BrokenJsonError, ObjectSplitter
from antiphon.providers.gemini.reader import ChunkReader, Expected
from antiphon.providers.shared.errors import read_error

__all__ = ["GeminiDecoder"]

_READABLE = frozenset({"", "text/event-stream", "application/json", "text/plain", "application/octet-stream"})
_BLANK = b" \t\r\n\xef\xbb\xbf"
_DONE = b"[DONE]"


class GeminiDecoder:
    """Reads one answer. See `providers.base.Decoder`.

    Args:
        calls: brings names and arguments of calls back to what the client knows.

    Attributes:
        done: the answer is complete or broken: nothing that may still come would matter. Gemini has no end marker, so
            a good answer is mostly done at the end of its bytes only.
    """

    __slots__ = ("_calls", "_frames", "_objects", "_reader", "_target", "_wrong", "done")

    def __init__(
        self, expected: Expected, target: Target, *, content_type: str, calls: ClientCalls | None = None
    ) -> None:
        self._target = target
        self._reader = ChunkReader(expected, target)
        self._calls = calls
        self._frames: SseParser | None = None
        self._objects: ObjectSplitter | None = None
        self._wrong = "" if _is_readable(content_type) else content_type[:80]
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises; after `Broke` everything is ignored."""
        out: list[Delta] = []
        if self.done or not data:
            return out
        if self._wrong:
            self._fail(f"content type {self._wrong}", out)
        elif self._frames is not None:
            self._stream(self._frames, data, out=out)
        elif self._objects is not None:
            self._split(self._objects, data, out=out)
        else:
            self._begin(data, out)
        return self._told(out)

    def eof(self) -> list[Delta]:
        """The body ended cleanly.

        Complete is an answer with a finish reason. Everything else ends in `Broke`: `upstream_reset` in the middle of a
        frame, `upstream_protocol_error` when no candidate came, else `upstream_truncated`.
        """
        out: list[Delta] = []
        if self.done:
            return out
        is_cut = False
        if self._frames is not None:
            for frame in self._frames.eof():
                is_cut = _is_cut(frame.data)
                if not is_cut:
                    self._frame(frame, out)
        elif self._objects is not None:
            is_cut = self._objects.is_inside
        else:
            self._fail(f"empty body {self._wrong}", out)
        self._reader.end(out, is_cut=is_cut)
        self.done = True
        return self._told(out)

    def _told(self, out: list[Delta]) -> list[Delta]:
        return out if self._calls is None else self._calls.translate(out)

    def _begin(self, data: bytes, out: list[Delta]) -> None:
        """Until the first byte that tells what it is. Blanks before it mean nothing in either form."""
        data = data.lstrip(_BLANK)
        if not data:
            return
        if data[:1] == b"<":
            self._fail("HTML or XML", out)
        elif data[:1] in (b"{", b"["):
            self._objects = ObjectSplitter()
            self._split(self._objects, data, out=out)
        else:
            self._frames = SseParser()
            self._stream(self._frames, data, out=out)

    def _stream(self, frames: SseParser, data: bytes, *, out: list[Delta]) -> None:
        try:
            found: Sequence[SseEvent] = frames.feed(data)
            problem = ""
        except FrameTooLongError as error:
            found, problem = error.events, str(error)
        for frame in found:
            self._frame(frame, out)
        if problem:
            self._fail(problem, out)

    def _split(self, objects: ObjectSplitter, data: bytes, *, out: list[Delta]) -> None:
        try:
            found, problem = objects.feed(data), ""
        except BrokenJsonError as error:
            found, problem = error.objects, str(error)
        for chunk in found:
            self._chunk(chunk, out)
        if problem:
            self._fail(problem, out)

    def _frame(self, frame: SseEvent, out: list[Delta]) -> None:
        data = frame.data.strip()
        if self.done or not data:
            return
        if data == _DONE:  # some proxies end like Chat
            self._reader.end(out, is_cut=False)
            self.done = True
        elif frame.name == b"error":
            self._error(data, out)
        else:
            self._chunk(data, out)

    def _chunk(self, data: bytes, out: list[Delta]) -> None:
        if self.done:
            return
        try:
            chunk = decode_chunk(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._unread(data, str(error), out)
            return
        if not self._reader.read(chunk, out) and not (chunk.response_id or chunk.model_version):
            self._unread(data, "no candidates", out)
        if self._reader.broken:
            self.done = True

    def _unread(self, data: bytes, reason: str, out: list[Delta]) -> None:
        """A frame that is no chunk: an error in a shape of its own, or nothing that can be read."""
        if read_error(data) is not None:
            self._error(data, out)
        else:
            self._fail(f"frame of {len(data)} bytes: {reason}", out)

    def _error(self, data: bytes, out: list[Delta]) -> None:
        self._reader.fail(in_band_fault(data, self._target), out)
        self.done = True

    def _fail(self, reason: str, out: list[Delta]) -> None:
        self._reader.fail(protocol_fault(self._target, reason), out)
        self.done = True


def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _READABLE or kind.endswith("+json")


def _is_cut(data: bytes) -> bool:
    """Whether a frame that the end cut off is JSON in its first half only."""
    if data.strip() == _DONE or not data.strip():
        return False
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True
    return False
