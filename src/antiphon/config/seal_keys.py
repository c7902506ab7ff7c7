"""The form of the keys that seal: 32 random bytes each, in base64 or hexadecimal, separated by commas or blanks."""

import base64
import binascii

__all__ = ["ACCEPTED", "KEY_BYTES", "parse_seal_keys"]

KEY_BYTES = 32

#: What would be accepted, for messages.
ACCEPTED = "keys of 32 bytes in base64 (`openssl rand -base64 32`), separated by commas, the one that seals first"


def parse_seal_keys(text: str) -> tuple[bytes, ...] | None:
    """The keys in order, `None` when one of them is not of that form, or there is none."""
    keys = [_key(word) for word in text.replace(",", " ").split()]
    found = [key for key in keys if key is not None]
    return tuple(found) if found and len(found) == len(keys) else None


def _key(word: str) -> bytes | None:
    try:
        if len(word) == 2 * KEY_BYTES:
            return bytes.fromhex(word)
        plain = word.replace("-", "+").replace("_", "/").rstrip("=")
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return key if len(key) == KEY_BYTES else None
