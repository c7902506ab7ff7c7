"""The ASGI application: finds the route, checks the key, calls the handler, turns every failure into an answer.

Plain ASGI: nothing here wraps or buffers a body. Access is decided by the matched route, before a byte of the body is
read; a path without a route is answered with the routes that there are, which the API page tells anyway.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from starlette.routing import Match, Route

from antiphon.access.keys import KeyRing
from antiphon.edge.admission import ADMITTED, Admission
from antiphon.edge.asgi import Exchange, Receive, Scope, Send
from antiphon.edge.body import BodyReader, ClientGoneError
from antiphon.edge.metrics import Family
from antiphon.edge.problems import send_fault
from antiphon.edge.sse_out import StreamSettings
from antiphon.edge.telemetry import Telemetry
from antiphon.engine.engine import Engine
from antiphon.engine.ports import Clock
from antiphon.protocol.faults import Fault, RequestFault, ServerFault, forget_frames, overloaded
from antiphon.protocol.request import Dialect
from antiphon.routing.doors import ResponsesOnly
from antiphon.routing.router import ModelRouter

__all__ = ["Edge", "EdgeRoute", "Handler", "Services", "Total"]

_log = logging.getLogger(__name__)
_UNVERSIONED = ("/responses", "/models", "/chat/completions", "/messages", "/embeddings")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


#: Adds what other processes have counted. Raises `ServerFault` when it cannot be told.
Total = Callable[[Sequence[Family]], Awaitable[Sequence[Family]]]


class Services(Struct, frozen=True):
    """What handlers work with. Without `responses_only` every model can be asked through every door.

    `total` is there when other processes serve as well.
    """

    engine: Engine
    keys: KeyRing
    router: ModelRouter
    bodies: BodyReader
    streams: StreamSettings
    clock: Clock
    telemetry: Telemetry
    admission: Admission
    new_request_id: Callable[[], str]
    ready: Callable[[], Awaitable[dict[str, str]]]
    serves_docs: bool = True
    responses_only: ResponsesOnly | None = None
    total: Total | None = None


Handler = Callable[[Services, Exchange], Awaitable[None]]


class EdgeRoute(Struct, frozen=True):
    """One line of the public surface. Without `public=True` a key is required. Errors have the shape of `dialect`.

    `always`: answered whatever there is to do.
    """

    method: str
    path: str
    handler: Handler
    public: bool = False
    always: bool = False
    dialect: Dialect = "responses"


class Edge:
    """The application."""

    def __init__(self, services: Services, routes: Sequence[EdgeRoute]) -> None:
        self._services = services
        self._exact = {(route.method, route.path): route for route in routes if "{" not in route.path}
        self._patterns = [(Route(route.path, _no_endpoint, methods=[route.method]), route) for route in routes]
        self._paths = sorted(
            f"{route.method} {route.path.replace(':path', '')}" for route in routes if route.path.startswith("/v1/")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        services = self._services
        exchange = Exchange(scope, receive, send, services.clock.monotonic())
        exchange.request_id = self._request_id(exchange)
        entered = False
        try:
            route = self._find(exchange)
            exchange.route = route.path
            _speak(exchange, route.dialect)
            entered = not route.always and self._enter(scope)
            if not route.public:
                keys, credentials = services.keys, _credentials(exchange)
                exchange.known = keys.cached(*credentials) or await keys.authenticate(*credentials)
                exchange.principal = exchange.known
                exchange.authenticated = services.clock.monotonic()
            await route.handler(services, exchange)
        except Fault as fault:
            await self._answer(exchange, fault)
            forget_frames(fault)
        except ClientGoneError:
            exchange.client_gone = True
        except asyncio.CancelledError:
            if not exchange.client_gone:
                raise
        except Exception:  # noqa: BLE001 - the supervisor of a request: a bug is logged once and told to nobody
            _log.exception("request %s failed", exchange.request_id)
            await self._answer(exchange, ServerFault("The gateway failed.", code="internal_error"))
        finally:
            if entered:
                services.admission.leave()
            services.bodies.release(exchange)
            services.telemetry.request_done(exchange, services.clock.monotonic() - exchange.began)
            exchange.run, exchange.more_runs = None, ()  # a stream's knows us: such rings wait for the collector

    def _enter(self, scope: Scope) -> bool:
        """Whether the request counts here; our own server has asked, and counted, most of them before they came."""
        if ADMITTED in scope.get("extensions", ()):
            return False
        admission = self._services.admission
        if admission.is_full():
            admission.refuse()
            raise overloaded()
        admission.enter()
        return True

    def _request_id(self, exchange: Exchange) -> str:
        text = exchange.header(b"x-request-id")
        if text and _REQUEST_ID.fullmatch(text):
            return text
        return self._services.new_request_id()

    def _find(self, exchange: Exchange) -> EdgeRoute:
        scope = exchange.scope
        path = scope["path"]
        if path.startswith(_UNVERSIONED):
            path = "/v1" + path  # some clients leave the version out of their base URL
        route = self._exact.get((scope["method"], path))
        return route or self._find_pattern(exchange, path)

    def _find_pattern(self, exchange: Exchange, path: str) -> EdgeRoute:
        scope = {"type": "http", "path": path, "method": exchange.scope["method"], "root_path": ""}
        allowed = []
        for pattern, route in self._patterns:
            match, found = pattern.matches(scope)
            if match is Match.FULL:
                exchange.path_params = found["path_params"]
                return route
            if match is Match.PARTIAL:
                _speak(exchange, route.dialect)
                allowed.append(route.method)
        if allowed:
            exchange.more_headers.append((b"allow", ", ".join(allowed).encode()))
            raise RequestFault(
                f"Method {exchange.scope['method']} is not allowed here. Allowed: {', '.join(allowed)}.",
                status=405,
                code="method_not_allowed",
            )
        raise RequestFault(
            f"Unknown endpoint '{exchange.scope['method']} {exchange.scope['path'][:200]}'. This gateway serves: "
            f"{', '.join(self._paths)}.",
            status=404,
            code="unknown_endpoint",
        )

    async def _answer(self, exchange: Exchange, fault: Fault) -> None:
        if fault.detail:
            _log.warning("request %s: %s (%s)", exchange.request_id, fault.message, fault.detail)
        exchange.error = fault.code or fault.type
        if not exchange.status:
            await send_fault(exchange, fault)


def _credentials(exchange: Exchange) -> tuple[str, str]:
    """The key, and the client's address; empty where there is none."""
    scheme, _, token = exchange.header(b"authorization").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    client = exchange.scope.get("client")
    return token or exchange.header(b"x-api-key"), client[0] if client else ""


def _speak(exchange: Exchange, dialect: Dialect) -> None:
    """From here on answer in that dialect, be it with an error."""
    if dialect == "messages" and exchange.dialect != dialect:
        exchange.more_headers.append((b"request-id", exchange.request_id.encode("latin-1")))
    exchange.dialect = dialect


async def _no_endpoint() -> None:
    """Starlette's routes need an endpoint; ours only match."""
