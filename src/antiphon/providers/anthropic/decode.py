"""What the frames of an answer say: the events of a message."""

from collections.abc import Iterator
from typing import Any

from msgspec import Raw

from antiphon.lib.sse import SseEvent
from antiphon.protocol.deltas import Delta, Native, Seal
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.faults import error_fault
from antiphon.providers.anthropic.pausing import PAUSED, PausedAnswer
from antiphon.providers.anthropic.reader import Expected, MessageReader
from antiphon.providers.anthropic.retell import retell
from antiphon.providers.anthropic.wire import Event, StopDetails, decode_event, decode_message
from antiphon.providers.shared.faults import broken_off, protocol_fault
from antiphon.providers.shared.framing import UNREADABLE, is_end_marker
from antiphon.providers.shared.mending import Mending, Place, is_mendable, mended_body

__all__ = ["AnthropicFrames"]

#: Texts that go on from delta to delta, and the type of theirs.
_TEXTS = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}


class AnthropicFrames:
    """See `shared.framing.FrameReader`.

    Complete are: a stop reason, with or without `message_stop`; a whole JSON body.
    """

    __slots__ = ("_mending", "_reader", "_target", "_vendor", "_whole")

    def __init__(self, expected: Expected, target: Target) -> None:
        self._target = target
        self._vendor = expected.vendor
        self._reader = MessageReader(expected)
        self._mending: Mending | None = None  # once a character was cut in two
        self._whole = PausedAnswer() if expected.resumable else None

    def frame(self, frame: SseEvent, out: list[Delta]) -> bool:
        """Take one event."""
        data = frame.data
        if frame.name == b"error":
            return self._error(data, out)
        is_last = False
        try:
            is_last = self._read(data, out) if self._mending is None else self._read_mended(data, self._mending, out)
        except UNREADABLE as error:
            if is_mendable(data) and self._mending is None:
                self._mending = Mending(_places, _late)
                return self.frame(frame, out)
            if data.strip() and not is_end_marker(data):  # some servers end every stream as Chat does
                self._fail(f"frame of {len(data)} bytes: {error}", out)
        return is_last or self._reader.broken

    def body(self, body: bytes, out: list[Delta]) -> bool:
        """Take a whole answer."""
        try:
            self._message(mended_body(body) if is_mendable(body) else body, out)
        except UNREADABLE as error:
            self._fail(f"body of {len(body)} bytes: {error}", out)
        return True

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """The bytes ended."""
        if not self._reader.stopped:
            self.fail(broken_off(self._target, is_cut=is_cut), out)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer broke."""
        self._reader.fail(fault, out)

    def _read(self, data: bytes, out: list[Delta]) -> bool:
        before = len(out)
        if self._vendor and not data.isascii():
            data.decode()  # what is passed on unread is not checked by the decoder
        is_last = self._event(decode_event(data), data, out=out)
        if self._whole is not None:
            self._whole.see(data)
        if self._vendor:
            self._hand_on(data, out, before=before)
        return is_last

    def _read_mended(self, data: bytes, mending: Mending, out: list[Delta]) -> bool:
        return any([self._read(frame, out) for frame in mending.frames(data)])  # noqa: C419 - all of them are read

    def _event(self, event: Event, data: bytes, *, out: list[Delta]) -> bool:
        """What an event says, and whether it is the last. Unknown ones are skipped: some are added without notice.

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
                reader.open(decode_message(event.message), out)
            case "message_delta":
                reader.count(event.usage, out)
                if event.delta is not None and event.delta.stop_reason:
                    self._stop(event.delta.stop_reason, event.delta.stop_details, out=out)
            case "message_stop":
                self.end(out, is_cut=False)
                return True
            case "error" | "":
                self._take_odd(event.type, data, out=out)
        return False

    def _take_odd(self, kind: str, data: bytes, *, out: list[Delta]) -> None:
        """An error, or something without a type: no event, unless it is nothing but a sign of life."""
        if kind == "error":
            self._error(data, out)
        elif data.strip() != b"{}":
            self._fail(f"frame of {len(data)} bytes: no event", out)

    def _hand_on(self, data: bytes, out: list[Delta], *, before: int) -> None:
        """The event itself, for a client that reads it. What is not sent on is what breaks the answer."""
        if not self._reader.broken:
            out.append(Native(Raw(data), _count_seals(out, before)))

    def _error(self, data: bytes, out: list[Delta]) -> bool:
        self.fail(error_fault(data, self._target), out)
        return True

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
        reader.count(message.usage, out)
        for index, block in enumerate(message.content):
            before = len(out)
            reader.start(index, block, out)
            reader.stop(index, out)
            seals.append(_count_seals(out, before))
        if not message.stop_reason:
            self.end(out, is_cut=False)
            return
        before = len(out)
        if self._whole is not None:
            self._whole.take(message.content)
        self._stop(message.stop_reason, message.stop_details, out=out)
        if self._vendor and not reader.broken:
            out += retell(body, message.content, seals=[*seals, _count_seals(out, before)])

    def _stop(self, reason: str, details: StopDetails | None, *, out: list[Delta]) -> None:
        paused = self._whole.payload() if reason == PAUSED and self._whole is not None else None
        self._reader.end(reason, details, out=out, paused=paused)

    def _fail(self, reason: str, out: list[Delta]) -> None:
        self.fail(protocol_fault(self._target, reason), out)


def _count_seals(out: list[Delta], start: int) -> int:
    return sum(isinstance(delta, Seal) for delta in out[start:])


def _places(event: dict[str, Any]) -> Iterator[Place]:
    delta = event.get("delta")
    if event.get("type") != "content_block_delta" or not isinstance(delta, dict):
        return
    for name in _TEXTS:
        if isinstance(delta.get(name), str):
            yield (event.get("index", 0), name), delta, name


def _late(key: Any, text: str) -> dict[str, Any]:
    index, name = key
    return {"type": "content_block_delta", "index": index, "delta": {"type": _TEXTS[name], name: text}}
