"""Content parts on their way to the upstream: what it must not fetch is put in, what is not ours to name is refused."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

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
    PlainText,
)
from antiphon.protocol.reading import read_fields
from antiphon.protocol.target import Target
from antiphon.providers.base import InlineMedia
from antiphon.providers.shared.parts import check_content

__all__ = ["PartEditor", "media_urls", "parts_of"]


_encode = msgspec.json.Encoder().encode


def parts_of(item: InputItem) -> tuple[str, Sequence[Part]]:
    """The field that holds the item's parts, and the parts; none where it holds a plain text."""
    match item.value:
        case Message(content=list(parts)):
            return "content", parts
        case FunctionCallOutput(output=list(parts)) | CustomToolCallOutput(output=list(parts)):
            return "output", parts
        case _:
            return "", ()


def media_urls(items: Sequence[InputItem]) -> Iterator[str]:
    """The http(s) URLs in the items, each once, in order."""
    seen: set[str] = set()
    for item in items:
        for part in parts_of(item)[1]:
            for _, url in _urls(part):
                if url.partition(":")[0].strip().lower() in ("http", "https") and url not in seen:
                    seen.add(url)
                    yield url


class PartEditor:
    """Edits the parts of one request.

    Args:
        media: URL -> data URL, for what `media_urls` named.
    """

    __slots__ = ("_media", "_target")

    def __init__(self, target: Target, media: InlineMedia) -> None:
        self._target = target
        self._media = media

    def edited(self, raw: Raw, part: Part, *, path: str, role: str) -> Raw:
        """The part as it goes upstream: unread where nothing in it needs a change.

        Raises:
            RequestFault: 400 for files at the upstream's account, and for URLs that cannot be used.
        """
        if isinstance(part, PlainText):  # Chat's spelling, which clients use here too
            kind = b'"output_text"' if role == "assistant" else b'"input_text"'
            return Raw(_encode({**read_fields(raw), "type": Raw(kind)}))
        if isinstance(part, InputAudio):
            check_content(part.input_audio.data, f"{path}.input_audio.data")
        if not isinstance(part, InputImage | InputFile | InputVideo):
            return raw
        if isinstance(part, InputFile) and part.file_data is not None:
            check_content(part.file_data, f"{path}.file_data")
        if getattr(part, "file_id", None) is not None and self._target.upstream_ids != "allow":
            raise RequestFault(
                "Files cannot be named by id here. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=f"{path}.file_id",
            )
        changes: dict[str, object] = {}
        for field, url in _urls(part):
            inline = self._inline(url, path=f"{path}.{field}")
            if inline is not None:
                changes[field] = inline
        if "file_url" in changes:
            changes["file_data"] = changes.pop("file_url")
            changes.setdefault("filename", getattr(part, "filename", None) or "document")
        if not changes:
            return raw
        kept = {name: value for name, value in read_fields(raw).items() if name != "file_url"}
        return Raw(_encode({**kept, **changes}))

    def _inline(self, url: str, *, path: str) -> str | None:
        """What stands in for the URL; `None` where it goes upstream as it is."""
        scheme = url.partition(":")[0].strip().lower()
        if scheme == "data":
            return None
        if scheme not in ("http", "https"):
            raise RequestFault(
                f"Invalid URL at '{path}': only http, https and data URLs are accepted.",
                code="invalid_value",
                param=path,
            )
        if self._target.fetches_urls:
            return None
        fetched = self._media.get(url)
        if fetched is None:
            raise RequestFault(
                f"The URL at '{path}' cannot be used with this model. Send the content inline as a data URL.",
                code="unsupported_parameter",
                param=path,
            )
        return fetched


def _urls(part: Part) -> Iterator[tuple[str, str]]:
    """The part's URLs and the fields that hold them."""
    match part:
        case InputImage(image_url=str(url)):
            yield "image_url", url
        case InputFile(file_url=str(url)):
            yield "file_url", url
        case InputVideo(video_url=url):
            yield "video_url", url
