"""Deltas in, events out: the only place that knows the life cycle of a streamed response.

Whatever deltas come, in whatever order, the events are legal: `response.created` first, sequence numbers without gaps,
output indexes in order of appearance, every item opened once and closed once, one terminal event at the end.
A JSON answer is the response inside that terminal event: there is no second implementation.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, assert_never

from msgspec import UNSET, Raw, Struct, structs

from antiphon.protocol import deltas, events
from antiphon.protocol.blocks import EventLog, MessageBlock, ReasoningBlock, SealWriter
from antiphon.protocol.call_blocks import CallBlock, CustomCallBlock, SearchBlock
from antiphon.protocol.carried import carry
from antiphon.protocol.deltas import Key
from antiphon.protocol.extended import extended
from antiphon.protocol.faults import Fault
from antiphon.protocol.ids import ResponseId, item_id
from antiphon.protocol.relay import RelayBlock, implied_item
from antiphon.protocol.response import (
    CustomCallItem,
    ErrorBody,
    FunctionCallItem,
    IncompleteDetails,
    OutputItem,
    Response,
)
from antiphon.protocol.usage import Usage

__all__ = ["Assembler", "Outcome", "terminal_event"]

_Block = MessageBlock | ReasoningBlock | CallBlock | CustomCallBlock | SearchBlock | RelayBlock


class Outcome(Struct, frozen=True):
    """How a run ended.

    Attributes:
        status: `incomplete` needs `reason`, `failed` needs `fault`.
        completed_at: UTC seconds; only a completed response shows it.
        more: fields of the finished response that only its upstream knows.
    """

    status: Literal["completed", "incomplete", "failed", "cancelled"]
    usage: Usage | None = None
    reason: Literal["max_output_tokens", "content_filter"] | None = None
    fault: Fault | None = None
    completed_at: int | None = None
    service_tier: str | None = None
    more: Mapping[str, Raw] | None = None


class Assembler:
    """Builds the events of one response.

    Args:
        base: the response as it starts: status `in_progress`, nothing in it.
        owner: the id from which item ids are made.
        new_call_id: makes an id for a call that its upstream gave none.
        seal: makes `encrypted_content` of what the provider wants back with a thought; without it none is shown.
        seals_messages: a message with something that the provider wants back is followed by a thought without words,
            which shows that sealed. Needs `seal`.
    """

    __slots__ = (
        "_base",
        "_blocks",
        "_done",
        "_log",
        "_new_call_id",
        "_next_index",
        "_owner",
        "_seal",
        "_seals_messages",
        "_speaking",
        "_states",
        "_touched",
    )

    def __init__(
        self,
        base: Response,
        *,
        owner: ResponseId,
        new_call_id: Callable[[], str],
        seal: SealWriter | None = None,
        seals_messages: bool = False,
    ) -> None:
        self._base = base
        self._owner = owner
        self._new_call_id = new_call_id
        self._seal = seal
        self._seals_messages = seals_messages and seal is not None
        self._log = EventLog()
        self._states: dict[str, bytes] | None = None
        self._blocks: dict[Key, _Block] = {}  # open ones, in the order of their indexes
        self._speaking: Key | None = None  # the open message or reasoning: at most one
        self._touched: Key | None = None  # the block that was written to last
        self._done: dict[int, OutputItem] = {}
        self._next_index = 0

    def open(self) -> list[events.Event]:
        """`response.created` and `response.in_progress`."""
        log = self._log
        log.add(events.Created(log.number(), self._base))
        log.add(events.InProgress(log.number(), self._base))
        return log.take()

    def feed(self, stream: Iterable[deltas.OutputDelta]) -> list[events.Event]:
        """The events that these deltas cause."""
        for delta in stream:
            if type(delta) is deltas.Text:  # nearly all of them
                block = self._blocks.get(delta.key)
                if type(block) is not MessageBlock and type(block) is not RelayBlock:
                    block = self._open_message(delta.key)
                block.text(delta)
                self._touched = delta.key
            else:
                self._apply(delta)
        return self._log.take()

    def close_all(self) -> list[events.Event]:
        """Close what is open: the model has answered, but the response goes on.

        A search stays open: where its provider interrupted the answer, its result comes with the next one.
        """
        for key, block in tuple(self._blocks.items()):
            if type(block) is not SearchBlock:
                self._close(key)
        self._touched = None
        return self._log.take()

    def output(self) -> tuple[OutputItem, ...]:
        """The items as they are now."""
        open_items = {block.index: block.snapshot("in_progress") for block in self._blocks.values()}
        return _in_order({**self._done, **open_items})

    @property
    def states(self) -> Mapping[str, bytes]:
        """Item id -> what the provider wants back with that item."""
        return self._states or {}

    def snapshot(self) -> Response:
        """The response as it is now."""
        return structs.replace(self._base, output=self.output())

    def finish(self, outcome: Outcome) -> tuple[list[events.Event], events.Terminal]:
        """Close everything that is open. The terminal event comes apart: it may have to wait for a commit.

        All open items end `completed`, but for what was cut, when the response did not complete: the last item written
        to, and calls whose arguments are not whole, end `incomplete`.
        """
        cut = None if outcome.status == "completed" else self._blocks.get(self._touched)
        for block in self._blocks.values():
            is_cut = block is cut or (
                outcome.status != "completed"
                and isinstance(block, CallBlock | CustomCallBlock | RelayBlock)
                and not block.is_whole()
            )
            self._shut(block, "incomplete" if is_cut else "completed")
        self._blocks.clear()
        closing = self._log.take()
        response = structs.replace(
            self._base,
            status=outcome.status,
            completed_at=outcome.completed_at if outcome.status == "completed" else None,
            error=_error_body(outcome.fault) if outcome.status == "failed" and outcome.fault else None,
            incomplete_details=(
                IncompleteDetails(outcome.reason) if outcome.status == "incomplete" and outcome.reason else None
            ),
            service_tier=outcome.service_tier or self._base.service_tier,
            output=_in_order(self._done),
            usage=outcome.usage,
        )
        if outcome.more:
            response = extended(response, outcome.more)
        return closing, terminal_event(response, self._log.number())

    def _apply(self, delta: deltas.OutputDelta) -> None:
        match delta:
            case deltas.Text() | deltas.Refusal() | deltas.Annotation():
                self._say(delta)
            case deltas.Reasoning():
                self._think(delta)
            case deltas.CallOpened():
                self._open_call(delta)
            case deltas.CallArguments():
                block = self._blocks.get(delta.key)
                if not isinstance(block, CallBlock | CustomCallBlock):
                    return  # nothing was written, so the last block that was stays the one to be cut
                if delta.text:
                    block.append(delta.text)
            case deltas.Relayed():
                if not self._relay(delta):
                    return
            case deltas.Seal() | deltas.SearchOpened() | deltas.SearchDone() | deltas.Closed():
                self._apply_silent(delta)
                return
            case _:
                assert_never(delta)
        self._touched = delta.key

    def _relay(self, delta: deltas.Relayed) -> bool:
        """An event of an upstream's own item; they may interleave as the upstream likes. False: it was about none."""
        event = delta.event
        block = self._blocks.get(delta.key)
        if not isinstance(block, RelayBlock):
            item = implied_item(event)
            if item is None:
                if isinstance(event, events.OpaqueEvent):  # about no item that is known
                    number = self._log.number()
                    unplaced = structs.replace(event, sequence_number=number, item_id=UNSET, output_index=UNSET)
                    self._log.add(unplaced)
                return False
            self._hush(delta.key)
            block = self._open_relayed(delta.key, item)
        block.take(event)
        if isinstance(event, events.ItemDone):
            self._close(delta.key)
        return True

    def _open_relayed(self, key: Key, item: OutputItem) -> RelayBlock:
        if isinstance(item, FunctionCallItem | CustomCallItem) and not item.call_id:
            item = structs.replace(item, call_id=self._new_call_id())
        index = self._take_index()
        new_id = item_id(str(type(item).__struct_config__.tag), self._owner, index)
        block = RelayBlock(self._log, item, index=index, item_id=new_id, seal=self._seal)
        self._blocks[key] = block
        return block

    def _apply_silent(self, delta: deltas.Seal | deltas.SearchOpened | deltas.SearchDone | deltas.Closed) -> None:
        """What the model did not write: none of this can be cut off in the middle."""
        match delta:
            case deltas.Seal():
                self._keep(delta)
            case deltas.SearchOpened():
                self._open_search(delta.key)
            case deltas.SearchDone():
                self._end_search(delta)
            case deltas.Closed():
                self._close(delta.key)

    def _say(self, delta: deltas.Text | deltas.Refusal | deltas.Annotation) -> None:
        block = self._blocks.get(delta.key)
        if type(block) is not MessageBlock:
            block = self._open_message(delta.key)
        match delta:
            case deltas.Text():
                block.text(delta)
            case deltas.Refusal():
                block.refusal(delta.text)
            case deltas.Annotation():
                block.annotation(delta.annotation)

    def _think(self, delta: deltas.Reasoning) -> None:
        block = self._blocks.get(delta.key)
        if type(block) is not ReasoningBlock:
            block = self._open_reasoning(delta.key)
        block.append(delta)

    def _open_reasoning(self, key: Key) -> ReasoningBlock:
        self._hush(key)
        index = self._take_index()
        block = ReasoningBlock(
            self._log, index=index, item_id=item_id("reasoning", self._owner, index), seal=self._seal
        )
        self._blocks[key] = block
        self._speaking = key
        return block

    def _keep(self, delta: deltas.Seal) -> None:
        block = self._blocks.get(delta.key)
        if block is None:
            block = self._open_reasoning(delta.key)
            self._touched = delta.key
        block.state = delta.payload

    def _open_message(self, key: Key) -> MessageBlock:
        self._hush(key)
        index = self._take_index()
        block = MessageBlock(self._log, index, item_id("message", self._owner, index))
        self._blocks[key] = block
        self._speaking = key
        return block

    def _open_call(self, delta: deltas.CallOpened) -> None:
        self._hush(delta.key)
        index = self._take_index()
        if not delta.call_id:
            delta = structs.replace(delta, call_id=self._new_call_id())
        if delta.kind == "custom":
            custom_id = item_id("custom_tool_call", self._owner, index)
            self._blocks[delta.key] = CustomCallBlock(self._log, index=index, item_id=custom_id, opened=delta)
        else:
            function_id = item_id("function_call", self._owner, index)
            self._blocks[delta.key] = CallBlock(self._log, index=index, item_id=function_id, opened=delta)

    def _open_search(self, key: Key) -> None:
        self._hush(key)
        index = self._take_index()
        self._blocks[key] = SearchBlock(self._log, index=index, item_id=item_id("web_search_call", self._owner, index))

    def _end_search(self, delta: deltas.SearchDone) -> None:
        if delta.key not in self._blocks:
            self._open_search(delta.key)
        block = self._blocks[delta.key]
        if type(block) is SearchBlock:
            block.finish(delta.action, failed=delta.failed)
            self._close(delta.key)

    def _hush(self, key: Key) -> None:
        """Close the message or reasoning that is open, and whatever else goes by this key.

        Calls stay open: parallel ones interleave. Text never does, so closing it is what clients expect.
        """
        if self._speaking is not None:
            self._close(self._speaking)
        self._close(key)

    def _close(self, key: Key) -> None:
        block = self._blocks.pop(key, None)
        if block is not None:
            self._shut(block, "completed")
        if key == self._speaking:
            self._speaking = None

    def _shut(self, block: _Block, status: Literal["completed", "incomplete"]) -> None:
        self._done[block.index] = block.close(status)
        if block.state is not None:
            if self._states is None:
                self._states = {}
            self._states[block.id] = block.state
            if self._seals_messages and type(block) is MessageBlock:
                self._carry(block.state)

    def _carry(self, state: bytes) -> None:
        """A message has just been closed: show what belongs to it."""
        index = self._take_index()
        thought = ReasoningBlock(
            self._log, index=index, item_id=item_id("reasoning", self._owner, index), seal=self._seal
        )
        thought.state = carry(state)
        self._shut(thought, "completed")

    def _take_index(self) -> int:
        index = self._next_index
        self._next_index = index + 1
        return index


def terminal_event(response: Response, number: int) -> events.Terminal:
    """The terminal event for a finished response. Readers of a cancelled run get `response.incomplete`."""
    if response.status == "completed":
        return events.Completed(number, response)
    if response.status == "failed":
        return events.Failed(number, response)
    return events.Incomplete(number, response)


def _in_order(items: dict[int, OutputItem]) -> tuple[OutputItem, ...]:
    return tuple(map(items.__getitem__, sorted(items)))


def _error_body(fault: Fault) -> ErrorBody:
    code = fault.in_band_code
    if fault.code and fault.code != code:
        return ErrorBody(code, fault.message, reason=fault.code)
    return ErrorBody(code, fault.message)
