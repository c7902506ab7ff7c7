"""Messages to items: thoughts, words and calls of an assistant become an item each, and answers find their calls."""

from collections.abc import Sequence
from typing import Literal, assert_never

import msgspec

from antiphon.dialects.chat.messages import (
    AssistantMessage,
    AudioPart,
    CalledFunction,
    ChatMessage,
    DeveloperMessage,
    FilePart,
    FunctionMessage,
    ImagePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    UserPart,
    VideoPart,
)
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    AudioData,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    InputVideo,
    Item,
    Message,
    OutputText,
    Part,
    Reasoning,
    Refusal,
    SummaryText,
)
from antiphon.protocol.request import NULL

__all__ = ["Items", "read_messages"]

_encode = msgspec.json.Encoder().encode


class Items:
    """What was read so far.

    Attributes:
        items: what the messages say.
        lost: places of what no item can hold; an upstream of this dialect is told it all the same.
    """

    __slots__ = ("_kinds", "_open", "_path", "items", "lost")

    def __init__(self) -> None:
        self.items: list[InputItem] = []
        self.lost: list[str] = []
        self._kinds: dict[str, Literal["function", "custom"]] = {}
        self._open: dict[str, str] = {}  # calls that were not answered yet: id -> name
        self._path = ""

    def add(self, message: ChatMessage, index: int) -> None:
        """The next message.

        Raises:
            RequestFault: 400, it answers no call, or refers to what is not here.
        """
        self._path = f"messages[{index}]"
        if not isinstance(message, ToolMessage | FunctionMessage) and message.name:
            self.lost.append(f"{self._path}.name")
        match message:
            case SystemMessage():
                self._put(Message("system", _texts(message.content)))
            case DeveloperMessage():
                self._put(Message("developer", _texts(message.content)))
            case UserMessage():
                self._put(Message("user", _parts(message.content)))
            case AssistantMessage():
                self._assistant(message, index)
            case ToolMessage():
                self._output(message, _parts(message.content))
            case FunctionMessage():
                self._output(message, [InputText(message.content or "")])
            case _:
                assert_never(message)

    def _put(self, item: Item) -> None:
        self.items.append(InputItem(item, _wire(item), self._path))

    def _assistant(self, message: AssistantMessage, index: int) -> None:
        """In the order in which models write: thought, words, calls."""
        if message.audio != NULL:
            raise RequestFault(
                "Earlier audio cannot be referred to here. Send its transcript as text.",
                code="unsupported_parameter",
                param=f"{self._path}.audio",
            )
        thoughts = _thoughts(message)
        for thought in thoughts:
            self._put(thought)
        said = _said(message)
        if said or not (thoughts or message.tool_calls or message.function_call):
            self._put(Message("assistant", said))
        self._open = {}
        for number, call in enumerate(message.tool_calls or ()):
            self._call(call, call.id or f"call_{index}_{number}", path=f"{self._path}.tool_calls[{number}]")
        if message.function_call is not None:
            self._call(ToolCall(function=message.function_call), f"call_{index}", path=f"{self._path}.function_call")

    def _call(self, call: ToolCall, call_id: str, *, path: str) -> None:
        custom, function = call.custom, call.function
        if custom is not None and call.type != "function":
            self._put(CustomToolCall(call_id, custom.name, custom.input))
            self._kinds[call_id] = "custom"
            self._open[call_id] = custom.name
        elif function is not None and call.type != "custom":
            self._put(FunctionCall(call_id, function.name, _arguments(function)))
            self._kinds[call_id] = "function"
            self._open[call_id] = function.name
        else:
            kind = call.type or "function"
            raise RequestFault(
                f"Missing required parameter: '{path}.{kind}'.",
                code="missing_required_parameter",
                param=f"{path}.{kind}",
            )

    def _output(self, message: ToolMessage | FunctionMessage, parts: list[Part]) -> None:
        call_id = (message.tool_call_id if isinstance(message, ToolMessage) else None) or self._first_open(message)
        self._open.pop(call_id, None)
        output: str | list[Part] = parts
        if all(isinstance(part, InputText) for part in parts):
            output = "\n".join(part.text for part in parts if isinstance(part, InputText))
        if self._kinds.get(call_id) == "custom":
            self._put(CustomToolCallOutput(call_id, output))
        else:
            self._put(FunctionCallOutput(call_id, output))

    def _first_open(self, message: ToolMessage | FunctionMessage) -> str:
        """The call that an answer without an id must mean: the first open one, of its name where it has one."""
        for call_id, name in self._open.items():
            if message.name in (None, name):
                return call_id
        if isinstance(message, ToolMessage):
            raise RequestFault(
                f"Missing required parameter: '{self._path}.tool_call_id'.",
                code="missing_required_parameter",
                param=f"{self._path}.tool_call_id",
            )
        raise RequestFault(
            f"No call of the function '{message.name[:80]}' waits for this answer.",
            code="invalid_value",
            param=f"{self._path}.name",
        )


def read_messages(messages: Sequence[ChatMessage]) -> Items:
    """All messages.

    Raises:
        RequestFault: 400, as `Items.add` says.
    """
    read = Items()
    for index, message in enumerate(messages):
        read.add(message, index)
    return read


def _thoughts(message: AssistantMessage) -> list[Reasoning]:
    """One for each seal; which of them the text belongs to cannot be told any more: it goes with the first."""
    texts: list[str] = []
    sealed: list[str] = []
    for detail in message.reasoning_details or ():
        sealed += [detail.data] if detail.data else []
        texts += [text for text in (detail.text or detail.summary,) if text]
    if not texts:
        plain = message.reasoning_content or message.reasoning
        texts = [plain] if plain else []
    if not texts and isinstance(message.content, list):
        texts = [text for part in message.content if isinstance(part, ThinkingPart) and (text := part.text())]
    if not texts and not sealed:
        return []
    first = Reasoning([SummaryText(text) for text in texts], encrypted_content=sealed[0] if sealed else None)
    return [first, *(Reasoning([], encrypted_content=one) for one in sealed[1:])]


def _said(message: AssistantMessage) -> list[Part]:
    said: list[Part] = []
    if isinstance(message.content, str):
        said += [OutputText(message.content, [])] if message.content else []
    for part in message.content if isinstance(message.content, list) else ():
        if isinstance(part, TextPart):
            said.append(OutputText(part.text, []))
        elif isinstance(part, RefusalPart):
            said.append(Refusal(part.refusal))
    if message.refusal:
        said.append(Refusal(message.refusal))
    return said


def _texts(content: str | list[TextPart] | None) -> list[Part]:
    if isinstance(content, str):
        return [InputText(content)]
    return [InputText(part.text) for part in content or ()]


def _parts(content: str | list[UserPart] | None) -> list[Part]:
    if content is None or isinstance(content, str):
        return [InputText(content or "")]
    return [_part(part) for part in content]


def _part(part: UserPart) -> Part:
    match part:
        case TextPart():
            return InputText(part.text)
        case ImagePart():
            image = part.where()
            return InputImage(image.url, detail=image.detail)
        case AudioPart():
            return InputAudio(AudioData(part.input_audio.data, part.input_audio.format))
        case FilePart():
            file = part.file
            if file.file_data is not None and file.file_data[:8].lower().startswith(("http://", "https:/")):
                return InputFile(file_url=file.file_data, filename=file.filename)  # as some resellers have it
            return InputFile(file_data=file.file_data, file_id=file.file_id, filename=file.filename)
        case VideoPart():
            return InputVideo(part.where())
        case _:
            assert_never(part)


def _arguments(function: CalledFunction) -> str:
    if isinstance(function.arguments, str):
        return function.arguments
    return _encode(function.arguments).decode() if function.arguments else "{}"


def _wire(item: Item) -> bytes:
    """The item as a client of the Responses API would have sent it: what is `None` is not there."""
    return _encode(_present(msgspec.to_builtins(item)))


def _present(value: object) -> object:
    if isinstance(value, dict):
        return {key: _present(inner) for key, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
