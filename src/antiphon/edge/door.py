"""What all front doors do alike: read, parse, run, and answer in the dialect that was spoken to them."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from antiphon.dialects.base import AnswerEncoder, StreamEncoder
from antiphon.dialects.web_suffix import WebWish, read_web_wish
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.sse_out import JsonSink, StreamSink
from antiphon.edge.watch import Watch
from antiphon.edge.web_headers import WebHeaders
from antiphon.engine.course import Asked
from antiphon.engine.record import Arrival, Caller
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Request

__all__ = [
    "Door",
    "allow_models",
    "answer_whole",
    "answer_with_stream",
    "arrival",
    "check_endpoint",
    "read_request",
    "serve",
    "web_wish",
]

_OWN_NAMES: Mapping[str, str] = MappingProxyType({})

_TAGS, _REGIONS = b"x-antiphon-tags", b"x-antiphon-region"
_NO_WORDS: frozenset[str] = frozenset()
_MOST_WORDS = 32
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Door(Protocol):
    """One dialect's way in and out. Holds nothing; makes an encoder for each answer."""

    def parse(self, body: bytes) -> Request:
        """The request in a body. Raises `RequestFault`."""

    def stream(self) -> StreamEncoder:
        """For an answer in events."""

    def answer(self) -> AnswerEncoder:
        """For an answer in one piece."""


async def serve(services: Services, exchange: Exchange, *, door: Door) -> None:
    """Make one response. Cancels the run when the client leaves.

    Raises:
        Fault: what went wrong before the client had a status.
    """
    request = await read_request(services, exchange, door=door)
    if request.stream:
        await answer_with_stream(services, exchange, request=request, encoder=door.stream())
    else:
        await answer_whole(services, exchange, request=request, encoder=door.answer())


async def read_request(services: Services, exchange: Exchange, *, door: Door) -> Request:
    """What is asked, for a model that this key may use."""
    body = await services.bodies.read_json(exchange)
    request = door.parse(body)
    wish = web_wish(services, request, body)
    if wish is not None:
        request = wish.onto(door.parse(wish.body))
    allow_models(exchange, request)
    return request


def web_wish(services: Services, request: Request, body: bytes) -> WebWish | None:
    """What the name's suffix, and the fields that belong to it, want of the web; `None` for nearly all requests."""
    return read_web_wish(request, body, is_model=services.router.is_listed)


def allow_models(exchange: Exchange, asked: Asked) -> None:
    """Whether this key may use all models that the request names.

    Raises:
        AccessFault: 403 `model_access_denied`.
    """
    exchange.known.allow_model(asked.model)
    for name in asked.fallbacks:
        exchange.known.allow_model(name, param="fallback_models")


async def answer_with_stream(
    services: Services,
    exchange: Exchange,
    *,
    request: Request,
    encoder: StreamEncoder,
    names: Mapping[str, str] = _OWN_NAMES,
) -> None:
    """Run, and send what comes as it comes. `names`: what the client calls its fields."""
    if exchange.dialect != "responses":
        check_endpoint(services, request)
    sink = StreamSink(exchange, services.streams, encoder=encoder, names=names, web=_web_headers(request))
    run = services.engine.start(request, tenant=exchange.known.tenant, arrival=arrival(exchange), sink=sink)
    exchange.run = run
    async with Watch(exchange, sink):
        await services.engine.execute(run)


async def answer_whole(
    services: Services,
    exchange: Exchange,
    *,
    request: Request,
    encoder: AnswerEncoder,
    names: Mapping[str, str] = _OWN_NAMES,
) -> None:
    """Run, and send the answer in one piece. `names`: what the client calls its fields."""
    if exchange.dialect != "responses":
        check_endpoint(services, request)
    sink = JsonSink(encoder, names, _web_headers(request))
    run = services.engine.start(request, tenant=exchange.known.tenant, arrival=arrival(exchange), sink=sink)
    exchange.run = run
    async with Watch(exchange):
        response = await services.engine.execute(run)
    if not exchange.client_gone:
        await send_bytes(exchange, 200, body=encoder.encode(response), headers=sink.headers)


def _web_headers(request: Request) -> WebHeaders | None:
    return WebHeaders() if request.tools and request.searches_web else None


def check_endpoint(services: Services, request: Request) -> None:
    """Whether this model may be asked through another door than `/v1/responses`.

    A name with several places is served while one of them is; the router passes the others over.

    Raises:
        RequestFault: 404 for an unknown model; 400 `unsupported_endpoint`, naming the right one.
    """
    rule = services.responses_only
    if rule is None:
        return
    for name in (request.model, *request.fallbacks):
        if all(rule.applies(target.model) for target in services.router.targets(name)):
            raise RequestFault(
                f"The model `{name[:100]}` is only served by POST /v1/responses. Send the request there.",
                code="unsupported_endpoint",
                param="model" if name == request.model else "fallback_models",
            )


def arrival(exchange: Exchange) -> Arrival:
    """Who came when, through which door, and what its headers say of where it may be served.

    Raises:
        RequestFault: 400 for a header that is not understood. A region that was left out would be a promise broken.
    """
    client = exchange.scope.get("client")
    principal = exchange.known
    caller = Caller(  # by position, in the order of its fields; one is made for each request
        exchange.request_id,
        principal.key_id,
        principal.key_name,
        exchange.dialect,
        exchange.header(b"user-agent")[:256] or None,
        client[0] if client else None,
        exchange.header(b"traceparent")[:64] or None,
    )
    return Arrival(
        caller,
        exchange.began,
        int((exchange.authenticated - exchange.began) * 1000),
        tags=_words(exchange, _TAGS),
        regions=_words(exchange, _REGIONS, lower=True),
    )


def _words(exchange: Exchange, name: bytes, *, lower: bool = False) -> frozenset[str]:
    """The words of a header that lists some."""
    text = exchange.header(name)
    if not text:
        return _NO_WORDS
    words = [word.strip() for word in text.split(",")]
    if len(words) > _MOST_WORDS or not all(map(_WORD.fullmatch, words)):
        shown = name.decode()
        raise RequestFault(
            f"The header '{shown}' takes up to {_MOST_WORDS} words with commas between, each of up to 64 letters, "
            "digits, '_', '-' and '.'.",
            code="invalid_value",
            param=shown,
        )
    return frozenset(word.lower() if lower else word for word in words)
