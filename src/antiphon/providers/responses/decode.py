"""What the frames of an answer say: the events of a response."""

from antiphon.lib.sse import SseEvent
from antiphon.protocol.deltas import Broke, Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.reading import NULL, Fields, read_fields
from antiphon.protocol.target import Target
from antiphon.providers.responses.events import TEXT_DELTA, read_text
from antiphon.providers.responses.reader import EventReader, Expected
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import broken_off, fault_of, protocol_fault
from antiphon.providers.shared.framing import UNREADABLE, is_end_marker
from antiphon.providers.shared.halves import Halves
from antiphon.providers.shared.surrogates import repair_surrogates

__all__ = ["ResponsesFrames"]


class ResponsesFrames:
    """See `shared.framing.FrameReader`. Complete is an answer whose last event came, or a whole JSON body."""

    __slots__ = ("_reader", "_target")

    def __init__(self, expected: Expected, target: Target) -> None:
        self._target = target
        self._reader = EventReader(expected, target)

    def frame(self, frame: SseEvent, out: list[Delta]) -> bool:
        """Take one event."""
        data = frame.data
        if TEXT_DELTA in data[:80]:
            try:
                text = self._reader.text(read_text(data))
            except UNREADABLE:
                text = None  # the long way tells whether anything is wrong with it
            if text is not None:
                out.append(text)
                return False
        if not data.strip():
            return False
        if is_end_marker(data):
            self.end(out, is_cut=False)
            return True
        try:
            self._event(data, out, name=frame.name)
        except UNREADABLE as error:
            self._mended(data, error, out=out)
        return self._reader.ended or (bool(out) and isinstance(out[-1], Broke))

    def body(self, body: bytes, out: list[Delta]) -> bool:
        """Take a whole answer."""
        try:
            fields = _read(repair_surrogates(body)[0])
            if "output" in fields or "status" in fields:
                self._reader.end(fields, out, beside={}, kind="")
                return True
        except UNREADABLE as error:
            said = read_error(body)
            reason = f"body of {len(body)} bytes: {error}"
        else:
            said, reason = read_error(body), "no output"
        self.fail(protocol_fault(self._target, reason) if said is None else self._fault(said), out)
        return True

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """The bytes ended."""
        self.fail(broken_off(self._target, is_cut=is_cut), out)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer broke."""
        out.append(Broke(fault))

    def _event(self, data: bytes, out: list[Delta], *, name: bytes) -> None:
        fields = _read(data)
        kind = fields.get("type")
        is_error = name == b"error" or bytes(kind or b"") == b'"error"'
        if is_error or (kind is None and fields.get("error", NULL) != NULL):
            said = read_error(data) or UpstreamError(data.decode("utf-8", "replace"), words="server_error")
            self.fail(self._fault(said), out)
        elif kind is not None:
            self._reader.event(fields, out)
        elif fields:
            self.fail(protocol_fault(self._target, f"frame of {len(data)} bytes: no event"), out)

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
        except UNREADABLE as unread:
            self.fail(protocol_fault(self._target, f"frame of {len(data)} bytes: {unread}"), out)

    def _fault(self, said: UpstreamError) -> Fault:
        return fault_of(said, None, target=self._target)


def _read(data: bytes) -> Fields:
    if not data.isascii():
        data.decode()  # what is passed on unread is not checked by the decoder
    return read_fields(data)
