"""Requests for a Responses endpoint that is a thin layer over chat: only what Chat has too, every item spelled out.

Functions stand in for custom tools and for those of namespaces, as at an upstream that speaks Chat.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec
from msgspec import Raw, Struct

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
)
from antiphon.protocol.request import CustomTool, FunctionTool, Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.base import InlineMedia
from antiphon.providers.custom import custom_function, wrap_custom
from antiphon.providers.hosted import drop_item, drop_tools
from antiphon.providers.names import ToolNames, wire_name
from antiphon.providers.responses.items import said, thought_text
from antiphon.providers.responses.parts import PartEditor
from antiphon.providers.shared.parts import MEDIA, part_text

__all__ = ["BareInput", "BareTools", "bare_input", "bare_tools"]

_encode = msgspec.json.Encoder().encode
_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
_BLANK_LINE = "\n\n"


class BareInput(Struct, frozen=True):
    """Items, and the text of all that instructs: many chat templates take one leading system message only."""

    input: list[object]
    instructions: str
    notices: list[Notice]


class BareTools(Struct, frozen=True):
    """Functions, and the choice among them; `None` for the default."""

    tools: list[object]
    choice: object
    notices: list[Notice]


def bare_input(request: Request, target: Target, *, media: InlineMedia, thoughts: bool) -> BareInput:
    """The whole input.

    Raises:
        RequestFault: 400 for what Chat cannot say.
    """
    writer = _Writer(PartEditor(target, media), target.provider, thoughts=thoughts)
    if request.instructions:
        writer.instructions.append(request.instructions)
    for item in request.input:
        writer.add(item)
    writer.lift()
    return BareInput(writer.input, _BLANK_LINE.join(writer.instructions), writer.notices)


def bare_tools(request: Request, *, nested: bool) -> BareTools:
    """The tools as functions. `nested`: one of them is chosen as in Chat.

    Raises:
        RequestFault: 400 for hosted tools that the answer cannot do without, and for names that collide.
    """
    notices = drop_tools(request)
    choice = request.tool_choice
    tools: list[object] = [_function(tool) for tool in ToolNames(request.tools).offered(choice)]
    if not tools or choice.mode == "auto":
        return BareTools(tools, None, notices)
    if choice.mode == "function":
        name = wire_name(choice.name or "", choice.namespace)
        chosen: dict[str, object] = {"function": {"name": name}} if nested else {"name": name}
        return BareTools(tools, {"type": "function", **chosen}, notices)
    return BareTools(tools, choice.mode, notices)


def _function(tool: FunctionTool | CustomTool) -> dict[str, object]:
    name = wire_name(tool.name, tool.namespace or None)
    if isinstance(tool, CustomTool):
        description, parameters = custom_function(tool)
        return {"type": "function", "name": name, "description": description, "parameters": parameters, "strict": False}
    parameters = tool.parameters if bytes(tool.parameters) != b"null" else _NO_PARAMETERS
    described = {} if tool.description is None else {"description": tool.description}
    return {"type": "function", "name": name, **described, "parameters": parameters, "strict": bool(tool.strict)}


class _Writer:
    """Writes items one after the other."""

    __slots__ = ("_lifted", "_parts", "_provider", "_thoughts", "input", "instructions", "notices")

    def __init__(self, parts: PartEditor, provider: str, *, thoughts: bool) -> None:
        self.input: list[object] = []
        self.instructions: list[str] = []
        self.notices: list[Notice] = []
        self._parts = parts
        self._provider = provider
        self._thoughts = thoughts
        self._lifted: list[Raw] = []  # images out of tool outputs, which hold text only

    def add(self, item: InputItem) -> None:
        """The next item."""
        value = item.value
        if not isinstance(value, FunctionCallOutput | CustomToolCallOutput):
            self.lift()
        match value:
            case Message():
                self._message(item, value)
            case Reasoning():
                own = item.provider in (None, self._provider)
                thought = thought_text(item, value) if own and self._thoughts else None
                if thought is not None:
                    self.input.append(Raw(thought))
            case FunctionCall() | CustomToolCall():
                self._call(value)
            case FunctionCallOutput() | CustomToolCallOutput():
                text = self._output_text(item, value.output)
                self.input.append({"type": "function_call_output", "call_id": value.call_id, "output": text})
            case OtherItem():
                notice = drop_item(item, value)
                if notice is not None:
                    self.notices.append(notice)
            case ItemReference():
                pass  # the engine resolved them all
            case _:
                assert_never(value)

    def lift(self) -> None:
        """Show the images of the outputs that were just written."""
        if self._lifted:
            self.input.append({"type": "message", "role": "user", "content": self._lifted})
            self._lifted = []

    def _message(self, item: InputItem, message: Message) -> None:
        if message.role == "assistant":
            raw = said(message)
            if raw is not None:
                self.input.append(Raw(raw))
        elif message.role == "user":
            parts = [self._part(part, item) for part in message.parts()]
            self.input.append({"type": "message", "role": "user", "content": parts})
        else:
            self.instructions += _texts(message.parts())

    def _call(self, call: FunctionCall | CustomToolCall) -> None:
        name = wire_name(call.name, call.namespace)
        arguments = wrap_custom(call.input) if isinstance(call, CustomToolCall) else call.arguments or "{}"
        self.input.append({"type": "function_call", "call_id": call.call_id, "name": name, "arguments": arguments})

    def _output_text(self, item: InputItem, output: str | list[Part] | None) -> str:
        if output is None or isinstance(output, str):
            return output or ""
        self._lifted += [self._part(part, item) for part in output if isinstance(part, MEDIA)]
        return _BLANK_LINE.join(_texts(output)) or "The output is shown in the next message."

    def _part(self, part: Part, item: InputItem) -> Raw:
        text = part_text(part)
        if text is not None:
            return Raw(_encode({"type": "input_text", "text": text}))
        known = {name: value for name, value in msgspec.structs.asdict(part).items() if value is not None}
        kind = str(type(part).__struct_config__.tag)
        path = item.path if item.path.startswith("input[") else "input"
        if isinstance(part, InputImage) and part.detail is None:
            known.pop("detail", None)
        return self._parts.edited(Raw(_encode({"type": kind, **known})), part, path=path, role="user")


def _texts(parts: Sequence[Part]) -> list[str]:
    return [text for part in parts if (text := part_text(part))]
