"""Content parts, as every dialect asks about them."""

from antiphon.protocol.items import InputAudio, InputFile, InputImage, InputVideo, Part, Refusal

__all__ = ["MEDIA", "part_text"]

#: The parts that are no text.
MEDIA = (InputImage, InputFile, InputAudio, InputVideo)


def part_text(part: Part) -> str | None:
    """The text of a part that has nothing else, `None` for media."""
    if isinstance(part, MEDIA):
        return None
    return part.refusal if isinstance(part, Refusal) else part.text
