"""Content parts, as every dialect asks about them."""

import re

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputAudio, InputFile, InputImage, InputVideo, Part, Refusal

__all__ = ["MEDIA", "check_content", "part_text"]

#: The parts that are no text.
MEDIA = (InputImage, InputFile, InputAudio, InputVideo)

_URL = re.compile(r"\s*(?!data:)[A-Za-z][A-Za-z0-9+.-]{0,31}:")


def part_text(part: Part) -> str | None:
    """The text of a part that has nothing else, `None` for media."""
    if isinstance(part, MEDIA):
        return None
    return part.refusal if isinstance(part, Refusal) else part.text


def check_content(content: str, path: str) -> None:
    """Whether it is content, in base64 or as a data URL. Some servers take a URL there, and would go and get it.

    Raises:
        RequestFault: 400, it is a URL.
    """
    if _URL.match(content) is not None:
        raise RequestFault(
            f"Invalid value at '{path}': expected content in base64, or a data URL.", code="invalid_value", param=path
        )
