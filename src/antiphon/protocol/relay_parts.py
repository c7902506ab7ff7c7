"""One part of a relayed item: text, refusal, thought, or something that only its upstream knows."""

from msgspec import Raw, UnsetType, structs

from antiphon.protocol import events
from antiphon.protocol.blocks import EventLog
from antiphon.protocol.response import (
    ContentPart,
    OpaquePart,
    OutputTextPart,
    ReasoningTextPart,
    RefusalPart,
    SummaryPart,
)

__all__ = ["ContentEvent", "Part", "RelayPart", "Said", "SummaryEvent", "Written", "implied_part"]

Part = ContentPart | SummaryPart
Written = events.TextDelta | events.RefusalDelta | events.ReasoningTextDelta | events.SummaryTextDelta
Said = events.TextDone | events.RefusalDone | events.ReasoningTextDone | events.SummaryTextDone
SummaryEvent = events.SummaryPartAdded | events.SummaryPartDone | events.SummaryTextDelta | events.SummaryTextDone
ContentEvent = (
    events.ContentPartAdded
    | events.ContentPartDone
    | events.TextDelta
    | events.TextDone
    | events.RefusalDelta
    | events.RefusalDone
    | events.ReasoningTextDelta
    | events.ReasoningTextDone
    | events.AnnotationAdded
)


def implied_part(event: ContentEvent | SummaryEvent) -> Part:
    """The part that must have begun for this event to make sense."""
    match event:
        case (
            events.ContentPartAdded() | events.ContentPartDone() | events.SummaryPartAdded() | events.SummaryPartDone()
        ):
            return event.part
        case events.RefusalDelta() | events.RefusalDone():
            return RefusalPart("")
        case events.ReasoningTextDelta() | events.ReasoningTextDone():
            return ReasoningTextPart("")
        case events.SummaryTextDelta() | events.SummaryTextDone():
            return SummaryPart("")
        case _:
            return OutputTextPart("")


class RelayPart:
    """A part while it is being relayed. Opening it announces it.

    Attributes:
        upstream: the upstream's index, -1 where it gave none.
        done: the part is finished; nothing can be added any more.
    """

    __slots__ = (
        "_annotations",
        "_chunks",
        "_kind",
        "_log",
        "_logprobs",
        "_part",
        "_said",
        "_where",
        "done",
        "upstream",
    )

    def __init__(self, log: EventLog, part: Part, *, where: tuple[str, int, int], upstream: int) -> None:
        self.upstream = upstream
        self.done = False
        self._chunks: list[str] = []
        self._logprobs: list[Raw] = []
        self._annotations: list[Raw] = []
        self._said = False
        self._log = log
        self._where = where
        self._part = _begun(part)
        self._kind = _kind(part)
        if isinstance(self._part, SummaryPart):
            log.add(events.SummaryPartAdded(log.number(), *where, self._part))
        else:
            log.add(events.ContentPartAdded(log.number(), *where, self._part))

    def current(self) -> Part:
        """The part as it is now."""
        part = _with_text(self._part, "".join(self._chunks))
        if isinstance(part, OutputTextPart):
            return structs.replace(part, annotations=tuple(self._annotations), logprobs=tuple(self._logprobs))
        return part

    def text(self, text: str, logprobs: tuple[Raw, ...], *, padding: str | UnsetType) -> bool:
        """A piece of plain text: the short way for nearly all events. False where this is no place for it."""
        if self._said or self.done or self._kind is not OutputTextPart:
            return False
        self._chunks.append(text)
        if logprobs:
            self._logprobs += logprobs
        log = self._log
        log.add(events.TextDelta(log.number(), *self._where, text, logprobs, padding))
        return True

    def write(self, event: Written) -> None:
        """A piece of its text. Pieces of another kind than the part's, and late ones, are left out."""
        if self._said or self.done or type(implied_part(event)) is not self._kind:
            return
        self._chunks.append(event.delta)
        if isinstance(event, events.TextDelta):
            self._logprobs += event.logprobs
        self._emit(event)

    def say(self, event: Said) -> None:
        """Its whole text. What was not streamed of it goes first, as a piece."""
        if self._said or self.done or type(implied_part(event)) is not self._kind:
            return
        self._said = True
        text = event.refusal if isinstance(event, events.RefusalDone) else event.text
        self._catch_up(text)
        if isinstance(event, events.TextDone):
            event = structs.replace(event, logprobs=event.logprobs or tuple(self._logprobs))
        self._emit(event)

    def annotate(self, event: events.AnnotationAdded) -> None:
        """A citation."""
        if self.done or self._kind is not OutputTextPart:
            return
        number = len(self._annotations)
        self._annotations.append(event.annotation)
        self._emit(structs.replace(event, annotation_index=number))

    def finish(self, final: Part) -> None:
        """The part's end, as the upstream has it. What was left out before is made up for. Only the first counts."""
        if self.done:
            return
        if _kind(final) is not self._kind:
            final = self.current()
        text = _text(final) or "".join(self._chunks)
        final = _with_text(final, text)
        if isinstance(final, OutputTextPart):
            for annotation in final.annotations[len(self._annotations) :]:
                self.annotate(events.AnnotationAdded(0, "", 0, 0, 0, annotation))
            final = structs.replace(
                final,
                annotations=final.annotations or tuple(self._annotations),
                logprobs=final.logprobs or tuple(self._logprobs),
            )
        self._say_last(final, text)
        self.done = True
        log = self._log
        if isinstance(final, SummaryPart):
            log.add(events.SummaryPartDone(log.number(), *self._where, final))
        else:
            log.add(events.ContentPartDone(log.number(), *self._where, final))

    def _say_last(self, final: Part, text: str) -> None:
        match final:
            case OutputTextPart():
                self.say(events.TextDone(0, "", 0, 0, text, final.logprobs))
            case RefusalPart():
                self.say(events.RefusalDone(0, "", 0, 0, text))
            case ReasoningTextPart():
                self.say(events.ReasoningTextDone(0, "", 0, 0, text))
            case SummaryPart():
                self.say(events.SummaryTextDone(0, "", 0, 0, text))

    def _catch_up(self, whole: str) -> None:
        streamed = "".join(self._chunks)
        if len(whole) <= len(streamed) or not whole.startswith(streamed):
            return
        rest = whole[len(streamed) :]
        self._chunks.append(rest)
        match self._part:
            case OutputTextPart():
                self._emit(events.TextDelta(0, "", 0, 0, rest))
            case RefusalPart():
                self._emit(events.RefusalDelta(0, "", 0, 0, rest))
            case ReasoningTextPart():
                self._emit(events.ReasoningTextDelta(0, "", 0, 0, rest))
            case SummaryPart():
                self._emit(events.SummaryTextDelta(0, "", 0, 0, rest))

    def _emit(self, event: Written | Said | events.AnnotationAdded) -> None:
        log = self._log
        item_id, output_index, number = self._where
        place = "summary_index" if isinstance(event, SummaryEvent) else "content_index"
        numbers = {"sequence_number": log.number(), "item_id": item_id, "output_index": output_index, place: number}
        log.add(structs.replace(event, **numbers))


def _kind(part: Part) -> type[Part]:
    """The part's type, whatever was added to it."""
    for kind in (OutputTextPart, RefusalPart, ReasoningTextPart, SummaryPart):
        if isinstance(part, kind):
            return kind
    return OpaquePart


def _text(part: Part) -> str:
    match part:
        case RefusalPart():
            return part.refusal
        case OpaquePart():
            return ""
        case _:
            return part.text


def _begun(part: Part) -> Part:
    part = _with_text(part, "")
    return structs.replace(part, annotations=(), logprobs=()) if isinstance(part, OutputTextPart) else part


def _with_text(part: Part, text: str) -> Part:
    match part:
        case RefusalPart():
            return structs.replace(part, refusal=text)
        case OpaquePart():
            return part
        case _:
            return structs.replace(part, text=text)
