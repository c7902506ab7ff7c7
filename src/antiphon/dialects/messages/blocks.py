"""The content blocks of messages, as parts of Responses items. What only Anthropic knows stays what it is."""

from typing import Literal, assert_never

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.request import NULL
from antiphon.protocol.validation import validation_fault

__all__ = [
    "Document",
    "Fields",
    "Head",
    "Image",
    "PartReader",
    "Redacted",
    "SearchResult",
    "ServerToolUse",
    "Text",
    "Thinking",
    "ToolReference",
    "ToolResult",
    "ToolUse",
    "WebSearchResults",
    "read_block",
    "read_head",
]

#: A part or an item on the wire.
Fields = dict[str, object]


class Head(Struct, frozen=True):
    """What is read of every block."""

    type: str
    cache_control: Raw = NULL


class Text(Struct, frozen=True):
    """Text. A model's own may have citations."""

    text: str
    citations: Raw = NULL


class _Base64(Struct, frozen=True, tag="base64", tag_field="type"):
    media_type: str
    data: str


class _Url(Struct, frozen=True, tag="url", tag_field="type"):
    url: str


class _File(Struct, frozen=True, tag="file", tag_field="type"):
    file_id: str


class _PlainText(Struct, frozen=True, tag="text", tag_field="type"):
    data: str
    media_type: Literal["text/plain"] = "text/plain"


class _Content(Struct, frozen=True, tag="content", tag_field="type"):
    content: str | list[Raw]


class Image(Struct, frozen=True):
    """A picture."""

    source: _Base64 | _Url | _File


class _Citations(Struct, frozen=True):
    enabled: bool | None = None


class Document(Struct, frozen=True):
    """A document: a PDF, plain text, or blocks."""

    source: _Base64 | _Url | _File | _PlainText | _Content
    title: str | None = None
    context: str | None = None
    citations: _Citations | None = None


class SearchResult(Struct, frozen=True):
    """Something that the client's own search found."""

    source: str
    title: str
    content: list[Text]
    citations: _Citations | None = None


class ToolReference(Struct, frozen=True):
    """A tool that a search for tools found."""

    tool_name: str


class Thinking(Struct, frozen=True):
    """A thought, with what was sealed about it."""

    thinking: str
    signature: str = ""


class Redacted(Struct, frozen=True):
    """A thought that only its maker can read."""

    data: str


class ToolUse(Struct, frozen=True):
    """A call of a client's tool."""

    id: str
    name: str
    input: Raw


class ToolResult(Struct, frozen=True):
    """What the tool answered."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None


class ServerToolUse(Struct, frozen=True):
    """A call of a tool that ran at the provider."""

    id: str
    name: str
    input: Raw = NULL


class WebSearchResults(Struct, frozen=True):
    """What a search of the web found."""

    tool_use_id: str
    content: Raw = NULL


_Block = (
    Text
    | Image
    | Document
    | SearchResult
    | ToolReference
    | Thinking
    | Redacted
    | ToolUse
    | ToolResult
    | ServerToolUse
    | WebSearchResults
)

_head = msgspec.json.Decoder(Head)
_kinds: dict[str, type[_Block]] = {
    "text": Text,
    "image": Image,
    "document": Document,
    "search_result": SearchResult,
    "tool_reference": ToolReference,
    "thinking": Thinking,
    "redacted_thinking": Redacted,
    "tool_use": ToolUse,
    "tool_result": ToolResult,
    "server_tool_use": ServerToolUse,
    "web_search_tool_result": WebSearchResults,
}
_decoders: dict[str, msgspec.json.Decoder[_Block]] = {name: msgspec.json.Decoder(kind) for name, kind in _kinds.items()}


def read_head(raw: Raw, path: str) -> Head:
    """A block's type. Raises `RequestFault`, 400, for what is no block."""
    try:
        return _head.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=path, expected=Head) from error


def read_block(raw: Raw, kind: str, *, path: str) -> _Block | None:
    """A block of a known type, `None` for any other. Raises `RequestFault`, 400, for one that is malformed."""
    decoder = _decoders.get(kind)
    if decoder is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=path, expected=_kinds[kind]) from error


class PartReader:
    """Turns blocks into parts, and remembers what of them only Anthropic can be told.

    Attributes:
        vendor_only: names of such fields, each once, in order.
        unknown: blocks inside of others that only Anthropic knows, with their places.
    """

    __slots__ = ("unknown", "vendor_only")

    def __init__(self) -> None:
        self.vendor_only: dict[str, None] = {}
        self.unknown: list[tuple[Raw, str]] = []

    def head(self, raw: Raw, path: str) -> Head:
        """A block's type, and a note of its cache mark."""
        found = read_head(raw, path)
        if found.cache_control != NULL:
            self.vendor_only["cache_control"] = None
        return found

    def parts(self, raw: Raw, path: str) -> list[Fields] | None:
        """The parts that stand for a block, `None` where it is none that can stand in a message of a user.

        Raises:
            RequestFault: 400, the block is malformed.
        """
        kind = self.head(raw, path).type
        match read_block(raw, kind, path=path):
            case Text(text=text):
                return [_text(text)] if text else []
            case Image(source=source):
                return [_image(source)]
            case Document() as document:
                return self._document(document, path)
            case SearchResult() as found:
                self._cite(found.citations)
                said = "\n\n".join(part.text for part in found.content)
                return [_text(f"{found.title}\n{found.source}\n\n{said}")]
            case ToolReference(tool_name=name):
                return [_text(f"The tool '{name}' is available.")]
        return None

    def content(self, content: str | list[Raw] | None, path: str) -> list[Fields]:
        """The parts of a result or a document. What only Anthropic knows is remembered.

        Raises:
            RequestFault: 400, a block in it is malformed.
        """
        if content is None or isinstance(content, str):
            return [_text(content)] if content else []
        found: list[Fields] = []
        for index, raw in enumerate(content):
            place = f"{path}[{index}]"
            parts = self.parts(raw, place)
            if parts is None:
                self.unknown.append((raw, place))
            found += parts or []
        return found

    def _document(self, document: Document, path: str) -> list[Fields]:
        self._cite(document.citations)
        title = document.title
        heading = "\n".join(text for text in (title, document.context) if text)
        match document.source:
            case _PlainText(data=data):
                return [_text(f"{heading}\n\n{data}" if heading else data)]
            case _Content(content=content):
                inner = self.content(content, f"{path}.source.content")
                return [_text(heading), *inner] if heading else inner
            case _Base64(media_type=media_type, data=data):
                part: Fields = {"filename": title or _filename(media_type), "file_data": _data_url(media_type, data)}
            case _Url(url=url):
                part = {"file_url": url}
            case _File(file_id=file_id):
                part = {"file_id": file_id}
        context = document.context
        return [*([_text(context)] if context else []), {"type": "input_file", **part}]

    def _cite(self, citations: _Citations | None) -> None:
        if citations is not None and citations.enabled:
            self.vendor_only["citations"] = None


def _text(text: str) -> Fields:
    return {"type": "input_text", "text": text}


def _image(source: _Base64 | _Url | _File) -> Fields:
    match source:
        case _Base64(media_type=media_type, data=data):
            return {"type": "input_image", "image_url": _data_url(media_type, data)}
        case _Url(url=url):
            return {"type": "input_image", "image_url": url}
        case _File(file_id=file_id):
            return {"type": "input_image", "file_id": file_id}
        case _:
            assert_never(source)


def _data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


def _filename(media_type: str) -> str:
    return "document.pdf" if media_type == "application/pdf" else "document"
