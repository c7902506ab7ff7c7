"""What the frames of an answer say: chunks, and errors among them."""

from antiphon.lib.sse import SseEvent
from antiphon.protocol.deltas import Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.gemini.chunks import decode_chunk
from antiphon.providers.gemini.faults import in_band_fault
from antiphon.providers.gemini.reader import ChunkReader, Expected
from antiphon.providers.shared.errors import read_error
from antiphon.providers.shared.faults import protocol_fault
from antiphon.providers.shared.framing import UNREADABLE, is_end_marker

__all__ = ["GeminiFrames"]


class GeminiFrames:
    """See `shared.framing.FrameReader`. Proxies lose the `alt=sse` of a request: then each chunk comes as a body.

    Complete is an answer with a finish reason. There is no end marker: it is mostly over at the end of its bytes only.
    """

    __slots__ = ("_reader", "_target")

    def __init__(self, expected: Expected, target: Target) -> None:
        self._target = target
        self._reader = ChunkReader(expected, target)

    def frame(self, frame: SseEvent, out: list[Delta]) -> bool:
        """Take one event."""
        data = frame.data.strip()
        if not data:
            return False
        if is_end_marker(data):  # some proxies end like Chat
            self._reader.end(out, is_cut=False)
            return True
        if frame.name == b"error":
            return self._error(data, out)
        return self.body(data, out)

    def body(self, body: bytes, out: list[Delta]) -> bool:
        """Take one chunk."""
        try:
            chunk = decode_chunk(body)
        except UNREADABLE as error:
            return self._unread(body, str(error), out)
        if not self._reader.read(chunk, out) and not (chunk.response_id or chunk.model_version):
            return self._unread(body, "no candidates", out)
        return self._reader.broken

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """The bytes ended."""
        self._reader.end(out, is_cut=is_cut)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer broke."""
        self._reader.fail(fault, out)

    def _unread(self, data: bytes, reason: str, out: list[Delta]) -> bool:
        """A frame that is no chunk: an error in a shape of its own, or nothing that can be read."""
        if read_error(data) is not None:
            return self._error(data, out)
        self.fail(protocol_fault(self._target, f"frame of {len(data)} bytes: {reason}"), out)
        return True

    def _error(self, data: bytes, out: list[Delta]) -> bool:
        self.fail(in_band_fault(data, self._target), out)
        return True
