"""How long a prompt is, roughly, for models whose provider does not count beforehand.

Four bytes of text make about one token in every current vocabulary. Pictures and documents are charged by what they
show, of which their size tells little: an estimate of theirs is no more than an order of magnitude.
"""

from collections.abc import Sequence

from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    Message,
    OutputText,
    Part,
    PlainText,
    Reasoning,
    Refusal,
)
from antiphon.protocol.request import CustomTool, HostedTool, Request

__all__ = ["estimate_input"]

_BYTES_PER_TOKEN = 4
_MESSAGE_TOKENS = 4
#: What Anthropic charges for the largest picture that it does not make smaller.
_IMAGE_TOKENS = 1600
#: Bytes of base64 for each token of a document: a page of 100 KB makes some 2,500 tokens.
_FILE_BYTES_PER_TOKEN = 40


def estimate_input(request: Request) -> int:
    """The tokens of everything that the model will read."""
    size = _size(request.instructions or "")
    tokens = 0
    for tool in request.tools:
        tokens += _MESSAGE_TOKENS
        if isinstance(tool, HostedTool):
            size += len(bytes(tool.raw))
        else:
            schema = len(bytes(tool.format or b"")) if isinstance(tool, CustomTool) else len(bytes(tool.parameters))
            size += len(tool.name) + _size(tool.description or "") + schema
    for item in request.input:
        more, text = _item(item)
        tokens += more + _MESSAGE_TOKENS
        size += text
    return tokens + -(-size // _BYTES_PER_TOKEN)


def _item(item: InputItem) -> tuple[int, int]:
    """Tokens that are known as such, and bytes of text."""
    match item.value:
        case Message() as message:
            return _parts(message.parts())
        case FunctionCall(name=name, arguments=text) | CustomToolCall(name=name, input=text):
            return 0, len(name) + _size(text)
        case FunctionCallOutput(output=output) | CustomToolCallOutput(output=output):
            return (0, _size(output)) if isinstance(output, str) else _parts(output or ())
        case Reasoning() as thought:
            return 0, _size(thought.text())
    return 0, len(item.raw)


def _parts(parts: Sequence[Part]) -> tuple[int, int]:
    tokens = size = 0
    for part in parts:
        match part:
            case InputText(text=text) | PlainText(text=text) | OutputText(text=text) | Refusal(refusal=text):
                size += _size(text)
            case InputImage():
                tokens += _IMAGE_TOKENS
            case InputFile(file_data=data):
                tokens += max(_IMAGE_TOKENS, len(data or "") // _FILE_BYTES_PER_TOKEN)
    return tokens, size


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
