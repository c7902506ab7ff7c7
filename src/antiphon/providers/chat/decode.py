"""What the frames of an answer say: chunks, errors, the end marker."""

import msgspec

from antiphon.lib.sse import SseEvent
from antiphon.protocol.deltas import Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.chat.chunks import Chunk, decode_chunk
from antiphon.providers.chat.reader import ChunkReader, Expected
from antiphon.providers.chat.searches import SearchReader
from antiphon.providers.chat.state import ThoughtKeeper
from antiphon.providers.chat.vendor import add_vendor
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import broken_off, fault_of, protocol_fault
from antiphon.providers.shared.framing import UNREADABLE, is_end_marker
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["ChatFrames"]


class ChatFrames:
    """See `shared.framing.FrameReader`.

    Complete are: a finish reason, with or without `[DONE]`; `[DONE]` without a finish reason, if there was output; a
    whole JSON body.

    Args:
        searches: reads what the provider says of searches of the web.
    """

    __slots__ = ("_keeper", "_reader", "_search", "_target", "_vendor")

    def __init__(self, expected: Expected, target: Target, searches: SearchReader | None = None) -> None:
        self._target = target
        self._vendor = expected.vendor
        self._reader = ChunkReader(expected, target)
        self._search = searches
        keeps = expected.details or expected.thoughts
        self._keeper = ThoughtKeeper(details=expected.details, text=expected.thoughts) if keeps else None

    def frame(self, frame: SseEvent, out: list[Delta]) -> bool:
        """Take one event."""
        data = frame.data
        if frame.name == b"error":
            return self._error(data, out)
        try:
            chunk = decode_chunk(data)
        except UNREADABLE as error:
            return self._unread(data, error, out=out)
        known = len(out)
        self._chunk(chunk, data, out=out)
        if self._vendor:
            out[known:] = add_vendor(data, out[known:])
        return self._reader.broken

    def body(self, body: bytes, out: list[Delta]) -> bool:
        """Take a whole answer."""
        try:
            chunk = decode_chunk(body)
        except UNREADABLE as error:
            repaired, stand_ins = repair_surrogates(body)
            mended = self._mended(repaired, stand_ins=stand_ins)
            if mended is None:
                return self._no_answer(body, str(error), out=out)
            chunk = mended
        self._read(chunk, body, out)
        if self._reader.broken:
            return True
        if not chunk.choices:
            return self._no_answer(body, "no choices", out=out)
        self._end(out)
        if self._vendor:
            out[:] = add_vendor(body, out)
        return True

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """The bytes ended."""
        if self._reader.stopped:
            self._end(out)
        else:
            self.fail(broken_off(self._target, is_cut=is_cut), out)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer broke."""
        self._reader.fail(fault, out)

    def _unread(self, data: bytes, error: Exception, *, out: list[Delta]) -> bool:
        """A frame that is no chunk: the end marker, nothing at all, or broken JSON that may be mended."""
        text = data.strip()
        if not text:
            return False
        if is_end_marker(text):
            return self._finished(out)
        mended, stand_ins = repair_surrogates(data)
        chunk = self._mended(mended, stand_ins=stand_ins) if mended != data else None
        if chunk is not None:
            self._chunk(chunk, mended, out=out)
            return self._reader.broken
        said = read_error(data) if text[:1] in (b"{", b"[") else None
        reason = f"frame of {len(data)} bytes: {error}"
        self.fail(protocol_fault(self._target, reason) if said is None else self._fault(said), out)
        return True

    def _mended(self, data: bytes, *, stand_ins: int) -> Chunk | None:
        """The chunk in JSON whose lone halves of surrogate pairs were replaced by stand-ins."""
        try:
            chunk = decode_chunk(data)
        except UNREADABLE:
            return None
        self._reader.expect_halves(stand_ins=stand_ins)
        return chunk

    def _chunk(self, chunk: Chunk, data: bytes, *, out: list[Delta]) -> None:
        self._read(chunk, data, out)
        if chunk.choices is None and chunk.usage is None and not self._reader.broken:
            self._bare(chunk, data, out=out)

    def _read(self, chunk: Chunk, data: bytes, out: list[Delta]) -> None:
        if self._keeper is None and self._search is None:
            self._reader.read(chunk, out)
            return
        start = len(out)
        if self._keeper is not None:
            self._keeper.take(chunk, self._reader.clean)
        self._reader.read(chunk, out)
        if self._keeper is not None:
            self._keeper.pass_on(out, start)
        if self._search is not None:
            self._search.pass_on(data, out, start)

    def _end(self, out: list[Delta]) -> None:
        start = len(out)
        self._reader.end(out)
        if self._keeper is not None:
            self._keeper.pass_on(out, start)
        if self._search is not None:
            self._search.pass_on(b"{}", out, start)

    def _bare(self, chunk: Chunk, data: bytes, *, out: list[Delta]) -> None:
        """An object without choices and usage: an error, a sign of life, or something else than a chunk."""
        said = read_error(data)
        if said is not None:
            self.fail(self._fault(said), out)
        elif not (chunk.id or chunk.model or _is_sign_of_life(data)):
            self.fail(protocol_fault(self._target, f"frame of {len(data)} bytes: no chunk"), out)

    def _error(self, data: bytes, out: list[Delta]) -> bool:
        said = read_error(data) or UpstreamError(data.decode("utf-8", "replace"), words="server_error")
        self.fail(self._fault(said), out)
        return True

    def _finished(self, out: list[Delta]) -> bool:
        if self._reader.stopped or self._reader.spoke:
            self._end(out)
        else:
            self.fail(broken_off(self._target, is_cut=False), out)
        return True

    def _no_answer(self, body: bytes, reason: str, *, out: list[Delta]) -> bool:
        said = read_error(body)
        reason = f"body of {len(body)} bytes: {reason}"
        self.fail(protocol_fault(self._target, reason) if said is None else self._fault(said), out)
        return True

    def _fault(self, said: UpstreamError) -> Fault:
        return fault_of(said, None, target=self._target)


def _is_sign_of_life(data: bytes) -> bool:
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return False  # skipped fields are not checked when a chunk is decoded
    return not fields or bytes(fields.get("type", msgspec.Raw(b""))) == b'"ping"'
