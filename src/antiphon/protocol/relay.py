"""One item of an upstream that speaks Responses itself, on its way to the client.

Not a pass-through: ids and indexes become ours, and what bare upstreams leave out is put in, so that the client sees
one whole life cycle: added, then for each part added, deltas, done, and last the item done. The finished item is the
upstream's own, whatever was streamed before.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, structs

from antiphon.protocol import events
from antiphon.protocol.blocks import EventLog, SealWriter
from antiphon.protocol.deltas import Text
from antiphon.protocol.relay_parts import ContentEvent, Part, RelayPart, Said, SummaryEvent, implied_part
from antiphon.protocol.response import (
    ContentPart,
    CustomCallItem,
    FunctionCallItem,
    ItemStatus,
    MessageItem,
    OpaqueItem,
    OutputItem,
    ReasoningItem,
    ReasoningTextPart,
    SummaryPart,
    WebSearchItem,
)

__all__ = ["RelayBlock", "implied_item"]

_Call = FunctionCallItem | CustomCallItem
_ArgumentEvent = events.ArgumentsDelta | events.ArgumentsDone | events.CustomInputDelta | events.CustomInputDone
_PartEvent = ContentEvent | SummaryEvent


def implied_item(event: events.Event) -> OutputItem | None:
    """The item that must have begun for this event to make sense; `None` when that cannot be told.

    A call without a name is one of the latter: it is announced once its name is known.
    """
    if isinstance(event, events.ItemAdded | events.ItemDone):
        item = event.item
        return item if not isinstance(item, _Call) or item.name else None
    if isinstance(event, SummaryEvent):
        return ReasoningItem("")
    if isinstance(event, ContentEvent):
        thought = isinstance(implied_part(event), ReasoningTextPart)
        return ReasoningItem("") if thought else MessageItem("", "in_progress")
    return None


class RelayBlock:
    """One item while it is being relayed. Opening it announces it.

    Attributes:
        state: what the upstream wants back verbatim; the `Seal` delta of the same key sets it.
    """

    __slots__ = (
        "_arguments",
        "_content",
        "_final",
        "_item",
        "_log",
        "_open",
        "_said",
        "_seal",
        "_summary",
        "id",
        "index",
        "state",
    )

    def __init__(self, log: EventLog, item: OutputItem, *, index: int, item_id: str, seal: SealWriter | None) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._seal = seal
        self._item = _begun(item, item_id)
        self._final: OutputItem | None = None
        self._content: list[RelayPart] = []
        self._summary: list[RelayPart] = []
        self._open: RelayPart | None = None
        self._arguments: list[str] = []
        self._said = False  # the end of the arguments went out
        log.add(events.ItemAdded(log.number(), index, self._item))

    def text(self, delta: Text) -> None:
        """Text that goes on in the part that was written to last."""
        part = self._open
        if part is None or not part.text(delta.text, delta.logprobs, padding=delta.obfuscation):
            self.take(events.TextDelta(0, "", 0, -1, delta.text, delta.logprobs, delta.obfuscation))

    def take(self, event: events.Event) -> None:
        """Any event of the item but its beginning. What makes no sense for such an item is left out."""
        if isinstance(event, _ArgumentEvent):
            self._take_arguments(event)
        elif isinstance(event, _PartEvent):
            if isinstance(self._item, MessageItem | ReasoningItem):
                self._take_content(event)
        elif isinstance(event, events.ItemDone):
            self._final = event.item
        elif not isinstance(event, events.ItemAdded):
            self._pass_on(event)

    def is_whole(self) -> bool:
        """Whether nothing is missing, as far as can be told of an item that was not finished."""
        if self._final is not None or not isinstance(self._item, _Call):
            return True
        try:
            return self._said or isinstance(msgspec.json.decode("".join(self._arguments)), dict)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False

    def snapshot(self, status: ItemStatus) -> OutputItem:
        """The item as it is now."""
        item = self._item
        match item:
            case MessageItem():
                return structs.replace(item, status=status, content=_parts(self._content))
            case ReasoningItem():
                summary = tuple(part for made in self._summary if isinstance(part := made.current(), SummaryPart))
                return structs.replace(item, status=status, summary=summary, content=_parts(self._content) or UNSET)
            case FunctionCallItem():
                return structs.replace(item, status=status, arguments="".join(self._arguments))
            case CustomCallItem():
                return structs.replace(item, status=status, input="".join(self._arguments))
            case WebSearchItem():
                ended = "completed" if status == "completed" else "failed"
                return structs.replace(item, status=item.status if status == "in_progress" else ended)
            case OpaqueItem():
                return item if item.status is UNSET else structs.replace(item, status=status)

    def close(self, status: ItemStatus) -> OutputItem:
        """End the item: as the upstream said, or with `status` where it said nothing."""
        item = self.snapshot(status) if self._final is None else self._finished(self._final)
        if isinstance(item, MessageItem):
            self._finish_parts((), item.content)
        elif isinstance(item, ReasoningItem):
            self._finish_parts(item.summary, item.content or ())
            sealed = UNSET if self._seal is None else self._seal(self.state or b"")
            item = structs.replace(item, encrypted_content=sealed)
        elif isinstance(item, FunctionCallItem):
            self._end_arguments(events.ArgumentsDone(0, "", 0, item.name, item.arguments), item.arguments)
        elif isinstance(item, CustomCallItem):
            self._end_arguments(events.CustomInputDone(0, "", 0, item.input), item.input)
        self._log.add(events.ItemDone(self._log.number(), self.index, item))
        return item

    def _finished(self, final: OutputItem) -> OutputItem:
        """The upstream's finished item under our id. Where it is silent, what was streamed counts."""
        streamed = self.snapshot("completed")
        match final, streamed:
            case MessageItem(), MessageItem():
                said = final.content or streamed.content
                return structs.replace(final, id=self.id, status=_ended(final.status), content=said)
            case ReasoningItem(), ReasoningItem():
                status = UNSET if final.status is UNSET else _ended(final.status)
                summary, content = final.summary or streamed.summary, final.content or streamed.content
                return structs.replace(final, id=self.id, status=status, summary=summary, content=content)
            case FunctionCallItem(), FunctionCallItem():
                # A complete call without arguments gets `{}`: clients read JSON there.
                default = "{}" if final.status != "incomplete" else ""
                arguments = final.arguments or streamed.arguments or default
                return structs.replace(
                    final, id=self.id, call_id=streamed.call_id, status=_ended(final.status), arguments=arguments
                )
            case CustomCallItem(), CustomCallItem():
                written = final.input or streamed.input
                return structs.replace(
                    final, id=self.id, call_id=streamed.call_id, status=_ended(final.status), input=written
                )
            case (WebSearchItem(), WebSearchItem()) | (OpaqueItem(), OpaqueItem()):
                ran = "completed" if final.status in ("in_progress", "searching") else final.status
                return structs.replace(final, id=self.id, status=ran)
        return streamed  # it ends as something else than it began as, of which clients could make no sense

    def _take_content(self, event: _PartEvent) -> None:
        found = self._found(event)
        if found is None:
            found = self._begin(event)
        match event:
            case events.AnnotationAdded():
                found.annotate(event)
            case events.ContentPartDone() | events.SummaryPartDone():
                found.finish(event.part)
            case events.ContentPartAdded() | events.SummaryPartAdded():
                pass
            case events.TextDelta() | events.RefusalDelta() | events.ReasoningTextDelta() | events.SummaryTextDelta():
                found.write(event)
            case _:
                found.say(event)

    def _found(self, event: _PartEvent) -> RelayPart | None:
        """The part that the event speaks of: by its index, or the open one where it has none."""
        if isinstance(event, SummaryEvent):
            parts, upstream = self._summary, event.summary_index
        else:
            parts, upstream = self._content, event.content_index
        last = parts[-1] if parts else None
        if upstream >= 0:
            if last is not None and last.upstream < 0 and not last.done:
                last.upstream = upstream  # it began without one
            return next((part for part in parts if part.upstream == upstream), None)
        if isinstance(event, events.ContentPartAdded | events.SummaryPartAdded):
            return None
        late = isinstance(event, events.ContentPartDone | events.SummaryPartDone | Said)
        return last if last is not None and (late or not last.done) else None

    def _begin(self, event: _PartEvent) -> RelayPart:
        if isinstance(event, SummaryEvent):
            return self._append(self._summary, implied_part(event), upstream=event.summary_index)
        return self._append(self._content, implied_part(event), upstream=event.content_index)

    def _append(self, parts: list[RelayPart], part: Part, *, upstream: int) -> RelayPart:
        """Announce a part. One that is still open was forgotten, and ends here."""
        if self._open is not None:
            self._open.finish(self._open.current())
        begun = RelayPart(self._log, part, where=(self.id, self.index, len(parts)), upstream=upstream)
        parts.append(begun)
        self._open = begun
        return begun

    def _finish_parts(self, summary: Sequence[Part], content: Sequence[Part]) -> None:
        """End what was begun, then announce, write and end what was not."""
        lists = ((self._summary, summary), (self._content, content))
        for begun, finals in lists:
            for number, made in enumerate(begun):
                made.finish(finals[number] if number < len(finals) else made.current())
        for begun, finals in lists:
            for part in finals[len(begun) :]:
                self._append(begun, part, upstream=-1).finish(part)

    def _take_arguments(self, event: _ArgumentEvent) -> None:
        item = self._item
        if isinstance(event, events.ArgumentsDelta | events.CustomInputDelta):
            kind = FunctionCallItem if isinstance(event, events.ArgumentsDelta) else CustomCallItem
            if event.delta and isinstance(item, kind) and not self._said:
                self._arguments.append(event.delta)
                self._pass_on(event)
        elif isinstance(event, events.CustomInputDone):
            if isinstance(item, CustomCallItem):
                self._end_arguments(event, event.input)
        elif isinstance(item, FunctionCallItem) and event.arguments:
            # Without any, the finished item decides what that means.
            self._end_arguments(structs.replace(event, name=item.name), event.arguments)

    def _end_arguments(self, event: events.ArgumentsDone | events.CustomInputDone, whole: str) -> None:
        """What was not streamed of the arguments goes first, as a piece."""
        if self._said:
            return
        streamed = "".join(self._arguments)
        if len(whole) > len(streamed) and whole.startswith(streamed):
            rest = whole[len(streamed) :]
            self._arguments.append(rest)
            custom = isinstance(event, events.CustomInputDone)
            self._pass_on(events.CustomInputDelta(0, "", 0, rest) if custom else events.ArgumentsDelta(0, "", 0, rest))
        self._said = True
        self._pass_on(event)

    def _pass_on(self, event: events.Event) -> None:
        """An event whose meaning is the upstream's: only the numbers change."""
        own: dict[str, object] = {"item_id": self.id, "output_index": self.index}
        numbers = {name: value for name, value in own.items() if getattr(event, name, UNSET) is not UNSET}
        self._log.add(structs.replace(event, sequence_number=self._log.number(), **numbers))


def _begun(item: OutputItem, item_id: str) -> OutputItem:
    """The item as it is announced."""
    match item:
        case MessageItem():
            return structs.replace(item, id=item_id, status="in_progress", content=())
        case ReasoningItem():
            return structs.replace(
                item, id=item_id, status="in_progress", summary=(), content=UNSET, encrypted_content=UNSET
            )
        case FunctionCallItem():
            return structs.replace(item, id=item_id, status="in_progress", arguments="")
        case CustomCallItem():
            return structs.replace(item, id=item_id, status="in_progress", input="")
        case WebSearchItem():
            return structs.replace(item, id=item_id, status="in_progress")
        case OpaqueItem():
            return structs.replace(item, id=item_id, status=item.status if item.status is UNSET else "in_progress")


def _parts(made: Sequence[RelayPart]) -> tuple[ContentPart, ...]:
    return tuple(part for one in made if not isinstance(part := one.current(), SummaryPart))


def _ended(status: ItemStatus) -> ItemStatus:
    return "completed" if status == "in_progress" else status
