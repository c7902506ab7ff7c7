"""Bytes of an answer to chunks: a stream of events, or one JSON body, whichever it turns out to be.

Content types lie: errors come as JSON under `text/event-stream`, whole answers where a stream was asked for. The first
byte that is no blank tells the two apart; a content type that is neither is refused unread.
"""

import msgspec

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser
from antiphon.protocol.deltas import Delta
from antiphon.protocol.target import Target
from antiphon.providers.chat.chunks import Chunk, decode_chunk
from antiphon.providers.chat.reader import ChunkReader, Expected
from antiphon.providers.chat.state import ThoughtKeeper
from antiphon.providers.chat.vendor import add_vendor
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import broken_off, fault_of, protocol_fault
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["BODY_LIMIT", "ChatDecoder"]

#: A whole JSON body may have this many bytes. (One frame of a stream: the limit of `SseParser`.)
BODY_LIMIT = 32 * 1024 * 1024

_READABLE = frozenset({"", "text/event-stream", "application/json", "text/plain", "application/octet-stream"})
_BLANK = b" \t\r\n\xef\xbb\xbf"
_DONE = b"[DONE]"


class ChatDecoder:
    """Reads one answer. See `providers.base.Decoder`.

    Args:
        calls: what brings calls into the client's words, where they differ from those on the wire.
        vendor: the client speaks this dialect too, and gets what deltas cannot tell.

    Attributes:
        done: the answer is complete or broken: nothing that may still come would matter.
    """

    __slots__ = (
        "_body", "_body_bytes", "_calls", "_frames", "_keeper", "_mode", "_reader", "_seen", "_target", "_vendor",
        "done",
    )  # fmt: skip

    def __init__(
        self,
        expected: Expected,
        target: Target,
        *,
        content_type: str,
        calls: ClientCalls | None = None,
        vendor: bool = False,
    ) -> None:
        self._target = target
        self._vendor = vendor
        self._calls = calls
        self._reader = ChunkReader(expected, target)
        keeps = expected.details or expected.thoughts
        self._keeper = ThoughtKeeper(details=expected.details, text=expected.thoughts) if keeps else None
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

        Complete are: a finish reason, with or without `[DONE]`; `[DONE]` without a finish reason, if there was output;
        a whole JSON body. Everything else ends in `Broke`: `upstream_reset` in the middle of a frame,
        `upstream_protocol_error` when nothing came, else `upstream_truncated`.
        """
        out: list[Delta] = []
        if self.done:
            return out
        if self._mode == "stream":
            self._end_stream(out)
        elif self._mode == "body":
            self._whole_body(out)
        else:
            self._reader.fail(protocol_fault(self._target, f"empty body ({self._mode})"), out)
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
        try:
            chunk = decode_chunk(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._unread(data, error, out=out)
            return
        known = len(out)
        self._chunk(chunk, data, out=out)
        if self._vendor:
            out[known:] = add_vendor(data, out[known:])

    def _unread(self, data: bytes, error: Exception, *, out: list[Delta]) -> None:
        """A frame that is no chunk: the end marker, nothing at all, or broken JSON that may be mended."""
        text = data.strip()
        if text == _DONE:
            self._finished(out)
            return
        if not text:
            return
        mended, stand_ins = repair_surrogates(data)
        chunk = self._mended(mended, stand_ins=stand_ins) if mended != data else None
        if chunk is not None:
            self._chunk(chunk, mended, out=out)
            return
        said = read_error(data) if text[:1] in (b"{", b"[") else None
        if said is not None:
            self._reader.fail(fault_of(said, None, target=self._target), out)
            self.done = True
            return
        self._fail(f"frame of {len(data)} bytes: {error}", out)

    def _mended(self, data: bytes, *, stand_ins: int) -> Chunk | None:
        """The chunk in JSON whose lone halves of surrogate pairs were replaced by stand-ins."""
        try:
            chunk = decode_chunk(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        self._reader.expect_halves(stand_ins=stand_ins)
        return chunk

    def _chunk(self, chunk: Chunk, data: bytes, *, out: list[Delta]) -> None:
        self._read(chunk, out)
        if chunk.choices is None and chunk.usage is None and not self._reader.broken:
            self._bare(chunk, data, out=out)
        if self._reader.broken:
            self.done = True

    def _read(self, chunk: Chunk, out: list[Delta]) -> None:
        if self._keeper is None:
            self._reader.read(chunk, out)
            return
        start = len(out)
        self._keeper.take(chunk, self._reader.clean)
        self._reader.read(chunk, out)
        self._keeper.pass_on(out, start)

    def _end(self, out: list[Delta]) -> None:
        start = len(out)
        self._reader.end(out)
        if self._keeper is not None:
            self._keeper.pass_on(out, start)

    def _bare(self, chunk: Chunk, data: bytes, *, out: list[Delta]) -> None:
        """An object without choices and usage: an error, a sign of life, or something else than a chunk."""
        said = read_error(data)
        if said is not None:
            self._reader.fail(fault_of(said, None, target=self._target), out)
        elif not (chunk.id or chunk.model or _is_sign_of_life(data)):
            self._fail(f"frame of {len(data)} bytes: no chunk", out)

    def _error(self, data: bytes, out: list[Delta]) -> None:
        said = read_error(data) or UpstreamError(data.decode("utf-8", "replace"), words="server_error")
        self._reader.fail(fault_of(said, None, target=self._target), out)
        self.done = True

    def _finished(self, out: list[Delta]) -> None:
        reader = self._reader
        if reader.stopped or reader.spoke:
            self._end(out)
        else:
            reader.fail(broken_off(self._target, code="upstream_truncated", reason="[DONE] without an answer"), out)
        self.done = True

    def _end_stream(self, out: list[Delta]) -> None:
        reader = self._reader
        for frame in self._frames.eof():
            if _is_cut(frame.data):
                if not reader.stopped:
                    reader.fail(broken_off(self._target, code="upstream_reset", reason="end inside a frame"), out)
                    return
            else:
                self._frame(frame, out)
        if self.done:
            return
        if reader.stopped:
            self._end(out)
        elif self._seen:
            reader.fail(broken_off(self._target, code="upstream_truncated", reason="end without a finish"), out)
        else:
            self._fail("no frame in it", out)

    def _whole_body(self, out: list[Delta]) -> None:
        body = b"".join(self._body).strip(_BLANK)
        self._body = []
        try:
            chunk = decode_chunk(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            repaired, stand_ins = repair_surrogates(body)
            mended = self._mended(repaired, stand_ins=stand_ins)
            if mended is None:
                self._no_answer(body, str(error), out=out)
                return
            chunk = mended
        self._read(chunk, out)
        if self._reader.broken:
            return
        if chunk.choices:
            self._end(out)
            if self._vendor:
                out[:] = add_vendor(body, out)
        else:
            self._no_answer(body, "no choices", out=out)

    def _no_answer(self, body: bytes, reason: str, *, out: list[Delta]) -> None:
        said = read_error(body)
        if said is not None:
            self._reader.fail(fault_of(said, None, target=self._target), out)
        else:
            self._fail(f"body of {len(body)} bytes: {reason}", out)

    def _fail(self, reason: str, out: list[Delta]) -> None:
        self._reader.fail(protocol_fault(self._target, reason), out)
        self._body = []
        self.done = True


def _is_readable(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _READABLE or kind.endswith("+json")


def _is_sign_of_life(data: bytes) -> bool:
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False  # skipped fields are not checked when a chunk is decoded
    return not fields or bytes(fields.get("type", msgspec.Raw(b""))) == b'"ping"'


def _is_cut(data: bytes) -> bool:
    """Whether a frame that the end cut off is JSON in its first half only."""
    if data.strip() == _DONE or not data.strip():
        return False
    try:
        msgspec.json.decode(repair_surrogates(data)[0])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True
    return False
