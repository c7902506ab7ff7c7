"""The events of a streamed response. The struct's tag is the event's `type`; field order is the wire order."""

from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.protocol.response import ContentPart, OutputItem, Response, SummaryPart

__all__ = [
    "TERMINAL",
    "AnnotationAdded",
    "ArgumentsDelta",
    "ArgumentsDone",
    "Completed",
    "ContentPartAdded",
    "ContentPartDone",
    "Created",
    "CustomInputDelta",
    "CustomInputDone",
    "Event",
    "Failed",
    "InProgress",
    "Incomplete",
    "ItemAdded",
    "ItemDone",
    "OpaqueEvent",
    "ReasoningTextDelta",
    "ReasoningTextDone",
    "RefusalDelta",
    "RefusalDone",
    "SearchCompleted",
    "SearchInProgress",
    "SearchSearching",
    "SummaryPartAdded",
    "SummaryPartDone",
    "SummaryTextDelta",
    "SummaryTextDone",
    "Terminal",
    "TextDelta",
    "TextDone",
    "event_type",
]


class _Event(Struct, frozen=True, gc=False, tag_field="type"):
    sequence_number: int


class Created(_Event, frozen=True, tag="response.created"):
    """Always first."""

    response: Response


class InProgress(_Event, frozen=True, tag="response.in_progress"):
    """Always second for a foreground run."""

    response: Response


class Completed(_Event, frozen=True, tag="response.completed"):
    """The model finished."""

    response: Response


class Incomplete(_Event, frozen=True, tag="response.incomplete"):
    """Stopped by a limit or a filter; also how the readers of a cancelled run are told."""

    response: Response


class Failed(_Event, frozen=True, tag="response.failed"):
    """It broke after the status was sent."""

    response: Response


class ItemAdded(_Event, frozen=True, tag="response.output_item.added"):
    """An item begins, empty."""

    output_index: int
    item: OutputItem


class ItemDone(_Event, frozen=True, tag="response.output_item.done"):
    """An item is finished, whole."""

    output_index: int
    item: OutputItem


class _Content(_Event, frozen=True):
    item_id: str
    output_index: int
    content_index: int


class ContentPartAdded(_Content, frozen=True, tag="response.content_part.added"):
    """A content part begins, empty."""

    part: ContentPart


class ContentPartDone(_Content, frozen=True, tag="response.content_part.done"):
    """A content part is finished, whole."""

    part: ContentPart


class TextDelta(_Content, frozen=True, tag="response.output_text.delta"):
    """A piece of text. `logprobs` is always present: typed clients demand it.

    `obfuscation` is an upstream's padding, which hides from onlookers how long the pieces are.
    """

    delta: str
    logprobs: tuple[Raw, ...] = ()
    obfuscation: str | UnsetType = UNSET


class TextDone(_Content, frozen=True, tag="response.output_text.done"):
    """The part's whole text."""

    text: str
    logprobs: tuple[Raw, ...] = ()


class AnnotationAdded(_Content, frozen=True, tag="response.output_text.annotation.added"):
    """A citation in the part's text."""

    annotation_index: int
    annotation: Raw


class RefusalDelta(_Content, frozen=True, tag="response.refusal.delta"):
    """A piece of a refusal."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class RefusalDone(_Content, frozen=True, tag="response.refusal.done"):
    """The whole refusal."""

    refusal: str


class ReasoningTextDelta(_Content, frozen=True, tag="response.reasoning_text.delta"):
    """A piece of raw reasoning."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class ReasoningTextDone(_Content, frozen=True, tag="response.reasoning_text.done"):
    """The whole raw reasoning."""

    text: str


class _Call(_Event, frozen=True):
    item_id: str
    output_index: int


class ArgumentsDelta(_Call, frozen=True, tag="response.function_call_arguments.delta"):
    """A piece of a call's arguments."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class ArgumentsDone(_Call, frozen=True, tag="response.function_call_arguments.done"):
    """A call's whole arguments. `name` is there because the newest clients read it from here."""

    name: str
    arguments: str


class CustomInputDelta(_Call, frozen=True, tag="response.custom_tool_call_input.delta"):
    """A piece of a custom call's input."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class CustomInputDone(_Call, frozen=True, tag="response.custom_tool_call_input.done"):
    """A custom call's whole input."""

    input: str


class SearchInProgress(_Call, frozen=True, tag="response.web_search_call.in_progress"):
    """A search of the web begins."""


class SearchSearching(_Call, frozen=True, tag="response.web_search_call.searching"):
    """It is under way."""


class SearchCompleted(_Call, frozen=True, tag="response.web_search_call.completed"):
    """It ended."""


class _Summary(_Call, frozen=True):
    summary_index: int


class SummaryPartAdded(_Summary, frozen=True, tag="response.reasoning_summary_part.added"):
    """A summary part begins, empty."""

    part: SummaryPart


class SummaryPartDone(_Summary, frozen=True, tag="response.reasoning_summary_part.done"):
    """A summary part is finished."""

    part: SummaryPart


class SummaryTextDelta(_Summary, frozen=True, tag="response.reasoning_summary_text.delta"):
    """A piece of a summary part."""

    delta: str
    obfuscation: str | UnsetType = UNSET


class SummaryTextDone(_Summary, frozen=True, tag="response.reasoning_summary_text.done"):
    """A summary part's whole text."""

    text: str


class OpaqueEvent(_Event, frozen=True, tag="event"):
    """An event of a type that only the upstream knows. Its type and what else it holds are added by `extended`."""

    item_id: str | UnsetType = UNSET
    output_index: int | UnsetType = UNSET


Terminal = Completed | Incomplete | Failed
TERMINAL = (Completed, Incomplete, Failed)

Event = (
    Created
    | InProgress
    | Terminal
    | ItemAdded
    | ItemDone
    | ContentPartAdded
    | ContentPartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
    | SearchInProgress
    | SearchSearching
    | SearchCompleted
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | OpaqueEvent
)


def event_type(kind: type[Event]) -> str:
    """The wire name of an event class, e.g. `response.created`."""
    return str(kind.__struct_config__.tag)
