"""A finished response turned back into the stream that it could have been, for readers who ask for it later.

The ids are the stored ones and the items come out exactly as they were stored. What the original stream's events cannot
be told from is gone: each part comes in one delta, and the items one after the other.
"""

from typing import assert_never

from msgspec import UNSET, structs

from antiphon.protocol import events
from antiphon.protocol.assembler import terminal_event
from antiphon.protocol.blocks import EventLog
from antiphon.protocol.response import (
    ContentPart,
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OpaqueItem,
    OpaquePart,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    Response,
    SummaryPart,
    WebSearchItem,
)

__all__ = ["replay"]


def replay(response: Response) -> list[events.Event]:
    """A legal event sequence that ends in this response, which must be finished (in whatever way)."""
    log = EventLog()
    begun = structs.replace(
        response, status="in_progress", completed_at=None, error=None, incomplete_details=None, output=(), usage=None
    )
    log.add(events.Created(log.number(), begun))
    log.add(events.InProgress(log.number(), begun))
    for index, item in enumerate(response.output):
        log.add(events.ItemAdded(log.number(), index, _emptied(item)))
        _replay_parts(log, item, index=index)
        log.add(events.ItemDone(log.number(), index, item))
    log.add(terminal_event(response, log.number()))
    return log.take()


def _emptied(item: OutputItem) -> OutputItem:
    """The item as it was announced."""
    match item:
        case MessageItem():
            return structs.replace(item, status="in_progress", content=())
        case FunctionCallItem():
            return structs.replace(item, status="in_progress", arguments="")
        case CustomCallItem():
            return structs.replace(item, status="in_progress", input="")
        case WebSearchItem():
            return structs.replace(item, status="in_progress")
        case ReasoningItem():
            return structs.replace(item, status="in_progress", summary=(), content=UNSET, encrypted_content=UNSET)
        case OpaqueItem():
            return item if item.status is UNSET else structs.replace(item, status="in_progress")
        case _:
            assert_never(item)


def _replay_parts(log: EventLog, item: OutputItem, *, index: int) -> None:
    match item:
        case MessageItem():
            for number, part in enumerate(item.content):
                _replay_content(log, part, where=(item.id, index, number))
        case FunctionCallItem():
            if item.arguments:
                log.add(events.ArgumentsDelta(log.number(), item.id, index, item.arguments))
            log.add(events.ArgumentsDone(log.number(), item.id, index, item.name, item.arguments))
        case CustomCallItem():
            if item.input:
                log.add(events.CustomInputDelta(log.number(), item.id, index, item.input))
            log.add(events.CustomInputDone(log.number(), item.id, index, item.input))
        case WebSearchItem():
            _replay_search(log, item, index=index)
        case ReasoningItem():
            _replay_reasoning(log, item, index=index)
        case OpaqueItem():
            pass  # what its upstream told of its making is gone
        case _:
            assert_never(item)


def _replay_reasoning(log: EventLog, item: ReasoningItem, *, index: int) -> None:
    for number, summary in enumerate(item.summary):
        _replay_summary(log, summary, where=(item.id, index, number))
    for number, text in enumerate(item.content or ()):
        _replay_content(log, text, where=(item.id, index, number))


def _replay_search(log: EventLog, item: WebSearchItem, *, index: int) -> None:
    log.add(events.SearchInProgress(log.number(), item.id, index))
    log.add(events.SearchSearching(log.number(), item.id, index))
    if item.status == "completed":
        log.add(events.SearchCompleted(log.number(), item.id, index))


def _replay_content(log: EventLog, part: ContentPart, *, where: tuple[str, int, int]) -> None:
    match part:
        case OutputTextPart():
            log.add(events.ContentPartAdded(log.number(), *where, OutputTextPart("")))
            log.add(events.TextDelta(log.number(), *where, part.text, part.logprobs))
            for number, annotation in enumerate(part.annotations):
                log.add(events.AnnotationAdded(log.number(), *where, number, annotation))
            log.add(events.TextDone(log.number(), *where, part.text, part.logprobs))
        case RefusalPart():
            log.add(events.ContentPartAdded(log.number(), *where, RefusalPart("")))
            log.add(events.RefusalDelta(log.number(), *where, part.refusal))
            log.add(events.RefusalDone(log.number(), *where, part.refusal))
        case ReasoningTextPart():
            log.add(events.ContentPartAdded(log.number(), *where, ReasoningTextPart("")))
            log.add(events.ReasoningTextDelta(log.number(), *where, part.text))
            log.add(events.ReasoningTextDone(log.number(), *where, part.text))
        case OpaquePart():
            log.add(events.ContentPartAdded(log.number(), *where, part))
        case _:
            assert_never(part)
    log.add(events.ContentPartDone(log.number(), *where, part))


def _replay_summary(log: EventLog, part: SummaryPart, *, where: tuple[str, int, int]) -> None:
    log.add(events.SummaryPartAdded(log.number(), *where, SummaryPart("")))
    log.add(events.SummaryTextDelta(log.number(), *where, part.text))
    log.add(events.SummaryTextDone(log.number(), *where, part.text))
    log.add(events.SummaryPartDone(log.number(), *where, part))
