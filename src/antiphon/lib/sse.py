"""Server-sent events, read incrementally: bytes in, events out, the same for every way of splitting the bytes.

Follows the WHATWG event stream grammar (lines end in LF, CR or CRLF, a leading BOM is skipped, comments are ignored)
with one deviation that real providers need: an event that the end of the stream cuts off before its blank line is still
delivered by `eof`.
"""

from msgspec import Struct

__all__ = ["FrameTooLongError", "SseEvent", "SseParser"]

_BOM = b"\xef\xbb\xbf"


class FrameTooLongError(ValueError):
    """More bytes without a complete event than the parser may hold. `events` are those that were complete before."""

    def __init__(self, limit: int, events: "list[SseEvent]") -> None:
        super().__init__(f"more than {limit} bytes without a complete event")
        self.events = events


class SseEvent(Struct, frozen=True, gc=False):
    """One event: its `event:` field (empty when absent) and its `data:` lines joined by LF."""

    name: bytes
    data: bytes


class SseParser:
    """Incremental parser. Holds at most `limit` bytes; beyond that `feed` raises `FrameTooLongError`."""

    __slots__ = ("_cr_held", "_idle_bytes", "_limit", "_pieces", "_started")

    def __init__(self, *, limit: int = 8 * 1024 * 1024) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._idle_bytes = 0  # since the last event: bounds one frame, and whitespace or comments without end
        self._cr_held = False
        self._started = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take bytes as they came, return the events that are complete now."""
        if not self._started or self._cr_held or b"\r" in data:
            data = self._normalise(data)
        pieces = self._pieces
        if not pieces and data.endswith(b"\n\n") and self._idle_bytes + len(data) <= self._limit:
            event = _one_event(data)
            if event is not None:
                self._idle_bytes = 0
                return [event]
        self._idle_bytes += len(data)
        if b"\n\n" not in data and not (data[:1] == b"\n" and pieces and pieces[-1][-1:] == b"\n"):
            if data:
                pieces.append(data)
            if self._idle_bytes > self._limit:
                raise FrameTooLongError(self._limit, [])
            return []
        pieces.append(data)
        *blocks, rest = b"".join(pieces).split(b"\n\n")
        pieces.clear()
        if rest:
            pieces.append(rest)
        if self._idle_bytes > self._limit:
            return self._events_within_limit(blocks, rest)
        return self._events(blocks, rest)

    def eof(self) -> list[SseEvent]:
        """The stream has ended: return what was still waiting for its blank line."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        event = _parse_block(rest)
        return [event] if event else []

    def _events(self, blocks: list[bytes], rest: bytes) -> list[SseEvent]:
        last = _parse_block(blocks[-1]) if blocks[-1] else None
        events = [event for block in blocks[:-1] if block and (event := _parse_block(block))]
        if last is not None:
            events.append(last)
            self._idle_bytes = len(rest)
        elif events:
            return self._events_within_limit(blocks, rest)  # what follows the last event counts
        return events

    def _events_within_limit(self, blocks: list[bytes], rest: bytes) -> list[SseEvent]:
        """The same count as if the bytes had come one by one, so that the limit does not depend on the splits."""
        events: list[SseEvent] = []
        idle_bytes = self._idle_bytes - sum(len(block) + 2 for block in blocks) - len(rest)
        for block in blocks:
            if idle_bytes + len(block) + 1 > self._limit:
                raise FrameTooLongError(self._limit, events)
            event = _parse_block(block)
            idle_bytes = 0 if event else idle_bytes + len(block) + 2
            if event:
                events.append(event)
        self._idle_bytes = idle_bytes + len(rest)
        if self._idle_bytes > self._limit:
            raise FrameTooLongError(self._limit, events)
        return events

    def _normalise(self, data: bytes) -> bytes:
        """Turn CR and CRLF into LF. A CR at the very end waits: the next byte may be its LF."""
        if not self._started:
            data = b"".join((*self._pieces, data))
            self._pieces.clear()
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._pieces.append(data)  # may still become a BOM
                return b""
            self._started = True
            data = data.removeprefix(_BOM)
        if self._cr_held:
            data = b"\r" + data
        self._cr_held = data.endswith(b"\r")
        if self._cr_held:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _one_event(data: bytes) -> SseEvent | None:
    """One whole event in one read, with a name or without: what most reads are while a model speaks."""
    start = data.find(b"\n") + 1 if data.startswith(b"event: ") else 0
    if not data.startswith(b"data: ", start) or data.find(b"\n", start) != len(data) - 2:
        return None
    return SseEvent(data[7 : start - 1] if start else b"", data[start + 6 : -2])


def _parse_block(block: bytes) -> SseEvent | None:
    """One event's lines; `None` when there is no data line in them."""
    start = block.find(b"\n") + 1 if block.startswith(b"event: ") else 0
    if block.startswith(b"data: ", start) and block.find(b"\n", start) < 0:  # what nearly every upstream sends
        return SseEvent(block[7 : start - 1] if start else b"", block[start + 6 :])
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return SseEvent(name, b"\n".join(data)) if data else None
