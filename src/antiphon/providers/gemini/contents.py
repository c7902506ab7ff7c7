"""Items to contents: user and model in turn, every output right behind its call, every signature at its part."""

from collections.abc import Mapping
from typing import assert_never

import msgspec
from msgspec import UNSET, Raw, structs

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
    Part,
    Reasoning,
)
from antiphon.protocol.request import Notice
from antiphon.providers.custom import wrap_custom
from antiphon.providers.gemini.models import Facts
from antiphon.providers.gemini.parts import PartWriter, part_text
from antiphon.providers.gemini.state import State, read_state
from antiphon.providers.gemini.wire import Blob, CalledFunction, Content, FunctionAnswer, MediaPart, WirePart
from antiphon.providers.hosted import drop_item
from antiphon.providers.names import wire_name

__all__ = ["Transcript"]

_Call = FunctionCall | CustomToolCall
_Output = FunctionCallOutput | CustomToolCallOutput

_BLANK_LINE = "\n\n"
_GO_ON = "Continue."
_INSTRUCTION = "<system>\n{text}\n</system>"
_NO_STATE = State()

#: Google's own word for calls of the current turn that another model made.
_UNSIGNED = "skip_thought_signature_validator"
#: What answers of functions may hold (Google's page on function calling, 2026-11).
_ANSWERABLE = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, object])


class _Turn:
    """What the model did between two inputs, and the outputs of its calls, wherever in the list they stood."""

    __slots__ = ("answers", "calls", "lifted", "parts")

    def __init__(self) -> None:
        self.parts: list[WirePart | Raw] = []
        self.calls: dict[str, str] = {}  # id -> name on the wire
        self.answers: dict[str, FunctionAnswer] = {}
        self.lifted: list[WirePart] = []  # media that the outputs cannot hold

    def add(self, part: WirePart, state: State) -> None:
        self.parts += map(_raw, state.before)
        self.parts.append(part)
        self.parts += map(_raw, state.after)


class Transcript:
    """The contents of one request.

    Attributes:
        system: the text of the system instruction, piece by piece.
        notices: what was left out or said in another way.
    """

    __slots__ = ("_by_call", "_entries", "_facts", "_parts", "_turn", "notices", "system")

    def __init__(self, facts: Facts, parts: PartWriter) -> None:
        self._facts = facts
        self._parts = parts
        self._entries: list[Content | _Turn] = []
        self._turn: _Turn | None = None
        self._by_call: dict[str, _Turn] = {}
        self.system: list[str] = []
        self.notices: list[Notice] = []

    def instruct(self, text: str) -> None:
        """Text that stands before everything else."""
        if self._facts.system:
            self.system.append(text)
        else:
            self._user([WirePart(text=_INSTRUCTION.format(text=text))])

    def add(self, item: InputItem) -> None:
        """The next item.

        Raises:
            RequestFault: 400 for what Gemini cannot be told.
        """
        value = item.value
        match value:
            case Message():
                self._message(value, item)
            case FunctionCall() | CustomToolCall():
                self._call(value, item)
            case FunctionCallOutput() | CustomToolCallOutput():
                self._output(value, item.path)
            case Reasoning():
                self._think(value, item)
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

    def contents(self) -> list[Content]:
        """All contents in order."""
        found: list[Content] = []
        current = 0  # where the current turn begins: behind the last thing that a user said
        for entry in self._entries:
            if isinstance(entry, _Turn):
                _write_turn(entry, found)
            else:
                found.append(entry)
                current = len(found)
        if found and found[0].role == "model":
            found.insert(0, Content("user", [WirePart(text=_GO_ON)]))
            current += 1
            self.notices.append(Notice("input", "emulated", "first_message_must_be_user"))
        if not found or (found[-1].role == "model" and not self._facts.model_last):
            found.append(Content("user", [WirePart(text=_GO_ON)]))
            self.notices.append(Notice("input", "emulated", "last_message_must_be_user"))
        if self._facts.signatures:
            _sign(found[current:])
        return found

    def _message(self, message: Message, item: InputItem) -> None:
        match message.role:
            case "user":
                parts = [
                    self._parts.write(part, _part_path(item.path, "content", index))
                    for index, part in enumerate(message.parts())
                ]
                self._user([part for part in parts if part.text != ""])
            case "assistant":
                self._assistant(message, item)
            case _:
                self._instruction(_BLANK_LINE.join(_texts(message, item.path)), item.path)

    def _user(self, parts: list[WirePart]) -> None:
        """Neighbours become one, but for what answers calls: that stands alone."""
        if not parts:
            return
        self._turn = None
        last = self._entries[-1] if self._entries else None
        if isinstance(last, Content):
            last.parts.extend(parts)
        else:
            self._entries.append(Content("user", list(parts)))

    def _instruction(self, text: str, path: str) -> None:
        if not text:
            return
        if not self._entries:
            self.instruct(text)
            return
        self.notices.append(Notice(path, "approximated", "late_instruction", "system", "user"))
        self._user([WirePart(text=_INSTRUCTION.format(text=text))])

    def _assistant(self, message: Message, item: InputItem) -> None:
        text = "".join(_texts(message, item.path))
        state = self._state(item)
        if not (text or state.marks or state.before or state.after):
            return
        parts = self._open_turn().parts
        parts += map(_raw, state.before)
        parts += _signed_pieces(text, state)
        parts += map(_raw, state.after)

    def _think(self, thought: Reasoning, item: InputItem) -> None:
        """A thought goes back with its signature, or not at all."""
        state = self._state(item)
        if state.signature:
            part = WirePart(text=thought.text(), thought=True, thought_signature=state.signature)
            self._open_turn().add(part, state)
        elif state.before or state.after:
            self._open_turn().parts += map(_raw, (*state.before, *state.after))

    def _open_turn(self) -> _Turn:
        if self._turn is None:
            self._turn = _Turn()
            self._entries.append(self._turn)
        return self._turn

    def _call(self, call: _Call, item: InputItem) -> None:
        state = self._state(item)
        turn = self._open_turn()
        name = wire_name(call.name, call.namespace)
        arguments = call.arguments if isinstance(call, FunctionCall) else wrap_custom(call.input)
        call_id = call.call_id if self._facts.call_ids else UNSET
        called = CalledFunction(name, _arguments(arguments), call_id)
        turn.add(WirePart(function_call=called, thought_signature=state.signature or UNSET), state)
        turn.calls[call.call_id] = name
        self._by_call[call.call_id] = turn

    def _output(self, output: _Output, path: str) -> None:
        turn = self._by_call.get(output.call_id)
        if turn is None:
            raise RequestFault(
                f"No tool call found for function call output with call_id {output.call_id[:80]}.",
                code="invalid_value",
                param=path,
            )
        media: list[MediaPart] = []
        texts: list[str] = []
        if isinstance(output.output, list):
            for index, part in enumerate(output.output):
                texts.append(self._answer_part(part, media, turn=turn, path=_part_path(path, "output", index)))
        turn.answers[output.call_id] = FunctionAnswer(
            turn.calls[output.call_id],
            {"output": output.output if isinstance(output.output, str) else "\n".join(filter(None, texts))},
            output.call_id if self._facts.call_ids else UNSET,
            media or UNSET,
        )
        if turn is self._turn:
            self._turn = None

    def _answer_part(self, part: Part, media: list[MediaPart], *, turn: _Turn, path: str) -> str:
        """The text of a part of an output; of media, what refers to them."""
        text = part_text(part)
        if text is not None:
            return text
        written = self._parts.write(part, path, inside=True)
        if isinstance(written.text, str):
            return written.text
        blob = written.inline_data
        if self._facts.media_outputs and isinstance(blob, Blob) and blob.mime_type in _ANSWERABLE:
            media.append(MediaPart(blob))
            return ""
        number = 1 + len(turn.lifted) // 2
        turn.lifted += [WirePart(text=f"Attachment {number}, output of a function:"), written]
        return f"[attachment {number}: see the user message that follows]"

    def _state(self, item: InputItem) -> State:
        """What this provider gave with an item."""
        if item.state is None:
            return _NO_STATE
        state = read_state(item.state.payload)
        if state is None:
            self.notices.append(Notice(item.path, "dropped", "unreadable_state"))
        return state or _NO_STATE


def _write_turn(turn: _Turn, found: list[Content]) -> None:
    if not turn.parts:
        return
    found.append(Content("model", turn.parts))
    answers = [turn.answers[call_id] for call_id in turn.calls if call_id in turn.answers]
    if answers:
        found.append(Content("user", [WirePart(function_response=answer) for answer in answers]))
    if turn.lifted:
        found.append(Content("user", list(turn.lifted)))


def _signed_pieces(text: str, state: State) -> list[WirePart]:
    """A message's text cut at its signatures. Marks that do not fit the text (it was edited) move to its end."""
    found: list[WirePart] = []
    place = 0
    for mark in state.marks:
        start = min(max(mark.start, place), len(text))
        end = min(max(mark.end, start), len(text))
        if start > place:
            found.append(WirePart(text=text[place:start]))
        found.append(WirePart(text=text[start:end], thought_signature=mark.signature))
        place = end
    if place < len(text):
        found.append(WirePart(text=text[place:]))
    return found


def _sign(contents: list[Content]) -> None:
    """Give the first call of each step the word for calls without a signature, where it has none."""
    for content in contents:
        for index, part in enumerate(content.parts):
            if isinstance(part, WirePart) and part.function_call is not UNSET:
                if part.thought_signature is UNSET:
                    content.parts[index] = structs.replace(part, thought_signature=_UNSIGNED)
                break


def _arguments(arguments: str) -> Raw:
    """Arguments as the object that Gemini wants. What is none survives inside one."""
    if not arguments.strip():
        return Raw(b"{}")
    try:
        _object.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Raw(_encode({"_raw": arguments}))
    return Raw(arguments.encode())


def _texts(message: Message, path: str) -> list[str]:
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


def _raw(part: Mapping[str, object]) -> Raw:
    return Raw(_encode(part))


def _part_path(path: str, field: str, index: int) -> str:
    """Where a part stands. What came from history has no place in the request."""
    return f"{path}.{field}[{index}]" if path.startswith("input[") else path
