"""Payloads on their way to and from a column: compressed when that pays, and recognised by their first bytes."""

import threading

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from antiphon.protocol.faults import StoreFault

__all__ = ["INLINE_BYTES", "Packer", "Unpacker"]

#: Up to this size a payload is kept as it is, and an echo in its turn's own row.
INLINE_BYTES = 1024

_MAGIC = b"\x28\xb5\x2f\xfd"


class Packer:
    """Compresses. Belongs to one thread, because the compressor's working memory is reused."""

    def __init__(self) -> None:
        self._compressor = ZstdCompressor(level=1)

    def pack(self, payload: bytes) -> bytes:
        """What to store. A payload that happens to start like compressed data is compressed whatever its size."""
        ambiguous = payload.startswith(_MAGIC)
        if len(payload) <= INLINE_BYTES and not ambiguous:
            return payload
        packed = self._compressor.compress(payload)
        return packed if ambiguous or len(packed) < len(payload) else payload


class Unpacker(threading.local):
    """Decompresses. May be shared between threads: each gets a decompressor of its own, which is dear to make."""

    def __init__(self) -> None:
        self._decompressor = ZstdDecompressor()

    def unpack(self, stored: bytes) -> bytes:
        """The payload that `pack` was given. Raises `StoreFault` when the database has damaged it."""
        if not stored.startswith(_MAGIC):
            return stored
        try:
            return self._decompressor.decompress(stored)
        except ZstdError as error:
            raise StoreFault(f"a stored payload cannot be decompressed: {error}") from error
