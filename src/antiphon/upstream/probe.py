"""Asks whether somebody is there: one GET on a connection of its own, for `antiphon doctor` and never for a request.

It takes the same ways as requests do (proxy, certificate authorities), so that what it finds holds for them too.
"""

import asyncio
import ssl
from email.utils import parsedate_to_datetime

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from msgspec import Struct

from antiphon import __version__
from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.translate import fault_before_head, first_byte_fault, unreachable_fault

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
    try:
        async with asyncio.timeout(timeout_s):
            return await _get(request)
    except TimeoutError as error:
        raise first_byte_fault(timeout_s, provider=request.provider) from error
    except (ClientError, OSError) as error:
        raise fault_before_head(error, provider=request.provider) from error


async def _get(request: UpstreamRequest) -> Probed:
    trust = True if request.ca_file is None else await asyncio.to_thread(_trusting, request.ca_file, request.provider)
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"antiphon/{__version__}",
        **request.headers,
    }
    async with (
        ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None)) as session,
        session.get(request.url, headers=headers, allow_redirects=False, proxy=request.proxy, ssl=trust) as answer,
    ):
        body = b""
        while len(body) < _MOST_BYTES and (piece := await answer.content.read(_MOST_BYTES - len(body))):
            body += piece
        return Probed(answer.status, body, _seconds(answer.headers.get("date")))


def _trusting(ca_file: str, provider: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # an SSLError is one too
        raise unreachable_fault(error, provider=provider, phase="setup") from error
    return context


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
