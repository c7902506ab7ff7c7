"""What a Chat Completions request is made of. Field order is wire order; `UNSET` fields are not sent."""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "AudioContent",
    "AudioPart",
    "Call",
    "CalledCustom",
    "CalledFunction",
    "Custom",
    "FileContent",
    "FilePart",
    "Function",
    "ImagePart",
    "ImageUrl",
    "TextPart",
    "ThinkingPart",
    "Tool",
    "WireMessage",
    "WirePart",
]


class TextPart(Struct, frozen=True, tag="text", tag_field="type"):
    """Text."""

    text: str


class ImageUrl(Struct, frozen=True):
    """Where an image is: a data URL, or a public URL."""

    url: str
    detail: str | UnsetType = UNSET


class ImagePart(Struct, frozen=True, tag="image_url", tag_field="type"):
    """An image."""

    image_url: ImageUrl


class FileContent(Struct, frozen=True):
    """A document as a data URL, or by its id at the provider."""

    filename: str | UnsetType = UNSET
    file_data: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET


class FilePart(Struct, frozen=True, tag="file", tag_field="type"):
    """A document."""

    file: FileContent


class AudioContent(Struct, frozen=True):
    """Base64 and its format."""

    data: str
    format: str


class AudioPart(Struct, frozen=True, tag="input_audio", tag_field="type"):
    """Speech."""

    input_audio: AudioContent


class ThinkingPart(Struct, frozen=True, tag="thinking", tag_field="type"):
    """Mistral's replayed thoughts."""

    thinking: list[TextPart]


WirePart = TextPart | ImagePart | FilePart | AudioPart | ThinkingPart


class CalledFunction(Struct, frozen=True):
    """Name and arguments of a replayed call."""

    name: str
    arguments: str


class CalledCustom(Struct, frozen=True):
    """Name and input of a replayed call of a custom tool."""

    name: str
    input: str


class Call(Struct, frozen=True):
    """A replayed call: of a function, or with `type` custom of a custom tool. `extra_content` is Google's."""

    id: str
    function: CalledFunction | UnsetType = UNSET
    type: Literal["function", "custom"] = "function"
    custom: CalledCustom | UnsetType = UNSET
    extra_content: Raw | UnsetType = UNSET


class WireMessage(Struct, frozen=True):
    """A message of any role."""

    role: str
    content: str | list[WirePart] | UnsetType | None = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_details: list[Raw] | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    prefix: bool | UnsetType = UNSET


class Function(Struct, frozen=True):
    """A function on offer. `parameters` is the client's own JSON."""

    name: str
    description: str | UnsetType = UNSET
    parameters: Raw = Raw(b'{"type":"object","properties":{}}')
    strict: bool | UnsetType = UNSET


class Custom(Struct, frozen=True):
    """A custom tool on offer. `format` is nested deeper here than in Responses."""

    name: str
    description: str | UnsetType = UNSET
    format: Raw | UnsetType = UNSET


class Tool(Struct, frozen=True):
    """The nested form of Chat. One of the two is there, as `type` says."""

    function: Function | UnsetType = UNSET
    type: Literal["function", "custom"] = "function"
    custom: Custom | UnsetType = UNSET
