"""What goes back to the upstream with a reasoning item: its own id and its sealed thought, byte for byte.

Providers bind the one to the other. To those that think in clear the text of the thought goes back: clients lose it
when they are only told to keep what is sealed. The payload is opaque to everybody else; it is a JSON object.
"""

import msgspec
from msgspec import Raw, Struct

__all__ = ["Thought", "read_clear", "read_thought", "write_clear", "write_thought"]


class Thought(Struct, frozen=True):
    """Both as JSON strings, exactly as the upstream wrote them."""

    id: Raw
    encrypted_content: Raw


class _Clear(Struct, frozen=True):
    text: str


_clear = msgspec.json.Decoder(_Clear)
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Thought)
_string = msgspec.json.Decoder(str)


def write_thought(fields: dict[str, Raw]) -> bytes | None:
    """The payload for a reasoning item, `None` where the upstream gave nothing that it could want back."""
    name, sealed = fields.get("id"), fields.get("encrypted_content")
    if name is None or sealed is None or bytes(sealed) in (b"null", b'""') or bytes(name)[:1] != b'"':
        return None
    return b'{"id":%b,"encrypted_content":%b}' % (bytes(name), bytes(sealed))


def read_thought(payload: bytes) -> Thought | None:
    """What `write_thought` made, `None` for anything else."""
    try:
        thought = _decoder.decode(payload)
        _string.decode(thought.id)
        _string.decode(thought.encrypted_content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return thought


def write_clear(text: str) -> bytes | None:
    """The payload for a thought whose text is wanted back; `None` without any."""
    return _encode(_Clear(text)) if text else None


def read_clear(payload: bytes) -> str:
    """What `write_clear` was given, empty for anything else."""
    try:
        return _clear.decode(payload).text
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
