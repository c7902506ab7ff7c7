"""The messages of a Chat Completions request, as they stand in its body. Fields that are not here are not read."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from antiphon.protocol.request import NULL

__all__ = [
    "AssistantMessage",
    "AssistantPart",
    "AudioPart",
    "CalledCustom",
    "CalledFunction",
    "ChatMessage",
    "DeveloperMessage",
    "FilePart",
    "FunctionMessage",
    "ImagePart",
    "ReasoningDetail",
    "RefusalPart",
    "SystemMessage",
    "TextPart",
    "ThinkingPart",
    "ToolCall",
    "ToolMessage",
    "UserMessage",
    "UserPart",
    "VideoPart",
]


class TextPart(Struct, frozen=True, tag="text", tag_field="type"):
    """Text."""

    text: str


class RefusalPart(Struct, frozen=True, tag="refusal", tag_field="type"):
    """An assistant's refusal."""

    refusal: str


class _Thought(Struct, frozen=True):
    text: str | None = None


class ThinkingPart(Struct, frozen=True, tag="thinking", tag_field="type"):
    """An assistant's thoughts, as Mistral has them."""

    thinking: str | list[_Thought] = ""

    def text(self) -> str:
        """All of it."""
        if isinstance(self.thinking, str):
            return self.thinking
        return "".join(thought.text or "" for thought in self.thinking)


class _ImageUrl(Struct, frozen=True):
    url: str
    detail: Literal["low", "high", "auto", "original"] | None = None


class ImagePart(Struct, frozen=True, tag="image_url", tag_field="type"):
    """An image; some clients send the bare URL."""

    image_url: str | _ImageUrl

    def where(self) -> _ImageUrl:
        """The long form."""
        return _ImageUrl(self.image_url) if isinstance(self.image_url, str) else self.image_url


class _Audio(Struct, frozen=True):
    data: str
    format: str


class AudioPart(Struct, frozen=True, tag="input_audio", tag_field="type"):
    """Recorded speech."""

    input_audio: _Audio


class _File(Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Struct, frozen=True, tag="file", tag_field="type"):
    """A document."""

    file: _File


class _VideoUrl(Struct, frozen=True):
    url: str


class VideoPart(Struct, frozen=True, tag="video_url", tag_field="type"):
    """A video, which several servers of this dialect take."""

    video_url: str | _VideoUrl

    def where(self) -> str:
        """Its URL."""
        return self.video_url if isinstance(self.video_url, str) else self.video_url.url


UserPart = TextPart | ImagePart | AudioPart | FilePart | VideoPart
AssistantPart = TextPart | RefusalPart | ThinkingPart


class CalledFunction(Struct, frozen=True):
    """Name and arguments of a call. Some clients replay arguments as JSON instead of as a string."""

    name: Annotated[str, Meta(min_length=1)]
    arguments: str | dict[str, Raw] | None = None


class CalledCustom(Struct, frozen=True):
    """Name and input of a call of a custom tool."""

    name: Annotated[str, Meta(min_length=1)]
    input: str = ""


class ToolCall(Struct, frozen=True):
    """A replayed call. Without an id it can still be answered, in order."""

    type: Literal["function", "custom"] | None = None
    id: str | None = None
    function: CalledFunction | None = None
    custom: CalledCustom | None = None


class ReasoningDetail(Struct, frozen=True):
    """An entry of OpenRouter's `reasoning_details`. Ours hold what the provider wants back in `data`."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None


class SystemMessage(Struct, frozen=True, tag="system", tag_field="role"):
    """Instructions."""

    content: str | list[TextPart] | None = None
    name: str | None = None


class DeveloperMessage(Struct, frozen=True, tag="developer", tag_field="role"):
    """Instructions, by their newer name."""

    content: str | list[TextPart] | None = None
    name: str | None = None


class UserMessage(Struct, frozen=True, tag="user", tag_field="role"):
    """What the user said."""

    content: str | list[UserPart] | None = None
    name: str | None = None


class AssistantMessage(Struct, frozen=True, tag="assistant", tag_field="role"):
    """What the model said, and called. `function_call` is the predecessor of `tool_calls`."""

    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: CalledFunction | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    audio: Raw = NULL


class ToolMessage(Struct, frozen=True, tag="tool", tag_field="role"):
    """What a tool answered. Several servers take images here."""

    content: str | list[UserPart] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class FunctionMessage(Struct, frozen=True, tag="function", tag_field="role"):
    """What a function answered: the predecessor of the role `tool`."""

    name: str
    content: str | None = None


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage
