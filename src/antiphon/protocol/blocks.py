"""Messages and thought while they are being written: one small class for each kind of item.

A block knows the events of its own item and nothing of other items. `Assembler` decides when a block opens, which
delta goes to it and when it closes. The order inside an item is fixed by the protocol: `output_item.added`, then for
each part added, deltas, done, and last `output_item.done`.
"""

from collections.abc import Callable
from itertools import count
from typing import Literal

from msgspec import UNSET, Raw, structs

from antiphon.protocol import deltas, events
from antiphon.protocol.response import (
    ItemStatus,
    MessageItem,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    SummaryPart,
)

__all__ = ["EventLog", "MessageBlock", "ReasoningBlock", "SealWriter"]

#: Makes what the client sees of a provider's state: `encrypted_content`.
SealWriter = Callable[[bytes], str]


class EventLog:
    """Numbers events and holds those that were not taken yet.

    Both is done for every event there is, so neither is a function of ours.

    Attributes:
        number: gives the next sequence number.
        add: appends an event that was built with `number()`.
    """

    __slots__ = ("_events", "add", "number")

    def __init__(self) -> None:
        self.number: Callable[[], int] = count().__next__
        self._events: list[events.Event] = []
        self.add: Callable[[events.Event], None] = self._events.append

    def take(self) -> list[events.Event]:
        """All events since the last call."""
        taken = self._events
        self._events = []
        self.add = self._events.append
        return taken


class MessageBlock:
    """A message: text parts and refusal parts, one open at a time."""

    __slots__ = ("_annotations", "_chunks", "_done", "_kind", "_log", "_logprobs", "id", "index", "state")

    def __init__(self, log: EventLog, index: int, item_id: str) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._done: list[OutputTextPart | RefusalPart] = []
        self._kind: Literal["", "text", "refusal"] = ""
        self._chunks: list[str] = []
        self._logprobs: list[Raw] = []
        self._annotations: list[Raw] = []
        log.add(events.ItemAdded(log.number(), index, MessageItem(item_id, "in_progress")))

    def text(self, delta: deltas.Text) -> None:
        """Append text, opening a text part where none is open."""
        if self._kind != "text":
            self._open("text")
        self._chunks.append(delta.text)
        log = self._log
        if delta.logprobs:
            self._logprobs += delta.logprobs
        log.add(events.TextDelta(log.number(), self.id, self.index, len(self._done), delta.text, delta.logprobs))

    def refusal(self, text: str) -> None:
        """Append to a refusal, opening a refusal part where none is open."""
        if self._kind != "refusal":
            self._open("refusal")
        self._chunks.append(text)
        self._log.add(events.RefusalDelta(self._log.number(), self.id, self.index, len(self._done), text))

    def annotation(self, annotation: Raw) -> None:
        """Attach a citation to the open text part."""
        if self._kind != "text":
            self._open("text")
        number = len(self._annotations)
        self._annotations.append(annotation)
        log = self._log
        log.add(events.AnnotationAdded(log.number(), self.id, self.index, len(self._done), number, annotation))

    def snapshot(self, status: ItemStatus) -> MessageItem:
        """The item as it is now, the open part included."""
        parts = [*self._done, self._part()] if self._kind else self._done
        return MessageItem(self.id, status, tuple(parts))

    def close(self, status: ItemStatus) -> OutputItem:
        """Close the open part and the item."""
        self._close_part()
        item = MessageItem(self.id, status, tuple(self._done))
        self._log.add(events.ItemDone(self._log.number(), self.index, item))
        return item

    def _part(self) -> OutputTextPart | RefusalPart:
        text = "".join(self._chunks)
        if self._kind == "refusal":
            return RefusalPart(text)
        return OutputTextPart(text, tuple(self._annotations), tuple(self._logprobs))

    def _open(self, kind: Literal["text", "refusal"]) -> None:
        self._close_part()
        self._kind = kind
        part = OutputTextPart("") if kind == "text" else RefusalPart("")
        self._log.add(events.ContentPartAdded(self._log.number(), self.id, self.index, len(self._done), part))

    def _close_part(self) -> None:
        if not self._kind:
            return
        log, where = self._log, (self.id, self.index, len(self._done))
        part = self._part()
        if isinstance(part, RefusalPart):
            log.add(events.RefusalDone(log.number(), *where, part.refusal))
        else:
            log.add(events.TextDone(log.number(), *where, part.text, part.logprobs))
        log.add(events.ContentPartDone(log.number(), *where, part))
        self._done.append(part)
        self._kind = ""
        self._chunks, self._logprobs, self._annotations = [], [], []


class ReasoningBlock:
    """Visible thought: the parts of a summary, or one raw text. With `seal`, the finished item shows it sealed."""

    __slots__ = ("_chunks", "_content", "_log", "_part_key", "_seal", "_summary", "id", "index", "state")

    def __init__(self, log: EventLog, *, index: int, item_id: str, seal: SealWriter | None = None) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._seal = seal
        self._summary: list[SummaryPart] = []
        self._content: list[ReasoningTextPart] = []
        self._chunks: list[str] = []
        self._part_key: tuple[str, int] | None = None
        log.add(events.ItemAdded(log.number(), index, ReasoningItem(item_id, status="in_progress")))

    def append(self, delta: deltas.Reasoning) -> None:
        """Append thought; another part number or kind closes the open part first."""
        key = (delta.kind, delta.part)
        if key != self._part_key:
            self._open(key)
        self._chunks.append(delta.text)
        log = self._log
        if delta.kind == "summary":
            index = len(self._summary)
            log.add(events.SummaryTextDelta(log.number(), self.id, self.index, index, delta.text))
        else:
            index = len(self._content)
            log.add(events.ReasoningTextDelta(log.number(), self.id, self.index, index, delta.text))

    def snapshot(self, status: ItemStatus) -> ReasoningItem:
        """The item as it is now, the open part included."""
        summary, content = list(self._summary), list(self._content)
        if self._part_key:
            text = "".join(self._chunks)
            if self._part_key[0] == "summary":
                summary.append(SummaryPart(text))
            else:
                content.append(ReasoningTextPart(text))
        return ReasoningItem(self.id, tuple(summary), tuple(content) or UNSET, status=status)

    def close(self, status: ItemStatus) -> OutputItem:
        """Close the open part and the item."""
        self._close_part()
        item = self.snapshot(status)
        if self._seal is not None:
            item = structs.replace(item, encrypted_content=self._seal(self.state or b""))
        self._log.add(events.ItemDone(self._log.number(), self.index, item))
        return item

    def _open(self, key: tuple[str, int]) -> None:
        self._close_part()
        self._part_key = key
        log = self._log
        if key[0] == "summary":
            log.add(events.SummaryPartAdded(log.number(), self.id, self.index, len(self._summary), SummaryPart("")))
        else:
            log.add(
                events.ContentPartAdded(log.number(), self.id, self.index, len(self._content), ReasoningTextPart(""))
            )

    def _close_part(self) -> None:
        if self._part_key is None:
            return
        log, text = self._log, "".join(self._chunks)
        if self._part_key[0] == "summary":
            where = (self.id, self.index, len(self._summary))
            part = SummaryPart(text)
            log.add(events.SummaryTextDone(log.number(), *where, text))
            log.add(events.SummaryPartDone(log.number(), *where, part))
            self._summary.append(part)
        else:
            where = (self.id, self.index, len(self._content))
            raw = ReasoningTextPart(text)
            log.add(events.ReasoningTextDone(log.number(), *where, text))
            log.add(events.ContentPartDone(log.number(), *where, raw))
            self._content.append(raw)
        self._part_key = None
        self._chunks = []
