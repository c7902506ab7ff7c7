"""Items to messages: user and assistant in turn, every result right behind its call, thoughts in front of what follows.

Neighbours of one role become one message. Inside an assistant message the order is the one in which the items came,
but that text never stands behind a call.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Literal, assert_never

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    ItemReference,
    Message,
    OtherItem,
    Reasoning,
)
from antiphon.protocol.request import Notice
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.models import ModelFacts
from antiphon.providers.anthropic.parts import Block, Marks, PartWriter, marks_of, text_block
from antiphon.providers.anthropic.state import PausedCalls, is_pause, read_state
from antiphon.providers.custom import wrap_custom
from antiphon.providers.hosted import drop_item
from antiphon.providers.names import wire_name

__all__ = ["Transcript", "WireMessage", "wire_id"]

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_GO_ON = "Continue."
_INSTRUCTION = "<system>\n{text}\n</system>"
_THOUGHTS = (b'"thinking"', b'"redacted_thinking"')
_object = msgspec.json.Decoder(dict[str, Raw])


class WireMessage(Struct):
    """A message on its way. Its content grows until the whole transcript is known."""

    role: Literal["user", "assistant", "system"]
    content: list[Block | Raw]


class _Turn:
    """What the assistant did between two inputs, and the results of its calls, wherever in the list they stood."""

    __slots__ = ("blocks", "first_call", "results")

    def __init__(self) -> None:
        self.blocks: list[Block | Raw] = []
        self.first_call: int | None = None
        self.results: list[Block | Raw] = []

    def say(self, block: Block) -> None:
        if self.first_call is None:
            self.blocks.append(block)
        else:
            self.blocks.insert(self.first_call, block)
            self.first_call += 1

    def call(self, block: Block) -> None:
        if self.first_call is None:
            self.first_call = len(self.blocks)
        self.blocks.append(block)


class Transcript:
    """The messages of one request, and the instructions that stand before them.

    Attributes:
        system: blocks of the instructions.
        called: wire names of the tools that the conversation calls.
        notices: what was left out or added.
    """

    __slots__ = (
        "_by_call", "_entries", "_facts", "_goes_on", "_parts", "_paused", "_provider", "_turn", "called", "notices",
        "system",
    )  # fmt: skip

    def __init__(self, facts: ModelFacts, target: Target, *, parts: PartWriter) -> None:
        self._facts = facts
        self._provider = target.provider
        self._parts = parts
        self._entries: list[WireMessage | _Turn] = []
        self._turn: _Turn | None = None
        self._by_call: dict[str, _Turn] = {}
        self._paused = PausedCalls()
        self._goes_on = False  # the vendor interrupted what stands last, and waits to be asked again
        self.system: list[Block] = []
        self.called: dict[str, None] = {}
        self.notices: list[Notice] = []

    def instruct(self, text: str) -> None:
        """Text that stands before everything else, behind what was said so far."""
        block = text_block(text)
        if block is not None:
            self.system.append(block)

    def add(self, item: InputItem) -> None:
        """The next item.

        Raises:
            RequestFault: 400 for what the upstream cannot be told.
        """
        value = item.value
        self._goes_on = False
        match value:
            case Message():
                self._message(value, item)
            case FunctionCall() | CustomToolCall():
                self._call(value)
            case FunctionCallOutput() | CustomToolCallOutput():
                self._output(value, item)
            case Reasoning():
                self._thought(item)
            case OtherItem():
                self._other(item, value)
            case ItemReference():
                raise RequestFault(
                    "Item references cannot be resolved here.", code="unsupported_parameter", param=f"{item.path}.id"
                )
            case _:
                assert_never(value)

    def messages(self, *, prefill: bool) -> list[WireMessage]:
        """All messages in order. The conversation begins with the user, and ends so unless `prefill`.

        It ends with the assistant too where the vendor interrupted it.
        """
        found: list[WireMessage] = []
        for entry in self._entries:
            if isinstance(entry, _Turn):
                _append(found, "assistant", entry.blocks)
                _append(found, "user", entry.results)
            else:
                _append(found, entry.role, entry.content)
        found = self._settled(found)
        if not found or found[0].role == "assistant":
            found.insert(0, WireMessage("user", [{"type": "text", "text": _GO_ON}]))
            self.notices.append(Notice("input", "emulated", "first_message_must_be_user"))
        if found[-1].role == "assistant" and not self._goes_on:
            if prefill:
                _strip_end(found[-1])
            else:
                found.append(WireMessage("user", [{"type": "text", "text": _GO_ON}]))
                self.notices.append(Notice("input", "emulated", "last_message_must_be_user"))
        return found

    def lost_thought(self) -> bool:
        """The assistant waits for the results that stand last, and did not begin that turn with a thought.

        Models with a budget for thinking refuse to go on thinking then.
        """
        last = next((entry for entry in reversed(self._entries) if isinstance(entry, _Turn)), None)
        if last is None or last is not self._entries[-1] or not last.results:
            return False
        first = last.blocks[0]
        return not (isinstance(first, Raw) and any(thought in bytes(first)[:60] for thought in _THOUGHTS))

    def _message(self, message: Message, item: InputItem) -> None:
        blocks = self._blocks(message.content, item, field="content")
        if message.role == "assistant":
            for block in blocks:
                self._open_turn().say(block)
        elif message.role == "user":
            self._enter("user", blocks)
        elif self._entries:
            self._enter("system", blocks)
        else:
            self.system += blocks

    def _enter(self, role: Literal["user", "system"], blocks: list[Block]) -> None:
        if blocks:
            self._turn = None
            self._entries.append(WireMessage(role, [*blocks]))

    def _blocks(self, content: object, item: InputItem, *, field: str) -> list[Block]:
        """A string, or parts, as blocks, with the cache marks that the client set."""
        marks = marks_of(item.raw)
        if not isinstance(content, list):
            block = text_block(content) if isinstance(content, str) else None
            return [block] if block is not None else []
        blocks = []
        for index, part in enumerate(content):
            written = self._parts.write(part, _part_path(item.path, field, index))
            if written is not None:
                blocks.append(_marked(written, marks, index=index))
        return blocks

    def _open_turn(self) -> _Turn:
        if self._turn is None:
            self._turn = _Turn()
            self._entries.append(self._turn)
        return self._turn

    def _thought(self, item: InputItem) -> None:
        """Only what this very model signed goes back: everything else would be refused."""
        if item.state is None:
            return
        blocks = read_state(item.state.payload)
        if blocks is None:
            self.notices.append(Notice(item.path, "dropped", "unreadable_state"))
        elif blocks:
            self._open_turn().blocks += self._paused.others(blocks)
            if is_pause(item.state.payload):
                self._paused.add(blocks)
                self._goes_on = True

    def _other(self, item: InputItem, other: OtherItem) -> None:
        if other.type == "web_search_call" and item.provider == self._provider:
            return  # what was found goes back with the state of the reasoning item beside it
        notice = drop_item(item, other)
        if notice is not None:
            self.notices.append(notice)

    def _call(self, call: FunctionCall | CustomToolCall) -> None:
        turn = self._open_turn()
        name = wire_name(call.name, call.namespace)
        arguments = wrap_custom(call.input) if isinstance(call, CustomToolCall) else call.arguments
        turn.call({"type": "tool_use", "id": wire_id(call.call_id), "name": name, "input": _input(arguments)})
        self._by_call[call.call_id] = turn
        self.called[name] = None

    def _output(self, output: FunctionCallOutput | CustomToolCallOutput, item: InputItem) -> None:
        turn = self._by_call.get(output.call_id)
        if turn is None:
            raise RequestFault(
                f"No tool call found for function call output with call_id {output.call_id[:80]}.",
                code="invalid_value",
                param=item.path,
            )
        result: Block = {"type": "tool_result", "tool_use_id": wire_id(output.call_id)}
        blocks = self._blocks(output.output, item, field="output")
        if isinstance(output.output, str):
            result["content"] = output.output
        elif blocks:
            result["content"] = blocks
        if marks_of(item.raw).is_error:
            result["is_error"] = True
        turn.results.append(result)
        if turn is self._turn:
            self._turn = None

    def _settled(self, messages: list[WireMessage]) -> list[WireMessage]:
        """System messages stay where they may stand: behind the user, and right before the assistant or the end."""
        found: list[WireMessage] = []
        for index, message in enumerate(messages):
            if message.role != "system":
                _append(found, message.role, message.content)
                continue
            after = messages[index + 1].role if index + 1 < len(messages) else "assistant"
            if self._facts.system_turns and found and found[-1].role == "user" and after == "assistant":
                found.append(message)
                continue
            self.notices.append(Notice("input", "approximated", "system_message_in_the_middle", "system", "user"))
            _append(found, "user", [_as_instruction(block) for block in message.content])
        return found


def wire_id(call_id: str) -> str:
    """The id of a call, the same for the call and its result: other characters are refused."""
    if _SAFE_ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:24]


def _append(
    messages: list[WireMessage], role: Literal["user", "assistant", "system"], content: list[Block | Raw]
) -> None:
    if not content:
        return
    if messages and messages[-1].role == role:
        messages[-1].content += content
    else:
        messages.append(WireMessage(role, [*content]))


def _input(arguments: str) -> Raw | Mapping[str, str]:
    """The arguments as the model wrote them, if they are an object; else wrapped, so that nothing is lost."""
    text = arguments.strip()
    if not text:
        return Raw(b"{}")
    try:
        _object.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"_raw": arguments}
    return Raw(text.encode())


def _marked(block: Block, marks: Marks, *, index: int) -> Block:
    mark = marks.cache.get(index)
    return block if mark is None else {**block, "cache_control": mark}


def _as_instruction(block: Block | Raw) -> Block | Raw:
    if isinstance(block, dict) and block.get("type") == "text":
        return {**block, "text": _INSTRUCTION.format(text=block["text"])}
    return block


def _strip_end(message: WireMessage) -> None:
    """The last text must not end in blanks."""
    last = message.content[-1]
    if isinstance(last, dict) and isinstance(text := last.get("text"), str):
        message.content[-1] = {**last, "text": text.rstrip()}


def _part_path(path: str, field: str, index: int) -> str:
    """Where a part stands. What came from history has no place in the request."""
    return f"{path}.{field}[{index}]" if path.startswith("input[") else path
