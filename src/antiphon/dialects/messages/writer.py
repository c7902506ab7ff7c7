"""Events of items to events of content blocks, one block open at a time.

Items may be written side by side (calls stay open until the answer ends), blocks may not: what comes for a later item
waits until the one before it is complete. A call counts as complete once its arguments are, so that parallel calls do
not wait for the end.
"""

import msgspec
from msgspec import Raw

from antiphon.dialects.messages.content import (
    NO_TITLES,
    citation_of,
    custom_input,
    search_blocks,
    thought_block,
)
from antiphon.dialects.messages.wire import (
    Block,
    BlockDelta,
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    Event,
    InputDelta,
    RedactedThinkingBlock,
    SearchResultBlock,
    ServerToolUseBlock,
    SignatureDelta,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    WebCitation,
)
from antiphon.protocol import events
from antiphon.protocol.response import (
    CustomCallItem,
    FunctionCallItem,
    OutputItem,
    ReasoningItem,
    ReasoningTextPart,
    WebSearchItem,
)

__all__ = ["ContentWriter"]

_object = msgspec.json.Decoder(dict[str, Raw])

#: As where the parts of a whole thought are joined.
_BETWEEN_PARTS = "\n\n"

#: What may stand in the place of a block's beginning: it has ended.
_STOP = None


class _Lane:
    """The blocks of one item, as far as they are written. `steps` are those that were not sent yet."""

    __slots__ = ("arguments", "citations", "cited", "done", "has_more_parts", "is_open", "kind", "search", "steps")

    def __init__(self, item: OutputItem) -> None:
        self.kind = type(item)
        self.arguments: list[str] = []
        self.citations: list[WebCitation] = []  # of text that did not come yet
        self.cited: list[WebCitation] | None = None  # by the text that did
        self.search: WebSearchItem | None = None  # whose blocks are to be written
        self.has_more_parts = False  # a part of the thought begins that did not say anything yet
        self.is_open = False  # a block of it
        self.done = False
        self.steps: list[Block | BlockDelta | None] = []

    def start(self, block: Block) -> None:
        self.steps.append(block)
        self.is_open = True

    def add(self, delta: BlockDelta) -> None:
        self.steps.append(delta)

    def cite(self, citation: WebCitation) -> None:
        self.add(CitationsDelta(citation))
        self.cited = self.cited or []
        self.cited.append(citation)

    def stop(self) -> None:
        if self.is_open:
            self.steps.append(_STOP)
            self.is_open = False

    def is_whole(self) -> bool:
        """Whether the arguments are an object, to which nothing can be added."""
        text = "".join(self.arguments)
        if not text.rstrip().endswith("}"):
            return False
        try:
            _object.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True


class ContentWriter:
    """Writes the blocks of one stream.

    Args:
        omits_thinking: thoughts are announced and sealed, but their text is not shown.
    """

    __slots__ = ("_index", "_lanes", "_omits_thinking", "_out", "_titles")

    def __init__(self, *, omits_thinking: bool) -> None:
        self._omits_thinking = omits_thinking
        self._titles: dict[str, str] | None = None  # of pages, by address
        self._lanes: dict[int, _Lane] = {}  # of items that are not complete, or wait for one that is not
        self._index = 0  # of the block that is open, or comes next
        self._out: list[Event] = []

    def write(self, event: events.Event) -> None:
        """Take one event. Those that no client of this dialect could read change nothing."""
        match event:
            case events.TextDelta(output_index=at, delta=text):
                self._say(at, text)
            case events.ItemAdded(output_index=at, item=item):
                self._open(at, item)
            case events.ArgumentsDelta(output_index=at, delta=text):
                self._argue(at, text)
            case (
                events.SummaryTextDelta(output_index=at, delta=text)
                | events.ReasoningTextDelta(output_index=at, delta=text)
            ):
                self._think(at, text)
            case (
                events.SummaryPartAdded(output_index=at)
                | events.ContentPartAdded(output_index=at, part=ReasoningTextPart())
            ):
                self._begin_part(at)
            case events.RefusalDelta(output_index=at, delta=text):
                self._say(at, text)
            case events.AnnotationAdded(output_index=at, annotation=annotation):
                self._cite(at, annotation)
            case events.ContentPartDone(output_index=at):
                self._end_part(at)
            case events.ItemDone(output_index=at, item=item):
                self._close(at, item)

    def entitle(self, url: str, title: str | None) -> None:
        """Note what a page is called, for the searches that show it."""
        if title:
            self._titles = self._titles or {}
            self._titles[url] = title

    def take(self) -> list[Event]:
        """What may be sent by now."""
        self._move()
        out, self._out = self._out, []
        return out

    def _open(self, at: int, item: OutputItem) -> None:
        lane = self._lanes[at] = _Lane(item)
        if isinstance(item, FunctionCallItem | CustomCallItem):
            lane.start(ToolUseBlock(item.call_id, item.name))

    def _say(self, at: int, text: str) -> None:
        lane = self._lanes.get(at)
        if lane is None or not text:
            return
        if not lane.is_open:
            lane.start(TextBlock(""))
        lane.add(TextDelta(text))
        for citation in lane.citations:
            lane.cite(citation)
        lane.citations.clear()

    def _think(self, at: int, text: str) -> None:
        lane = self._lanes.get(at)
        if lane is None or self._omits_thinking or not text:
            return
        if not lane.is_open:
            lane.start(ThinkingBlock(""))
        elif lane.has_more_parts:
            text = _BETWEEN_PARTS + text
        lane.has_more_parts = False
        lane.add(ThinkingDelta(text))

    def _begin_part(self, at: int) -> None:
        lane = self._lanes.get(at)
        if lane is not None:
            lane.has_more_parts = True

    def _argue(self, at: int, text: str) -> None:
        lane = self._lanes.get(at)
        if lane is not None and text:
            lane.arguments.append(text)
            lane.add(InputDelta(text))

    def _cite(self, at: int, annotation: Raw) -> None:
        lane = self._lanes.get(at)
        citation = citation_of(annotation)
        if lane is None or citation is None:
            return
        if lane.is_open:
            lane.cite(citation)
        else:
            lane.citations.append(citation)

    def _end_part(self, at: int) -> None:
        """A thought goes on to its seal; a text ends here."""
        lane = self._lanes.get(at)
        if lane is not None and not issubclass(lane.kind, ReasoningItem):
            lane.stop()
            lane.citations.clear()

    def _close(self, at: int, item: OutputItem) -> None:
        lane = self._lanes.get(at)
        if lane is None:
            return
        match item:
            case ReasoningItem():
                self._seal(lane, item)
            case CustomCallItem():
                lane.add(InputDelta(custom_input(item)))
            case WebSearchItem():
                lane.search = item
        lane.stop()
        lane.done = True

    def _seal(self, lane: _Lane, item: ReasoningItem) -> None:
        if lane.is_open:
            if item.encrypted_content:
                lane.add(SignatureDelta(item.encrypted_content))
            return
        thought = thought_block(item, omits_text=self._omits_thinking)
        if thought is not None:
            _whole(lane, thought)

    def _move(self) -> None:
        """Send what the first item has; go on to the next where it is complete."""
        while self._lanes:
            at, lane = next(iter(self._lanes.items()))
            for step in lane.steps:
                self._send(step)
            lane.steps.clear()
            if not lane.done:
                if len(self._lanes) == 1 or not issubclass(lane.kind, FunctionCallItem) or not lane.is_whole():
                    return
                self._send(_STOP)
            if lane.search is not None:
                self._tell(lane, lane.search)
            del self._lanes[at]
            for citation in lane.cited or ():
                self.entitle(citation.url, citation.title)

    def _tell(self, lane: _Lane, search: WebSearchItem) -> None:
        """Write a search when its turn comes: by then pages have their titles, as in a whole answer."""
        for block in search_blocks(search, self._titles or NO_TITLES):
            _whole(lane, block)
        for step in lane.steps:
            self._send(step)

    def _send(self, step: Block | BlockDelta | None) -> None:
        if step is None:
            self._out.append(ContentBlockStop(self._index))
            self._index += 1
        elif isinstance(step, _BEGINNINGS):
            self._out.append(ContentBlockStart(self._index, step))
        else:
            self._out.append(ContentBlockDelta(self._index, step))


_BEGINNINGS = (
    TextBlock,
    ThinkingBlock,
    RedactedThinkingBlock,
    ToolUseBlock,
    ServerToolUseBlock,
    SearchResultBlock,
)


def _whole(lane: _Lane, block: Block) -> None:
    """A block that comes in one piece, in the steps in which Anthropic sends it."""
    match block:
        case ThinkingBlock(signature=signature):
            lane.start(ThinkingBlock(""))
            lane.add(SignatureDelta(signature))
        case ServerToolUseBlock(id=name, input=query):
            lane.start(ServerToolUseBlock(name))
            lane.add(InputDelta(bytes(query).decode()))
        case _:
            lane.start(block)
    lane.stop()
