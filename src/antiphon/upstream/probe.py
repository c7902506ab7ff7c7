"""Asks whether somebody is there: one GET on a connection of its own, for `antiphon doctor` and never for a request.

It takes the same ways as requests do (proxy, certificate authorities), so that what it finds holds for them too.
"""

import asyncio
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from antiphon.upstream.translate import first_byte_fault

__all__ = ["Probed", "probe"]

#: What is read of an answer. The rest is nobody's business here.
_MOST_BYTES = 64 * 1024


class Probed(Struct, frozen=True):
    """An answer.

    Attributes:
        status: the HTTP status. A redirect is not followed: it counts as the answer.
        body: at most its first 64 KiB.
        date: the far end's clock, in UTC seconds, where it told.
    """

    status: int
    body: bytes
    date: float | None = None


async def probe(request: UpstreamRequest, *, timeout_s: float = 10.0) -> Probed:
    """GET `request.url` with its headers, its way there, and no body.

    Raises `NetworkFault` when there is no answer, or not the whole of it within `timeout_s`, connecting included. On
    cancel the connection is closed at once.
    """
    headers = {"accept": "application/json", **request.headers}
    try:
        async with asyncio.timeout(timeout_s), UpstreamClient(connect_s=timeout_s) as client:
            return await _get(client, msgspec.structs.replace(request, headers=headers))
    except TimeoutError as error:
        raise first_byte_fault(timeout_s, provider=request.provider) from error


async def _get(client: UpstreamClient, request: UpstreamRequest) -> Probed:
    async with await client.get(request) as answer:
        body = b""
        while len(body) < _MOST_BYTES and (piece := await answer.read()):
            body += piece
        return Probed(answer.status, body[:_MOST_BYTES], _seconds(answer.headers.get("date")))


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
