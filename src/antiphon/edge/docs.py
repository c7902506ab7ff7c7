"""`/docs` and `/openapi.json`: the API, described for people and for tools. `server.docs: off` switches both off.

The page is one answer with everything in it, and its policy allows exactly its own script and style and calls of this
server: it works offline, and nothing that a model or a client writes into it can be run.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Protocol

import msgspec
from msgspec import Struct

from antiphon.edge.asgi import Exchange, Headers, send_bytes
from antiphon.edge.openapi import ENDPOINTS, build_document
from antiphon.protocol.faults import RequestFault

__all__ = ["openapi", "page"]

_SCRIPTS = ("dom.js", "examples.js", "conversation.js", "reference.js")


class _Switch(Protocol):
    """What is needed of the services here."""

    @property
    def serves_docs(self) -> bool: ...


class _Page(Struct, frozen=True):
    html: bytes
    policy: bytes


async def page(services: _Switch, exchange: Exchange) -> None:
    """`GET /docs`: the page."""
    _check_served(services, exchange)
    built = _build_page()
    headers: Headers = [
        (b"content-security-policy", built.policy),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", b"no-cache"),
    ]
    await send_bytes(exchange, 200, body=built.html, headers=headers, content_type=b"text/html; charset=utf-8")


async def openapi(services: _Switch, exchange: Exchange) -> None:
    """`GET /openapi.json`: the OpenAPI document."""
    _check_served(services, exchange)
    headers = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-cache")]
    await send_bytes(exchange, 200, body=_encode_document(), headers=headers)


def _check_served(services: _Switch, exchange: Exchange) -> None:
    """Answer as if there were nothing here, when there shall be nothing."""
    if services.serves_docs:
        return
    served = sorted(f"{one.method} {one.path}" for one in ENDPOINTS if one.path.startswith("/v1/"))
    raise RequestFault(
        f"Unknown endpoint '{exchange.scope['method']} {exchange.scope['path'][:200]}'. This gateway serves: "
        f"{', '.join(served)}.",
        status=404,
        code="unknown_endpoint",
    )


# Both are built when first asked for and then kept: they cannot change while the process lives.
@cache
def _encode_document() -> bytes:
    return msgspec.json.encode(build_document())


@cache
def _build_page() -> _Page:
    parts = files("antiphon.edge") / "page"
    style = (parts / "page.css").read_text(encoding="utf-8")
    script = "\n".join((parts / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    html = (parts / "page.html").read_text(encoding="utf-8")
    html = html.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return _Page(html.encode(), policy.encode())


def _digest(text: str) -> str:
    """How a policy names one inline script or style: by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
