"""What stands in `signature` and in `redacted_thinking.data`: the gateway's seal, opaque to the client.

Where a client does not want to see thoughts (`display: omitted`), their text travels inside of the signature: an
upstream that wants it back would otherwise be asked without.
"""

import base64
import binascii

import msgspec
from msgspec import Struct

__all__ = ["pack", "unpack"]

_PREFIX = "antiphon1."


class _Packed(Struct, frozen=True, omit_defaults=True, array_like=True):
    text: str
    seal: str | None = None


_packed = msgspec.json.Decoder(_Packed)


def pack(text: str, seal: str | None) -> str:
    """A signature that holds the thought itself. Without text it is just the seal."""
    if not text:
        return seal or ""
    inside = msgspec.json.encode(_Packed(text, seal))
    return _PREFIX + base64.urlsafe_b64encode(inside).decode()


def unpack(signature: str) -> tuple[str, str | None]:
    """The text in a signature, and the seal. What cannot be read is a seal of somebody else's."""
    if not signature.startswith(_PREFIX):
        return "", signature or None
    try:
        found = _packed.decode(base64.urlsafe_b64decode(signature[len(_PREFIX) :]))
    except (binascii.Error, UnicodeError, msgspec.DecodeError, ValueError):
        return "", signature
    return found.text, found.seal
