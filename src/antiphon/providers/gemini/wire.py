"""What a generateContent request is made of. Field order is wire order; `UNSET` fields are not sent."""

from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "Blob",
    "CalledFunction",
    "Content",
    "Declaration",
    "FileRef",
    "FunctionAnswer",
    "MediaPart",
    "WirePart",
]


class Blob(Struct, frozen=True, rename="camel"):
    """Media inside the request: base64."""

    mime_type: str
    data: str


class FileRef(Struct, frozen=True, rename="camel"):
    """Media that Google fetches, or that was uploaded there. Only uploaded files know their type themselves."""

    file_uri: str
    mime_type: str | UnsetType = UNSET


class MediaPart(Struct, frozen=True, rename="camel"):
    """Media inside the answer of a function."""

    inline_data: Blob


class CalledFunction(Struct, frozen=True):
    """A replayed call. `args` is a JSON object, as the model wrote it."""

    name: str
    args: Raw
    id: str | UnsetType = UNSET


class FunctionAnswer(Struct, frozen=True):
    """What a function answered."""

    name: str
    response: dict[str, str]
    id: str | UnsetType = UNSET
    parts: list[MediaPart] | UnsetType = UNSET


class WirePart(Struct, frozen=True, rename="camel"):
    """A part: one of its kinds of content, and what Google wants back with it."""

    text: str | UnsetType = UNSET
    thought: bool | UnsetType = UNSET
    inline_data: Blob | UnsetType = UNSET
    file_data: FileRef | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET
    function_response: FunctionAnswer | UnsetType = UNSET
    thought_signature: str | UnsetType = UNSET


class Content(Struct, frozen=True):
    """What one side said. Parts that Google made and wants back verbatim are kept encoded."""

    role: str
    parts: list[WirePart | Raw]


class Declaration(Struct, frozen=True, rename="camel"):
    """A function on offer: its parameters as JSON Schema, or in the older models' subset of OpenAPI."""

    name: str
    description: str | UnsetType = UNSET
    parameters_json_schema: Raw | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET
