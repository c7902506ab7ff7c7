"""Decompression of an answer that was compressed although we asked for `identity`, with a cap against bombs."""

import zlib

__all__ = ["InflateError", "Inflater"]

#: Window bits: 47 reads both the gzip and the zlib wrapper, -15 reads a bare deflate stream, which some servers
#: send under the name `deflate`.
_GZIP_OR_ZLIB = 47
_BARE_DEFLATE = -15

#: No call gives more than this at once, so that a small bomb cannot take memory before it is seen.
_PIECE_BYTES = 256 * 1024


class InflateError(Exception):
    """The compressed data is broken, or grew past the cap."""


class Inflater:
    """Turns compressed pieces into plain ones: `feed` once per piece, then `more` until it gives nothing.

    At `cap_bytes` of output in all it raises `InflateError`; what was given before stays valid.
    """

    __slots__ = ("_bare_possible", "_fed", "_left", "_more", "_pending", "_zlib")

    def __init__(self, encoding: str, *, cap_bytes: int) -> None:
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._bare_possible = encoding == "deflate"
        self._left = cap_bytes
        self._pending = b""
        self._fed = False
        self._more = False

    def feed(self, piece: bytes) -> bytes:
        """Plain bytes out of one compressed piece: at most 256 KiB, the rest comes from `more`."""
        self._fed = True
        return self._inflate(self._pending + piece)

    def more(self) -> bytes:
        """Plain bytes still held back by the last piece, or nothing."""
        return self._inflate(self._pending) if self._more else b""

    def finish(self) -> None:
        """Says that no more will come. Raises when the compressed stream was cut; an empty body is not."""
        if self._fed and not self._zlib.eof:
            raise InflateError("the compressed data ends too early")

    def _inflate(self, data: bytes) -> bytes:
        try:
            plain = self._zlib.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            if not self._bare_possible:
                raise InflateError(str(error)) from error
            plain = self._start_bare(data)
        if data:
            self._bare_possible = False
        self._pending = self._zlib.unconsumed_tail
        # A full piece may leave output inside zlib even when no input is left over.
        self._more = bool(self._pending) or len(plain) == _PIECE_BYTES
        self._left -= len(plain)
        if self._left < 0:
            raise InflateError("the decompressed answer is larger than the cap")
        return plain

    def _start_bare(self, data: bytes) -> bytes:
        self._zlib = zlib.decompressobj(_BARE_DEFLATE)
        try:
            return self._zlib.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            raise InflateError(str(error)) from error
