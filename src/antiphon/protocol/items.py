"""Input items: what a client may put into `input`, and what history hands back to the model.

An item is decoded into a typed value for the codecs, and kept as the client's own bytes for the store, so that fields
nobody here knows survive. Output items (`protocol.response`) have the same wire form, which is why a stored answer can
be read back as input.
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.validation import validation_fault

__all__ = [
    "AudioData",
    "CustomToolCall",
    "CustomToolCallOutput",
    "FunctionCall",
    "FunctionCallOutput",
    "InputAudio",
    "InputFile",
    "InputImage",
    "InputItem",
    "InputText",
    "InputVideo",
    "Item",
    "ItemReference",
    "ItemState",
    "Message",
    "OtherItem",
    "OutputText",
    "Part",
    "PlainText",
    "Reasoning",
    "ReasoningText",
    "Refusal",
    "SummaryText",
    "decode_item",
    "validation_fault",
]


class InputText(Struct, frozen=True, tag="input_text", tag_field="type"):
    """Text from a user, a system message or a tool."""

    text: str


class PlainText(Struct, frozen=True, tag="text", tag_field="type"):
    """Chat's spelling of a text part, which some clients send here too."""

    text: str


class InputImage(Struct, frozen=True, tag="input_image", tag_field="type"):
    """An image by URL (http or data) or by the id of an uploaded file."""

    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Struct, frozen=True, tag="input_file", tag_field="type"):
    """A document: inline (data URL), by URL, or by the id of an uploaded file."""

    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class AudioData(Struct, frozen=True):
    """Base64 audio and its format (`wav`, `mp3`)."""

    data: str
    format: str


class InputAudio(Struct, frozen=True, tag="input_audio", tag_field="type"):
    """Recorded speech."""

    input_audio: AudioData


class InputVideo(Struct, frozen=True, tag="input_video", tag_field="type"):
    """A video by URL (Open Responses)."""

    video_url: str


class OutputText(Struct, frozen=True, tag="output_text", tag_field="type"):
    """Text that a model wrote, replayed."""

    text: str
    annotations: list[Raw] | None = None


class Refusal(Struct, frozen=True, tag="refusal", tag_field="type"):
    """A model's refusal, replayed."""

    refusal: str


class SummaryText(Struct, frozen=True, tag="summary_text", tag_field="type"):
    """One part of a reasoning summary."""

    text: str


class ReasoningText(Struct, frozen=True, tag="reasoning_text", tag_field="type"):
    """Raw reasoning."""

    text: str


Part = (
    InputText
    | PlainText
    | InputImage
    | InputFile
    | InputAudio
    | InputVideo
    | OutputText
    | Refusal
    | SummaryText
    | ReasoningText
)


class Message(Struct, frozen=True, tag="message", tag_field="type"):
    """A message of any role; `content: null` is accepted and means empty (real clients send it)."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part] | None = None
    id: str | None = None

    def parts(self) -> list[Part]:
        """The content as parts, whichever way it was written."""
        if isinstance(self.content, str):
            return [InputText(self.content)] if self.content else []
        return self.content or []


class FunctionCall(Struct, frozen=True, tag="function_call", tag_field="type"):
    """A call that the model made. `arguments` is a JSON string, kept as the model wrote it."""

    call_id: str
    name: str
    arguments: str = ""
    id: str | None = None
    namespace: str | None = None


class FunctionCallOutput(Struct, frozen=True, tag="function_call_output", tag_field="type"):
    """What the client's function answered."""

    call_id: str
    output: str | list[Part] | None = None
    id: str | None = None


class CustomToolCall(Struct, frozen=True, tag="custom_tool_call", tag_field="type"):
    """A call of a custom tool. `input` is free text."""

    call_id: str
    name: str
    input: str = ""
    id: str | None = None
    namespace: str | None = None


class CustomToolCallOutput(Struct, frozen=True, tag="custom_tool_call_output", tag_field="type"):
    """What the client's custom tool answered."""

    call_id: str
    output: str | list[Part] | None = None
    id: str | None = None


class Reasoning(Struct, frozen=True, tag="reasoning", tag_field="type"):
    """What the model thought before the item that follows."""

    summary: list[SummaryText] | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    id: str | None = None

    def text(self) -> str:
        """Raw reasoning where there is any, else the summary; parts joined by a blank line."""
        parts: list[ReasoningText] | list[SummaryText] = self.content or self.summary or []
        return "\n\n".join(part.text for part in parts)


class ItemReference(Struct, frozen=True, tag="item_reference", tag_field="type"):
    """An item named by its id; resolved by the engine before anything else looks at the input."""

    id: str


class OtherItem(Struct, frozen=True):
    """An item of a type that only its own vendor knows. All of it is in `InputItem.raw`."""

    type: str
    id: str | None = None


_Known = Message | FunctionCall | FunctionCallOutput | CustomToolCall | CustomToolCallOutput | Reasoning | ItemReference
Item = _Known | OtherItem


class ItemState(Struct, frozen=True):
    """What the provider wants back verbatim with an item: the payload of a `Seal` delta.

    Attributes:
        model: the provider's model that made it.
        credential: alias of the key that it was made with: other accounts cannot read it.
        protocol: the dialect in which it was said; empty where that is not known.
        upstream_id: the item's id at an upstream that speaks Responses.
    """

    payload: bytes
    model: str = ""
    credential: str = ""
    protocol: str = ""
    upstream_id: str | None = None


class InputItem(Struct, frozen=True):
    """One item on its way to the model.

    Attributes:
        raw: the item as JSON, exactly as it was sent or stored.
        path: where it stands in the request (`input[2]`), for error messages; history items are `previous_response_id`.
        provider: which provider produced it, `None` for what the client wrote. Reasoning is only replayed home.
        state: what that provider gave with it. A codec only ever sees state that its own target can read.
    """

    value: Item
    raw: bytes
    path: str
    provider: str | None = None
    state: ItemState | None = None


class _Peek(Struct, frozen=True):
    """Just enough of an item to know what it is: `type` may be missing on messages and references."""

    type: str | None = None
    role: str | None = None
    id: str | None = None


_peek = msgspec.json.Decoder(_Peek)
_types: dict[str, type[_Known]] = {str(kind.__struct_config__.tag): kind for kind in _Known.__args__}
_decoders: dict[str, msgspec.json.Decoder[_Known]] = {tag: msgspec.json.Decoder(kind) for tag, kind in _types.items()}


def decode_item(raw: bytes, *, path: str) -> Item:
    """Decode one item. What type an unknown one has is all that is checked: who it may be sent to, a codec knows.

    Raises:
        RequestFault: 400, `param` points into the item.
    """
    kind = ""
    try:
        peek = _peek.decode(raw)
        if peek.type is None and peek.role is None and peek.id is not None:
            return ItemReference(peek.id)
        kind = peek.type or "message"
        decoder = _decoders.get(kind)
        return decoder.decode(raw) if decoder is not None else OtherItem(kind, peek.id)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=path, expected=_types.get(kind)) from error
