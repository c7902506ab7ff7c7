"""What the frames of an answer say: chunks, and errors among them."""

from collections.abc import Iterator
from typing import Any

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
from antiphon.providers.shared.mending import Mending, Place, is_mendable

__all__ = ["GeminiFrames"]


class GeminiFrames:
    """See `shared.framing.FrameReader`. Proxies lose the `alt=sse` of a request: then each chunk comes as a body.

    Complete is an answer with a finish reason. There is no end marker: it is mostly over at the end of its bytes only.
    """

    __slots__ = ("_mending", "_reader", "_target")

    def __init__(self, expected: Expected, target: Target) -> None:
        self._target = target
        self._reader = ChunkReader(expected, target)
        self._mending: Mending | None = None  # once a character was cut in two

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
        if self._mending is None:
            return self._chunk(body, out)
        try:
            frames = self._mending.frames(body)
        except UNREADABLE as error:
            return self._unread(body, str(error), out)
        return any([self._chunk(frame, out) for frame in frames])  # noqa: C419 - all of them are read

    def _chunk(self, body: bytes, out: list[Delta]) -> bool:
        try:
            chunk = decode_chunk(body)
        except UNREADABLE as error:
            if self._mending is None and is_mendable(body):
                self._mending = Mending(_places, _late)
                return self.body(body, out)
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


def _places(chunk: dict[str, Any]) -> Iterator[Place]:
    """The texts of the first candidate."""
    for candidate in (chunk.get("candidates") or ())[:1]:
        for part in (candidate.get("content") or {}).get("parts") or ():
            if isinstance(part.get("text"), str):
                yield part.get("thought") is True, part, "text"


def _late(key: Any, text: str) -> dict[str, Any]:
    part = {"text": text, "thought": True} if key else {"text": text}
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}
