"""The head of a request, all but the length of its body, and the origin it goes to.

Providers send the same few sets of headers to the same few URLs, so what was built once is kept.
"""

import base64
import re

from msgspec import Struct
from yarl import URL

from antiphon import __version__
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest

__all__ = ["Origin", "Route", "Routes", "basic_credentials", "plan"]

#: How many routes are remembered. There is one for each provider, credential and kind of request.
_MAX_ROUTES = 256

#: What every request says unless its headers say otherwise.
_USUAL_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", f"antiphon/{__version__}"))

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUES = re.compile("[\r\n\0]")

#: The framing is ours: another one beside it would split the request.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class Origin(Struct, frozen=True):
    """What a connection can be used again for.

    Attributes:
        secure: TLS to `host`.
        host: a name, or an address without brackets.
        proxy: as configured, credentials included.
        ca_file: with the authorities that `host` and `proxy` may show.
    """

    secure: bool
    host: str
    port: int
    proxy: str | None
    ca_file: str | None


class Route(Struct, frozen=True):
    """Where a request goes, and its head as far as `start`: without the length of the body and the empty line."""

    origin: Origin
    start: bytes


class Routes:
    """Routes that were made before. At 256 the oldest is forgotten, and made again when needed."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: dict[tuple[object, ...], Route] = {}

    def find(self, request: UpstreamRequest) -> Route:
        """The route of a POST. Raises `NetworkFault` (phase `setup`) for what cannot be sent."""
        key = (request.url, request.proxy, request.ca_file, *request.headers.items())
        route = self._routes.get(key)
        if route is None:
            route = plan(request, method="POST")
            while len(self._routes) >= _MAX_ROUTES:
                del self._routes[next(iter(self._routes))]
            self._routes[key] = route
        return route


def plan(request: UpstreamRequest, *, method: str) -> Route:
    """Make a route. Raises `NetworkFault` (phase `setup`) for a URL or a header that cannot be sent."""
    try:
        url, proxy = URL(request.url), None if request.proxy is None else URL(request.proxy)
        port = url.port
    except ValueError as error:
        raise _url_fault(request, "not a URL") from error
    for each in (url, proxy):
        if each is not None and (each.scheme not in {"http", "https"} or not each.raw_host):
            raise _url_fault(request, "neither http nor https, or no host")
    secure = url.scheme == "https"
    origin = Origin(secure, url.raw_host or "", port or 0, request.proxy, request.ca_file)
    through = proxy if not secure else None  # the way of https goes through a tunnel, which has a head of its own
    target = url.raw_path_qs if through is None else str(url.with_user(None).with_fragment(None))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in _headers(request, url, through))]
    start = "\r\n".join([*lines, ""])
    try:
        return Route(origin, start.encode())
    except UnicodeEncodeError as error:
        raise _header_fault(request, "half a character in a header") from error


def basic_credentials(url: URL) -> str | None:
    """The value of an authorization header for the user and password in `url`, if there are any."""
    if url.user is None:
        return None
    pair = f"{url.user}:{url.password or ''}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _headers(request: UpstreamRequest, url: URL, proxy: URL | None) -> list[tuple[str, str]]:
    headers = {"host": url.host_port_subcomponent or "", **dict(_USUAL_HEADERS)}
    if (credentials := basic_credentials(url)) is not None:
        headers["authorization"] = credentials
    if proxy is not None and (credentials := basic_credentials(proxy)) is not None:
        headers["proxy-authorization"] = credentials
    for name, value in request.headers.items():
        if _FORBIDDEN_IN_VALUES.search(value) or not _NAME.fullmatch(name):
            raise _header_fault(request, "not a name, or CR, LF or NUL")
        if name.lower() in _FRAMING:
            raise _header_fault(request, "the length of the body is not yours")
        headers[name.lower()] = value
    return list(headers.items())


def _url_fault(request: UpstreamRequest, detail: str) -> NetworkFault:
    message = f"The provider {request.provider} could not be reached."
    return NetworkFault(message, code="upstream_unreachable", phase="setup", detail=f"setup: {detail}")


def _header_fault(request: UpstreamRequest, detail: str) -> NetworkFault:
    return NetworkFault(
        f"The configuration of the provider {request.provider} has a header that cannot be sent.",
        code="upstream_unreachable",
        phase="setup",
        retryable=False,
        detail=detail,
    )
