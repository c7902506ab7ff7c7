"""How a request leaves: its body, and one write for the whole of it where it is small.

Both are hooks that aiohttp offers: a payload, and the class of requests of a session.
"""

import asyncio

from aiohttp import ClientRequest, ClientResponse
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http import StreamWriter
from aiohttp.payload import Payload

__all__ = ["Body", "OneWriteRequest"]

#: A body up to this size is handed to the transport without waiting. aiohttp waits for none below 64 KiB either.
_SMALL_BODY_BYTES = 60 * 1024


class OneWriteRequest(ClientRequest):
    """A request that writes its head and small body at once.

    aiohttp starts a task for each body, so that an answer can be read while a long one is still being sent. A body
    that fits into the transport's buffer needs none, and a tenth of the cost of a request goes with it.
    """

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the request; called by aiohttp with a connection. The status is not waited for here."""
        body, protocol = self.body, conn.protocol
        if not isinstance(body, Body) or protocol is None or protocol.writing_paused or not self._is_plain(body):
            return await super().send(conn)
        writer = StreamWriter(protocol, self.loop)
        target = str(self.url) if self.proxy is not None and not self.is_ssl() else self.url.raw_path_qs
        await writer.write_headers(f"{self.method} {target} HTTP/1.1", self.headers)
        await body.write_with_length(writer, None)
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=TimerNoop(),
            request_info=self.request_info,
            traces=[],
            loop=self.loop,
            session=self.session,
            stream_writer=writer,
        )

    def _is_plain(self, body: "Body") -> bool:
        # Whatever else somebody may have configured as a header of their provider is aiohttp's to deal with.
        size, headers = body.length, self.headers
        return (
            0 < size <= _SMALL_BODY_BYTES
            and self.chunked is None
            and headers.get("content-length") == str(size)
            and "expect" not in headers
        )


class Body(Payload):
    """The request body, and the connection it was written to.

    aiohttp's own payload for bytes warns above 1 MiB. This one also remembers the connection, because closing a
    response politely would let a TLS peer go on generating until it answers the closing handshake.
    """

    _autoclose = True

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self._bytes = body
        self._size = self.length = len(body)
        self.protocol: BaseProtocol | None = None
        self._transport: asyncio.WriteTransport | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Part of aiohttp's interface, used by nothing here."""
        return self._bytes.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Part of aiohttp's interface, used by nothing here."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Called by aiohttp once the connection is there."""
        if isinstance(writer, StreamWriter):
            self.protocol = writer.protocol
            self._transport = writer.transport
        await writer.write(self._bytes if content_length is None else self._bytes[:content_length])

    def abort(self) -> None:
        """Drop the connection now, whatever state it is in."""
        if self._transport is not None:
            self._transport.abort()
