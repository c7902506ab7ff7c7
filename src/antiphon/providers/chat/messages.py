"""Items to messages: who says what, in which order, in the shape that the upstream's chat template can take."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import UNSET, Raw, UnsetType

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputItem,
    ItemReference,
    Message,
    OtherItem,
    Part,
    Reasoning,
    Refusal,
)
from antiphon.protocol.request import Notice
from antiphon.providers.chat.parts import PartWriter
from antiphon.providers.chat.state import ABSENT, ChatState, read_state
from antiphon.providers.chat.wire import (
    Call,
    CalledCustom,
    CalledFunction,
    TextPart,
    ThinkingPart,
    WireMessage,
    WirePart,
)
from antiphon.providers.custom import wrap_custom
from antiphon.providers.hosted import drop_item
from antiphon.providers.names import wire_call_id, wire_name
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.shared.parts import part_text

__all__ = ["Transcript"]

_BLANK_LINE = "\n\n"
_GO_ON = "Continue."


class _Turn:
    """What the assistant did between two inputs, and the outputs of its calls, wherever in the list they stood."""

    __slots__ = ("calls", "details", "lifted", "outputs", "reasoning", "refusals", "texts")

    def __init__(self) -> None:
        self.reasoning: list[str] = []
        self.details: list[Raw] = []
        self.texts: list[str] = []
        self.refusals: list[str] = []
        self.calls: list[Call] = []
        self.outputs: list[WireMessage] = []
        self.lifted: list[WirePart] = []  # media from the outputs: tool messages hold text only


class Transcript:
    """The messages of one request.

    Args:
        provider: the target's name: only what it thought itself, or what the client sent, is replayed.
        media: URL -> data URL.
        file_ids: whether files may be named by their ids at the provider.

    Attributes:
        notices: items that were left out.
    """

    __slots__ = ("_by_call", "_entries", "_parts", "_provider", "_quirks", "_system", "_turn", "continued", "notices")

    def __init__(self, quirks: Quirks, provider: str, *, media: Mapping[str, str], file_ids: bool = False) -> None:
        self._quirks = quirks
        self._provider = provider
        self._parts = PartWriter(quirks, media, file_ids=file_ids)
        self._entries: list[WireMessage | _Turn] = []
        self._system: list[str] = []
        self._turn: _Turn | None = None
        self._by_call: dict[str, _Turn] = {}
        self.notices: list[Notice] = []
        self.continued = False  # a user message was added, because the upstream wants one at the end

    def instruct(self, text: str) -> None:
        """Text that stands before everything else."""
        if self._quirks.single_system:
            self._system.append(text)
        elif self._entries:
            first = self._entries[0]
            assert isinstance(first, WireMessage)  # noqa: S101 - instructions come before any item
            self._entries[0] = WireMessage(first.role, f"{first.content}{_BLANK_LINE}{text}")
        else:
            self._entries.append(WireMessage(self._instructing_role(), text))

    def add(self, item: InputItem) -> None:
        """The next item.

        Raises:
            RequestFault: 400 for what Chat, or this upstream, cannot say.
        """
        value = item.value
        match value:
            case Message():
                self._message(value, item.path)
            case FunctionCall() | CustomToolCall():
                self._call(value, self._state(item))
            case FunctionCallOutput() | CustomToolCallOutput():
                self._output(value, item.path)
            case Reasoning():
                if item.provider is None or item.provider == self._provider:
                    self._thought(value, self._state(item))
            case OtherItem():
                notice = drop_item(item, value)
                if notice is not None:
                    self.notices.append(notice)
            case ItemReference():
                raise RequestFault(
                    "Item references cannot be resolved here.", code="unsupported_parameter", param=f"{item.path}.id"
                )
            case _:
                assert_never(value)

    def messages(self) -> list[WireMessage]:
        """All messages in order."""
        found: list[WireMessage] = []
        if self._system:
            found.append(WireMessage(self._instructing_role(), _BLANK_LINE.join(self._system)))
        for entry in self._entries:
            if isinstance(entry, WireMessage):
                found.append(entry)
            else:
                self._write_turn(entry, found)
        if found and found[-1].role == "assistant" and not self._quirks.assistant_last:
            self._end_with_user(found)
        return found

    def _instructing_role(self) -> str:
        return "developer" if self._quirks.developer_role else "system"

    def _message(self, message: Message, path: str) -> None:
        if message.role == "assistant":
            self._assistant(message, path)
            return
        if message.role == "user":
            self._turn = None
            self._entries.append(WireMessage("user", self._content(message, path)))
            return
        text = _BLANK_LINE.join(self._texts(message, path))
        if self._quirks.single_system:
            if text:
                self._system.append(text)
            return
        self._turn = None
        role = "system" if message.role == "system" else self._instructing_role()
        self._entries.append(WireMessage(role, text))

    def _content(self, message: Message, path: str) -> str | list[WirePart]:
        """One text stays a string, which every server takes."""
        if message.content is None or isinstance(message.content, str):
            return message.content or ""
        parts = message.content
        text = part_text(parts[0]) if len(parts) == 1 else None if parts else ""
        if text is not None:
            return text
        return [self._parts.write(part, _part_path(path, "content", index)) for index, part in enumerate(parts)]

    def _texts(self, message: Message, path: str) -> list[str]:
        texts = []
        for index, part in enumerate(message.parts()):
            text = part_text(part)
            if text is None:
                raise RequestFault(
                    f"Messages of role '{message.role}' hold text only.",
                    code="unsupported_parameter",
                    param=_part_path(path, "content", index),
                )
            if text:
                texts.append(text)
        return texts

    def _assistant(self, message: Message, path: str) -> None:
        refusals = [part.refusal for part in message.parts() if isinstance(part, Refusal) and part.refusal]
        if not (refusals and self._quirks.refusal_field):
            text = "".join(self._texts(message, path))
            if text:
                self._open_turn().texts.append(text)
            return
        turn = self._open_turn()
        turn.refusals += refusals
        text = "".join(part_text(part) or "" for part in message.parts() if not isinstance(part, Refusal))
        if text:
            turn.texts.append(text)

    def _state(self, item: InputItem) -> ChatState:
        """What this provider gave with the item."""
        if item.state is None:
            return ChatState()
        state = read_state(item.state.payload)
        if state is None:
            self.notices.append(Notice(item.path, "dropped", "unreadable_state"))
        return state or ChatState()

    def _thought(self, value: Reasoning, state: ChatState) -> None:
        if state.details and self._quirks.reasoning_replay == "reasoning_details":
            self._open_turn().details += state.details
            return
        text = state.text or value.text()
        if text:
            self._open_turn().reasoning.append(text)

    def _open_turn(self) -> _Turn:
        if self._turn is None:
            self._turn = _Turn()
            self._entries.append(self._turn)
        return self._turn

    def _call(self, call: FunctionCall | CustomToolCall, state: ChatState) -> None:
        turn = self._open_turn()
        name = wire_name(call.name, call.namespace)
        call_id = wire_call_id(call.call_id, self._quirks.tool_call_id)
        extra: Raw | UnsetType = UNSET
        if self._quirks.call_extra == "extra_content":
            absent = self._quirks.call_extra_absent
            extra = state.extra if state.extra is not ABSENT else Raw(absent) if absent else UNSET
        if isinstance(call, FunctionCall):
            turn.calls.append(Call(call_id, CalledFunction(name, call.arguments or "{}"), extra_content=extra))
        elif self._quirks.custom_tools:
            turn.calls.append(Call(call_id, type="custom", custom=CalledCustom(name, call.input)))
        else:
            turn.calls.append(Call(call_id, CalledFunction(name, wrap_custom(call.input)), extra_content=extra))
        self._by_call[call.call_id] = turn

    def _output(self, output: FunctionCallOutput | CustomToolCallOutput, path: str) -> None:
        turn = self._by_call.get(output.call_id)
        if turn is None:
            raise RequestFault(
                f"No tool call found for function call output with call_id {output.call_id[:80]}.",
                code="invalid_value",
                param=path,
            )
        content = self._output_content(output, turn, path=path)
        call_id = wire_call_id(output.call_id, self._quirks.tool_call_id)
        turn.outputs.append(WireMessage("tool", content, tool_call_id=call_id))
        if turn is self._turn:
            self._turn = None

    def _output_content(
        self, output: FunctionCallOutput | CustomToolCallOutput, turn: _Turn, *, path: str
    ) -> str | list[WirePart]:
        if output.output is None or isinstance(output.output, str):
            return output.output or ""
        written: list[WirePart] = []
        for index, part in enumerate(output.output):
            if part_text(part) is not None or (isinstance(part, InputImage) and self._quirks.image_in_tool_output):
                written.append(self._parts.write(part, _part_path(path, "output", index)))
            else:
                written.append(self._lift(part, turn, call_id=output.call_id, path=_part_path(path, "output", index)))
        if all(isinstance(part, TextPart) for part in written):
            return "\n".join(part.text for part in written if isinstance(part, TextPart))
        return written

    def _lift(self, part: Part, turn: _Turn, *, call_id: str, path: str) -> TextPart:
        """Put a part that is no text into the user message behind the outputs. Returns what refers to it."""
        number = 1 + len(turn.lifted) // 2  # each with what it is called
        content = self._parts.write(part, path)
        if isinstance(content, TextPart):
            return content
        named = wire_call_id(call_id, self._quirks.tool_call_id)
        turn.lifted += [TextPart(f"Attachment {number}, output of the tool call {named}:"), content]
        return TextPart(f"[attachment {number}: see the user message that follows]")

    def _write_turn(self, turn: _Turn, found: list[WireMessage]) -> None:
        if turn.calls or turn.texts or turn.refusals:
            found.append(self._assistant_message(turn))
        found += turn.outputs
        if turn.lifted:
            found.append(WireMessage("user", turn.lifted))

    def _assistant_message(self, turn: _Turn) -> WireMessage:
        quirks = self._quirks
        text = _BLANK_LINE.join(turn.texts)
        content: str | list[WirePart] | None = text
        if not text and turn.calls and quirks.empty_content_with_calls == "null":
            content = None
        thought = _BLANK_LINE.join(turn.reasoning) if self._replays(turn) else ""
        reasoning: str | UnsetType = UNSET
        reasoning_content: str | UnsetType = UNSET
        if thought and quirks.reasoning_replay == "thinking_parts":
            thinking = ThinkingPart([TextPart(thought)])
            content = [thinking, TextPart(text)] if text else [thinking]
        elif thought and quirks.reasoning_replay == "think_tags":
            content = f"<think>{thought}</think>{text}"
        elif thought and quirks.reasoning_replay in ("reasoning", "reasoning_details"):
            reasoning = thought  # of OpenRouter's the plain copy, where the details are lost
        elif quirks.reasoning_replay == "reasoning_content" and (thought or self._demands_thought(turn)):
            reasoning_content = thought
        return WireMessage(
            "assistant",
            content,
            refusal="".join(turn.refusals) or UNSET,
            reasoning_content=reasoning_content,
            reasoning=reasoning,
            reasoning_details=turn.details if turn.details and self._replays(turn) else UNSET,
            tool_calls=turn.calls or UNSET,
        )

    def _replays(self, turn: _Turn) -> bool:
        when = self._quirks.reasoning_replay_when
        return when == "always" or (when == "tool_turns" and bool(turn.calls))

    def _demands_thought(self, turn: _Turn) -> bool:
        required = self._quirks.reasoning_replay_required
        return required == "always" or (required == "tool_turns" and bool(turn.calls))

    def _end_with_user(self, found: list[WireMessage]) -> None:
        last = found[-1]
        if self._quirks.assistant_prefix and last.tool_calls is UNSET:
            found[-1] = WireMessage("assistant", last.content, prefix=True)
        else:
            found.append(WireMessage("user", _GO_ON))
            self.continued = True


def _part_path(path: str, field: str, index: int) -> str:
    """Where a part stands. What came from history has no place in the request."""
    return f"{path}.{field}[{index}]" if path.startswith("input[") else path
