"""`/v1/responses`: create, retrieve, delete, list input items."""

from collections.abc import Awaitable, Mapping
from typing import Literal

import msgspec

from antiphon.dialects.responses import ResponsesAnswer, ResponsesStream, parse_create
from antiphon.dialects.responses.params import INCLUDES
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.door import arrival, read_request, serve
from antiphon.edge.sse_out import StreamSink
from antiphon.edge.watch import Watch
from antiphon.engine.stored import ItemPage
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.ids import ResponseId, parse_response_id
from antiphon.protocol.reading import decode_response
from antiphon.protocol.replay import replay
from antiphon.protocol.request import Request

__all__ = ["create", "delete", "explain", "input_items", "retrieve", "run_record"]


class _ResponsesDoor:
    """Implements `edge.door.Door`."""

    def parse(self, body: bytes) -> Request:
        return parse_create(body)

    def stream(self) -> ResponsesStream:
        return ResponsesStream()

    def answer(self) -> ResponsesAnswer:
        return ResponsesAnswer()


_DOOR = _ResponsesDoor()


def create(services: Services, exchange: Exchange) -> Awaitable[None]:
    """`POST /v1/responses`."""
    return serve(services, exchange, door=_DOOR)


async def explain(services: Services, exchange: Exchange) -> None:
    """`POST /v1/antiphon/explain`: what would be done with the body of a create request."""
    request = await read_request(services, exchange, door=_DOOR)
    explanation = await services.engine.explain(request, tenant=exchange.known.tenant, arrival=arrival(exchange))
    await send_bytes(exchange, 200, body=msgspec.json.encode(explanation))


async def retrieve(services: Services, exchange: Exchange) -> None:
    """`GET /v1/responses/{response_id}`; with `stream=true` the stored response as a stream."""
    query = exchange.query()
    include = _include(query)
    resource = await services.engine.retrieve(exchange.known.tenant, _response_id(exchange), include=include)
    if resource is None:
        raise _not_found(exchange)
    if query.get("stream", ["false"])[-1] != "true":
        await send_bytes(exchange, 200, body=resource)
        return
    after = _number(query.get("starting_after", ["-1"])[-1], name="starting_after")
    response = decode_response(resource)
    if response.status in ("queued", "in_progress"):
        raise RequestFault(
            "Streaming a response that is still in progress is not supported. Retrieve it without 'stream'.",
            code="unsupported_parameter",
            param="stream",
        )
    wanted = [event for event in replay(response) if event.sequence_number > after]
    sink = StreamSink(exchange, services.streams, encoder=ResponsesStream())
    async with Watch(exchange, sink):
        for event in wanted[:-1]:
            await sink.write([event])
        await sink.end(wanted[-1:])


async def delete(services: Services, exchange: Exchange) -> None:
    """`DELETE /v1/responses/{response_id}`."""
    if not await services.engine.delete(exchange.known.tenant, _response_id(exchange)):
        raise _not_found(exchange)
    answer = {"id": exchange.path_params["response_id"], "object": "response", "deleted": True}
    await send_bytes(exchange, 200, body=msgspec.json.encode(answer))


async def input_items(services: Services, exchange: Exchange) -> None:
    """`GET /v1/responses/{response_id}/input_items`."""
    query = exchange.query()
    include = _include(query)
    limit = _number(query.get("limit", ["20"])[-1], name="limit")
    if not 1 <= limit <= 100:
        raise _bad_query("limit", "an integer from 1 to 100")
    page = ItemPage(limit, _order(query.get("order", ["desc"])[-1]), query.get("after", [None])[-1])
    items = await services.engine.input_items(exchange.known.tenant, _response_id(exchange), page=page, include=include)
    if items is None:
        raise _not_found(exchange)
    await send_bytes(exchange, 200, body=items)


async def run_record(services: Services, exchange: Exchange) -> None:
    """`GET /v1/antiphon/runs/{response_id}`: the run record."""
    record = await services.engine.record(exchange.known.tenant, _response_id(exchange))
    if record is None:
        raise _not_found(exchange)
    await send_bytes(exchange, 200, body=record)


def _response_id(exchange: Exchange) -> ResponseId:
    response_id = parse_response_id(exchange.path_params["response_id"])
    if response_id is None:
        raise _not_found(exchange)
    return response_id


def _not_found(exchange: Exchange) -> RequestFault:
    """One answer for malformed, unknown, deleted, expired and foreign ids."""
    name = exchange.path_params["response_id"][:80]
    return RequestFault(f"Response with id '{name}' not found.", status=404, code="response_not_found")


def _number(text: str, *, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _bad_query(name, "an integer") from error


def _order(text: str) -> Literal["asc", "desc"]:
    match text:
        case "asc" | "desc":
            return text
    raise _bad_query("order", "'asc' or 'desc'")


def _include(query: Mapping[str, list[str]]) -> frozenset[str]:
    values = query.get("include", []) + query.get("include[]", [])
    for value in values:
        if value not in INCLUDES:
            raise _bad_query("include", "one of " + ", ".join(sorted(INCLUDES)))
    return frozenset(values)


def _bad_query(name: str, accepted: str) -> RequestFault:
    return RequestFault(f"Invalid value for '{name}': expected {accepted}.", code="invalid_value", param=name)
