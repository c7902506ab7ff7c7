"""Envelopes: what a provider wants back verbatim, on its way through a client that may read, keep and change anything.

Authenticated encryption (AES-256-GCM), bound to a tenant and a purpose: a changed envelope, and one of another tenant,
does not open. Inside stands who made the state, because nobody else can read it. An envelope is printable, and valid
base64 as a whole: a fixed beginning that tells its version, then the id of its key, a nonce, and the rest.
"""

import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from antiphon.protocol.records import Tenant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Origin", "Sealer", "is_envelope"]

#: Version 1. Twelve characters of base64, so that what follows is aligned.
_HEAD = "antiphon/v1/"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_ENVELOPE = b"envelope"


class Origin(Struct, frozen=True, array_like=True):
    """Who made a state, and so the only one who can read it.

    Attributes:
        credential: the alias of the key, empty without one.
        protocol: the dialect in which it was said; empty for states of a time when a provider had only one.
    """

    provider: str
    model: str
    credential: str = ""
    protocol: str = ""

    def reads(self, other: "Origin") -> bool:
        """Whether it can read what that one made."""
        return (
            self.provider == other.provider
            and self.model == other.model
            and self.credential == other.credential
            and other.protocol in ("", self.protocol)
        )


class _Letter(Struct, frozen=True, array_like=True):
    """What is inside an envelope."""

    origin: Origin
    payload: bytes


_encode = msgspec.msgpack.Encoder().encode
_letter = msgspec.msgpack.Decoder(_Letter)


def is_envelope(text: str) -> bool:
    """Whether this is, or says that it is, an envelope of ours."""
    return text.startswith(_HEAD)


class Sealer:
    """Seals with the first key, opens with all: so keys are renewed without losing what was sealed before."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)
        self._ciphers: dict[bytes, AESGCM] = {}
        self._own = _key_id(self._keys[0])

    def seal(self, tenant: Tenant, origin: Origin, payload: bytes) -> str:
        """An envelope with the payload inside. Takes some microseconds for a few kilobytes."""
        sealed = self.lock(tenant, _encode(_Letter(origin, payload)), purpose=_ENVELOPE)
        return _HEAD + binascii.b2a_base64(sealed, newline=False).decode()

    def open(self, tenant: Tenant, envelope: str) -> tuple[Origin, bytes] | None:
        """What is inside; `None` for a changed one, one of another tenant, or of a key that is not known any more."""
        text = envelope[len(_HEAD) :]
        try:
            sealed = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # also what is not ASCII
            return None
        if binascii.b2a_base64(sealed, newline=False) != text.encode():
            return None  # the last character may hold bits that mean nothing: written otherwise it is a changed one
        found = self.unlock(tenant, sealed, purpose=_ENVELOPE)
        if found is None:
            return None
        letter = _letter.decode(found)
        return letter.origin, letter.payload

    def lock(self, tenant: Tenant, content: bytes, *, purpose: bytes) -> bytes:
        """Bytes for the store. `purpose` has to be the same for opening: it says where the bytes belong."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._own + nonce + self._cipher(self._own).encrypt(nonce, content, _bound(tenant, purpose))

    def unlock(self, tenant: Tenant, locked: bytes, *, purpose: bytes) -> bytes | None:
        """The content, `None` as in `open`."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

        nonce = locked[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        try:
            cipher = self._cipher(locked[:_KEY_ID_BYTES])
            return cipher.decrypt(nonce, locked[_KEY_ID_BYTES + _NONCE_BYTES :], _bound(tenant, purpose))
        except (KeyError, ValueError, InvalidTag):  # ValueError: too short to be anything
            return None

    def _cipher(self, key_id: bytes) -> "AESGCM":
        """Made when it is first needed: the library weighs 8 MB, and most gateways that never think need none of it."""
        if not self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

            self._ciphers.update((_key_id(key), AESGCM(key)) for key in self._keys)
        return self._ciphers[key_id]


def _key_id(key: bytes) -> bytes:
    """Tells keys apart, and tells nothing about them."""
    return hashlib.sha256(b"antiphon seal key\0" + key).digest()[:_KEY_ID_BYTES]


def _bound(tenant: Tenant, purpose: bytes) -> bytes:
    return b"antiphon 1\0" + purpose + b"\0" + tenant.id.encode()
