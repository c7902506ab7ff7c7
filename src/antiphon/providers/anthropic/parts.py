"""Content parts of the Responses API as content blocks, and which media have to be fetched for that."""

import base64
import binascii
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    CustomToolCallOutput,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputItem,
    InputVideo,
    Message,
    Part,
    Refusal,
)
from antiphon.protocol.target import Target

__all__ = ["FILES_BETA", "Block", "Marks", "PartWriter", "base64_source", "marks_of", "media_urls", "text_block"]

#: A content block as it will be encoded.
Block = dict[str, object]

#: Files by id are still behind this.
FILES_BETA = "files-api-2025-04-14"

_PDF = "application/pdf"
_TEXTUAL = ("text/", "application/json", "application/xml", "application/yaml")


class _Breakpoint(Struct, frozen=True):
    ttl: str | None = None


class _Marked(Struct, frozen=True):
    prompt_cache_breakpoint: _Breakpoint | None = None


class _MarkedItem(Struct, frozen=True):
    content: str | list[_Marked] | None = None
    output: str | list[_Marked] | None = None
    is_error: bool = False


class Marks(Struct, frozen=True):
    """What an item says beside its typed fields.

    Attributes:
        cache: by the place of the part: its `cache_control`.
        is_error: the output of a tool says that the tool failed.
    """

    cache: Mapping[int, Block] = {}
    is_error: bool = False


_marked = msgspec.json.Decoder(_MarkedItem)
_NONE = Marks()


def marks_of(raw: bytes) -> Marks:
    """Read them, if there are any. What cannot be read is none: the typed fields were checked already."""
    if b'"prompt_cache_breakpoint"' not in raw and b'"is_error"' not in raw:
        return _NONE
    try:
        item = _marked.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return _NONE
    parts = item.content if isinstance(item.content, list) else item.output
    cache: dict[int, Block] = {}
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        mark = part.prompt_cache_breakpoint
        if mark is not None:
            cache[index] = {"type": "ephemeral"} if mark.ttl in (None, "5m") else {"type": "ephemeral", "ttl": "1h"}
    return Marks(cache, item.is_error)


def media_urls(items: tuple[InputItem, ...], target: Target) -> Iterator[str]:
    """The http(s) URLs that must be fetched here, each once, in order."""
    seen: set[str] = set()
    for item in items:
        for part in _parts(item):
            url = None
            if isinstance(part, InputImage):
                url = part.image_url
            elif isinstance(part, InputFile) and part.file_data is None:
                url = part.file_url
            if url and _is_http(url) and not _forwards(part, url, target=target) and url not in seen:
                seen.add(url)
                yield url


def base64_source(data_url: str, *, path: str) -> Block:
    """The source of an image or a document for a data URL.

    Raises:
        RequestFault: 400, it is no base64 data URL.
    """
    media_type, data = _split(data_url, path=path)
    return {"type": "base64", "media_type": media_type, "data": data}


class PartWriter:
    """Writes parts for one upstream.

    Args:
        media: URL -> data URL, for what `media_urls` named.

    Attributes:
        betas: what the blocks that were written need.
    """

    __slots__ = ("_media", "_target", "betas")

    def __init__(self, target: Target, media: Mapping[str, str]) -> None:
        self._target = target
        self._media = media
        self.betas: set[str] = set()

    def write(self, part: Part, path: str) -> Block | None:
        """The part as a block; `None` for blank text, which is refused there.

        Raises:
            RequestFault: 400 for what the upstream cannot take, `param` points at it.
        """
        match part:
            case InputImage():
                return {"type": "image", "source": self._image(part, path)}
            case InputFile():
                return self._file(part, path)
            case InputAudio():
                raise _unsupported("Audio", path)
            case InputVideo():
                raise _unsupported("Video", path)
            case Refusal():
                return text_block(part.refusal)
            case _:
                return text_block(part.text)

    def _image(self, part: InputImage, path: str) -> Block:
        if part.image_url is None:
            return self._by_id(part.file_id, path, field="image_url")
        url = self._resolved(part.image_url, part, path=f"{path}.image_url")
        if _is_http(url):
            return {"type": "url", "url": url}
        return base64_source(url, path=f"{path}.image_url")

    def _file(self, part: InputFile, path: str) -> Block | None:
        if part.file_data is not None:
            return _document(part.file_data, part.filename, path=f"{path}.file_data")
        if part.file_url is None:
            return _titled({"type": "document", "source": self._by_id(part.file_id, path, field="file_data")}, part)
        url = self._resolved(part.file_url, part, path=f"{path}.file_url")
        if _is_http(url):
            return _titled({"type": "document", "source": {"type": "url", "url": url}}, part)
        return _document(url, part.filename, path=f"{path}.file_url")

    def _by_id(self, file_id: str | None, path: str, *, field: str) -> Block:
        if not file_id:
            raise RequestFault(
                f"Missing required parameter: '{path}.{field}'.",
                code="missing_required_parameter",
                param=f"{path}.{field}",
            )
        if self._target.upstream_ids != "allow":
            raise RequestFault(
                "Files cannot be named by id here. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=f"{path}.file_id",
            )
        self.betas.add(FILES_BETA)
        return {"type": "file", "file_id": file_id}

    def _resolved(self, url: str, part: Part, *, path: str) -> str:
        if url.startswith("data:") or (_is_http(url) and _forwards(part, url, target=self._target)):
            return url
        if not _is_http(url):
            raise RequestFault(
                f"Invalid URL at '{path}': only http, https and data URLs are accepted.",
                code="invalid_value",
                param=path,
            )
        fetched = self._media.get(url)
        if fetched is None:
            raise RequestFault(
                f"The URL at '{path}' cannot be used with this model. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=path,
            )
        return fetched


def text_block(text: str) -> Block | None:
    """A block of text; `None` for blank text."""
    return {"type": "text", "text": text} if text.strip() else None


def _document(content: str, filename: str | None, *, path: str) -> Block | None:
    """PDF goes as it is, text as text; images that were sent as files are images."""
    media_type, data = _split(content, path=path) if content.startswith("data:") else (_PDF, content)
    titled: Block = {"title": filename} if filename else {}
    if media_type == _PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": data}, **titled}
    if media_type.startswith("image/"):
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    if not media_type.startswith(_TEXTUAL):
        raise _unsupported(f"Files of type '{media_type[:80]}'", path)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unsupported("Files that are not plain text", path) from error
    if not text.strip():
        return None
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **titled}


def _titled(block: Block, part: InputFile) -> Block:
    return {**block, "title": part.filename} if part.filename else block


def _split(data_url: str, *, path: str) -> tuple[str, str]:
    head, comma, data = data_url.partition(",")
    kind, *rest = head.removeprefix("data:").lower().split(";")
    if not comma or "base64" not in rest or not kind:
        raise RequestFault(
            f"Invalid data URL at '{path}': expected data:TYPE;base64,CONTENT.", code="invalid_value", param=path
        )
    return kind, data


def _forwards(part: Part, url: str, *, target: Target) -> bool:
    """Documents by URL are PDF there, which only the ending can tell."""
    if not target.fetches_urls:
        return False
    return not isinstance(part, InputFile) or url.partition("#")[0].partition("?")[0].lower().endswith(".pdf")


def _is_http(url: str) -> bool:
    return url.partition(":")[0].strip().lower() in ("http", "https")


def _parts(item: InputItem) -> list[Part]:
    match item.value:
        case Message(content=list(parts)):
            return parts
        case FunctionCallOutput(output=list(parts)) | CustomToolCallOutput(output=list(parts)):
            return parts
    return []


def _unsupported(what: str, path: str) -> RequestFault:
    return RequestFault(f"{what} are not supported for this model.", code="unsupported_parameter", param=path)
