"""Content parts of the Responses API as parts of Chat, and which media have to be fetched for that."""

import base64
import binascii
from collections.abc import Iterator, Mapping

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
)
from antiphon.providers.chat.wire import (
    AudioContent,
    AudioPart,
    FileContent,
    FilePart,
    ImagePart,
    ImageUrl,
    TextPart,
    WirePart,
)
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.shared.parts import check_content, part_text

__all__ = ["PartWriter", "media_urls"]

_FETCHED = frozenset({InputImage, InputFile})
_TEXTUAL = ("text/", "application/json", "application/xml", "application/yaml")


def media_urls(items: tuple[InputItem, ...], quirks: Quirks) -> Iterator[str]:
    """The http(s) URLs that must be fetched here, each once, in order."""
    seen: set[str] = set()
    for item in items:
        for part in _parts(item):
            if type(part) not in _FETCHED:
                continue
            url = None
            if isinstance(part, InputImage) and quirks.images and not quirks.fetches_urls:
                url = part.image_url
            elif isinstance(part, InputFile) and quirks.files:
                url = part.file_url
            if url and _scheme(url) in ("http", "https") and url not in seen:
                seen.add(url)
                yield url


def _parts(item: InputItem) -> list[Part]:
    value = item.value
    if isinstance(value, Message):
        return value.content if isinstance(value.content, list) else []
    if isinstance(value, FunctionCallOutput | CustomToolCallOutput):
        return value.output if isinstance(value.output, list) else []
    return []


class PartWriter:
    """Writes parts for one upstream.

    Args:
        media: URL -> data URL, for what `media_urls` named.
        file_ids: whether files may be named by their ids at the provider, which all tenants share.
    """

    __slots__ = ("_file_ids", "_media", "_quirks")

    def __init__(self, quirks: Quirks, media: Mapping[str, str], *, file_ids: bool = False) -> None:
        self._quirks = quirks
        self._media = media
        self._file_ids = file_ids

    def write(self, part: Part, path: str) -> WirePart:
        """The part in Chat's form.

        Raises:
            RequestFault: 400 for what the upstream cannot take, `param` points at it.
        """
        match part:
            case InputImage():
                return self._image(part, path)
            case InputFile():
                return self._file(part, path)
            case InputAudio():
                if not self._quirks.audio:
                    raise _unsupported("Audio", path)
                check_content(part.input_audio.data, f"{path}.input_audio.data")
                return AudioPart(AudioContent(part.input_audio.data, part.input_audio.format))
            case InputVideo():
                raise _unsupported("Video", path)
            case _:
                return TextPart(part_text(part) or "")

    def _image(self, part: InputImage, path: str) -> WirePart:
        if not self._quirks.images:
            raise _unsupported("Images", path)
        if part.image_url is None:
            raise _no_file_id(path) if part.file_id else _missing(path, "image_url")
        url = self._resolved(part.image_url, path=f"{path}.image_url", forward=self._quirks.fetches_urls)
        if part.detail is None:
            return ImagePart(ImageUrl(url))
        # Chat knows low, high and auto; `original` means at least high.
        return ImagePart(ImageUrl(url, "high" if part.detail == "original" else part.detail))

    def _file(self, part: InputFile, path: str) -> WirePart:
        if part.file_data is not None:
            content = part.file_data
            check_content(content, f"{path}.file_data")
        elif part.file_url is not None:
            if not self._quirks.files and _scheme(part.file_url) != "data":
                raise _unsupported("Files by URL", f"{path}.file_url")
            content = self._resolved(part.file_url, path=f"{path}.file_url", forward=False)
        elif part.file_id is not None and self._file_ids and self._quirks.files:
            return FilePart(FileContent(file_id=part.file_id))
        else:
            raise _no_file_id(path) if part.file_id else _missing(path, "file_data")
        if self._quirks.files:
            return FilePart(FileContent(part.filename or _filename(content), content))
        text = _text_of(content)
        if text is None:
            raise _unsupported("Files that are not plain text", path)
        return TextPart(f"{part.filename}:\n{text}" if part.filename else text)

    def _resolved(self, url: str, *, path: str, forward: bool) -> str:
        scheme = _scheme(url)
        if scheme == "data" or (forward and scheme in ("http", "https")):
            return url
        if scheme not in ("http", "https"):
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


def _scheme(url: str) -> str:
    return url.partition(":")[0].strip().lower()


def _filename(content: str) -> str:
    """Servers demand a name and some go by its ending."""
    return "document.pdf" if content.startswith("data:application/pdf") else "document"


def _text_of(content: str) -> str | None:
    """The text in a data URL of a textual type."""
    head, comma, payload = content.partition(",")
    kind = head[5:].lower()
    if not comma or not head.startswith("data:") or not kind.startswith(_TEXTUAL) or not kind.endswith(";base64"):
        return None
    try:
        return base64.b64decode(payload, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _unsupported(what: str, path: str) -> RequestFault:
    return RequestFault(f"{what} are not supported for this model.", code="unsupported_parameter", param=path)


def _no_file_id(path: str) -> RequestFault:
    return RequestFault(
        "Files cannot be named by id here. Send the content inline as a data URL.",
        code="unsupported_parameter",
        param=f"{path}.file_id",
    )


def _missing(path: str, field: str) -> RequestFault:
    return RequestFault(
        f"Missing required parameter: '{path}.{field}'.", code="missing_required_parameter", param=f"{path}.{field}"
    )
