"""Reading a request body: bounded in size, in time without progress, and in memory over all requests together."""

import asyncio
import zlib
from collections.abc import Callable

import zstandard

from antiphon.edge.asgi import Exchange, Message
from antiphon.protocol.faults import RequestFault, overloaded

__all__ = ["BodyReader", "ClientGoneError", "Inflate"]

_JSON_TYPES = ("application/json", "text/json")

#: Compressed bytes and a cap on the result; stops at the cap.
Inflate = Callable[[bytes, int], bytes]


class ClientGoneError(Exception):
    """The client left while it was still sending."""


class BodyReader:
    """Reads bodies for all requests of a process.

    Args:
        max_bytes: cap of one body, before and after decompression.
        max_total_bytes: cap of the bodies of all requests under way together; beyond it requests get 503.
        idle_s: longest wait for the next piece.
    """

    def __init__(self, *, max_bytes: int, max_total_bytes: int, idle_s: float = 30.0) -> None:
        self._max_bytes = max_bytes
        self._max_total_bytes = max_total_bytes
        self._idle_s = idle_s
        self._held_bytes = 0

    async def read_json(self, exchange: Exchange) -> bytes:
        """The JSON body, decompressed.

        Raises:
            RequestFault: 415 wrong type or encoding, 413 too large, 408 too slow.
            ServerFault: 503, too many bodies in memory.
            ClientGoneError: the client left.
        """
        _check_media_type(exchange.header(b"content-type"))
        encoding = exchange.header(b"content-encoding")
        inflate = _inflater(encoding.strip().lower()) if encoding else None
        body = exchange.shortcuts.whole_body() if exchange.shortcuts is not None else None
        if body is None:
            declared = exchange.header(b"content-length")
            if declared.isdigit() and int(declared) > self._max_bytes:
                raise self._too_large()
            body = await self._read(exchange)
        elif len(body) > self._max_bytes:
            raise self._too_large()
        if inflate is not None:
            body = self._inflated(inflate, body)
        if self._held_bytes + len(body) > self._max_total_bytes:
            raise overloaded()
        self._held_bytes += len(body)
        exchange.held_bytes += len(body)
        return body

    def release(self, exchange: Exchange) -> None:
        """The exchange is over: what was made of its body is no longer needed."""
        self._held_bytes -= exchange.held_bytes
        exchange.held_bytes = 0

    async def _read(self, exchange: Exchange) -> bytes:
        message = await self._next(exchange)
        body: bytes = message["body"]
        if not message["more_body"]:
            if len(body) > self._max_bytes:
                raise self._too_large()
            return body
        pieces = [body]
        size = len(body)
        self._held_bytes += size
        try:
            while message["more_body"]:
                message = await self._next(exchange)
                pieces.append(message["body"])
                added = len(message["body"])
                size += added
                self._held_bytes += added
                if size > self._max_bytes:
                    raise self._too_large()
                if self._held_bytes > self._max_total_bytes:
                    raise overloaded()
            return b"".join(pieces)
        finally:
            self._held_bytes -= size

    async def _next(self, exchange: Exchange) -> Message:
        try:
            async with asyncio.timeout(self._idle_s):
                message = await exchange.receive()
        except TimeoutError as error:
            raise RequestFault("The request body arrived too slowly.", status=408, code="request_timeout") from error
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        message.setdefault("body", b"")
        message.setdefault("more_body", False)
        return message

    def _inflated(self, inflate: Inflate, body: bytes) -> bytes:
        try:
            plain = inflate(body, self._max_bytes + 1)
        except (zlib.error, zstandard.ZstdError, EOFError) as error:
            raise RequestFault("The compressed request body is damaged.", code="invalid_json") from error
        if len(plain) > self._max_bytes:
            raise self._too_large()
        return plain

    def _too_large(self) -> RequestFault:
        return RequestFault(
            f"The request body is larger than {self._max_bytes} bytes.", status=413, code="request_too_large"
        )


def _check_media_type(declared: str) -> None:
    if declared == "application/json":
        return
    media_type = declared.partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES and not media_type.endswith("+json"):
        raise RequestFault(
            f"Unsupported content type '{media_type[:80]}'. Send 'application/json'.",
            status=415,
            code="unsupported_media_type",
        )


def _inflater(encoding: str) -> Inflate | None:
    """How to undo a content encoding; `None` where there is none."""
    match encoding:
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return lambda body, limit: _zlib(body, limit, wbits=31)
        case "deflate":
            return _deflate
        case "zstd":
            return _zstd
    raise RequestFault(
        f"Unsupported content encoding '{encoding[:80]}'. Supported: gzip, deflate, zstd.",
        status=415,
        code="unsupported_media_type",
    )


def _zlib(body: bytes, limit: int, *, wbits: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    plain = inflater.decompress(body, limit)
    if len(plain) < limit and not inflater.eof:
        raise EOFError
    return plain


def _deflate(body: bytes, limit: int) -> bytes:
    """`deflate` means zlib by the standard, and raw deflate by some clients."""
    try:
        return _zlib(body, limit, wbits=15)
    except zlib.error:
        return _zlib(body, limit, wbits=-15)


def _zstd(body: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).stream_reader(body) as reader:
        return reader.read(limit)
