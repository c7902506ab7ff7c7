"""Content parts of the Responses API as parts of Gemini, and which media have to be fetched for that."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes, urlsplit

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
from antiphon.protocol.request import Notice
from antiphon.providers.gemini.wire import Blob, FileRef, WirePart

__all__ = ["MEDIA", "Fetching", "PartWriter", "media_urls", "part_text"]

#: The parts that are no text.
MEDIA = (InputImage, InputFile, InputAudio, InputVideo)

#: Gemini wants to be told what a file is; a URL says so by its ending at best.
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "application/xml",
}
_TEXTUAL = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_YOUTUBE = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})


def part_text(part: Part) -> str | None:
    """The text of a part that has nothing else, `None` for media."""
    if isinstance(part, MEDIA):
        return None
    return part.refusal if isinstance(part, Refusal) else part.text


class Fetching(Struct, frozen=True):
    """What the upstream may be left to fetch itself.

    Attributes:
        web: public URLs.
        youtube: videos at YouTube, which only Google can fetch, and which are no way into anybody's network.
    """

    web: bool = False
    youtube: bool = False

    def file_ref(self, url: str) -> FileRef | None:
        """The URL as Google takes it. `None`: it must be fetched here."""
        try:
            address = urlsplit(url)
        except ValueError:
            return None
        if (address.hostname or "") in _YOUTUBE:
            return FileRef(url) if self.youtube else None
        kind = _type_of(address.path) if self.web else None
        return FileRef(url, kind) if kind else None


def media_urls(items: tuple[InputItem, ...], fetching: Fetching) -> Iterator[str]:
    """The http(s) URLs that must be fetched here, each once, in order.

    Outputs of functions only hold media inside the request: of these that is all.
    """
    seen: set[str] = set()
    for item in items:
        value = item.value
        answers = isinstance(value, FunctionCallOutput | CustomToolCallOutput)
        for part in _parts(item):
            url = _url(part)
            if url and url not in seen and _scheme(url) in ("http", "https"):
                if not answers and fetching.file_ref(url) is not None:
                    continue
                seen.add(url)
                yield url


def _parts(item: InputItem) -> list[Part]:
    match item.value:
        case Message(content=list(parts)):
            return parts
        case FunctionCallOutput(output=list(parts)) | CustomToolCallOutput(output=list(parts)):
            return parts
    return []


def _url(part: Part) -> str | None:
    match part:
        case InputImage():
            return part.image_url
        case InputFile(file_data=None):
            return part.file_url
        case InputVideo():
            return part.video_url
    return None


class PartWriter:
    """Writes parts for one upstream.

    Args:
        media: URL -> data URL, for what `media_urls` named.
        fetching: the same as was said to it.
        uploads: where files at the operator's own account are (`…/v1beta`); empty where they must not be named.

    Attributes:
        notices: what could not be said about a part.
    """

    __slots__ = ("_fetching", "_media", "_uploads", "notices")

    def __init__(self, media: Mapping[str, str], fetching: Fetching, *, uploads: str = "") -> None:
        self._media = media
        self._fetching = fetching
        self._uploads = uploads
        self.notices: list[Notice] = []

    def write(self, part: Part, path: str, *, inside: bool = False) -> WirePart:
        """The part in Gemini's form.

        Args:
            part: what the client sent.
            path: where it stands in the request.
            inside: no URLs: the upstream must find everything in the request.

        Raises:
            RequestFault: 400 for what cannot be sent, `param` points at it.
        """
        match part:
            case InputImage():
                if part.detail not in (None, "auto"):
                    self.notices.append(Notice(f"{path}.detail", "dropped", "not_supported_by_upstream"))
                if part.image_url is None:
                    return self._uploaded(part.file_id, path, needed="image_url")
                return self._at(part.image_url, f"{path}.image_url", inside=inside)
            case InputFile():
                return self._file(part, path, inside=inside)
            case InputAudio():
                return WirePart(inline_data=Blob(f"audio/{part.input_audio.format}", part.input_audio.data))
            case InputVideo():
                return self._at(part.video_url, f"{path}.video_url", inside=inside)
            case _:
                return WirePart(text=part_text(part) or "")

    def _file(self, part: InputFile, path: str, *, inside: bool) -> WirePart:
        if part.file_data is not None:
            blob = _named_blob(part, f"{path}.file_data")
        elif part.file_url is not None:
            found = self._at(part.file_url, f"{path}.file_url", inside=inside)
            if not isinstance(found.inline_data, Blob):
                return found
            blob = found.inline_data
        else:
            return self._uploaded(part.file_id, path, needed="file_data")
        text = _text_of(blob)
        if text is None:
            return WirePart(inline_data=blob)
        return WirePart(text=f"{part.filename}:\n{text}" if part.filename else text)

    def _at(self, url: str, path: str, *, inside: bool) -> WirePart:
        scheme = _scheme(url)
        if scheme == "data":
            return WirePart(inline_data=_blob(url, path))
        if scheme not in ("http", "https"):
            raise _invalid(f"Invalid URL at '{path}': only http, https and data URLs are accepted.", path)
        file_ref = None if inside else self._fetching.file_ref(url)
        if file_ref is not None:
            return WirePart(file_data=file_ref)
        fetched = self._media.get(url)
        if fetched is None:
            raise RequestFault(
                f"The URL at '{path}' cannot be used with this model. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=path,
            )
        return WirePart(inline_data=_blob(fetched, path))

    def _uploaded(self, file_id: str | None, path: str, *, needed: str) -> WirePart:
        if not file_id:
            raise RequestFault(
                f"Missing required parameter: '{path}.{needed}'.",
                code="missing_required_parameter",
                param=f"{path}.{needed}",
            )
        if not self._uploads:
            raise RequestFault(
                "Files cannot be named by id here. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=f"{path}.file_id",
            )
        return WirePart(file_data=FileRef(f"{self._uploads}/{file_id}" if file_id.startswith("files/") else file_id))


def _scheme(url: str) -> str:
    return url.partition(":")[0].strip().lower()


def _type_of(name: str) -> str | None:
    return _TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None


def _blob(url: str, path: str) -> Blob:
    """The content of a data URL."""
    head, comma, payload = url.partition(",")
    kind, *parameters = head.partition(":")[2].split(";")
    if not comma:
        raise _invalid(f"Invalid data URL at '{path}'.", path)
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        payload = base64.b64encode(unquote_to_bytes(payload)).decode()
    return Blob(kind.strip().lower() or "text/plain", payload)


def _named_blob(part: InputFile, path: str) -> Blob:
    """`file_data`: a data URL, or bare base64 of a file whose name tells what it is."""
    content = part.file_data or ""
    if _scheme(content[:16]) == "data":
        return _blob(content, path)
    kind = _type_of(part.filename or "")
    if kind is None:
        raise _invalid(f"Invalid value at '{path}': a data URL is needed, so that the type of the file is known.", path)
    return Blob(kind, content)


def _text_of(blob: Blob) -> str | None:
    """The text in a file of a textual type: Gemini takes few of these types as files."""
    if not blob.mime_type.startswith(_TEXTUAL):
        return None
    try:
        return base64.b64decode(blob.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _invalid(message: str, path: str) -> RequestFault:
    return RequestFault(message, code="invalid_value", param=path)
