"""`/v1/responses`: create, retrieve, delete, list input items."""

from typing import Literal

import msgspec

from antiphon.dialects.responses import encode_response, parse_create
from antiphon.dialects.responses.params import INCLUDES
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.sse_out import JsonSink, StreamSink
from antiphon.edge.watch import Watch
from antiphon.engine.record import Arrival, Caller
from antiphon.engine.run import Run
from antiphon.engine.stored import ItemPage
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.ids import ResponseId, parse_response_id
from antiphon.protocol.replay import replay
from antiphon.protocol.response import decode_response

__all__ = ["create", "delete", "input_items", "retrieve", "run_record"]


async def create(services: Services, exchange: Exchange) -> None:
    """`POST /v1/responses`."""
    principal = exchange.known
    body = await services.bodies.read_json(exchange)
    request = parse_create(body)
    del body  # what is needed of it lives in the request
    principal.allow_model(request.model)
    sink = StreamSink(exchange, services.streams) if request.stream else JsonSink()
    run = services.engine.start(request, tenant=principal.tenant, arrival=_arrival(exchange), sink=sink)
    exchange.run = run
    if isinstance(sink, StreamSink):
        await _stream(services, exchange, run=run, sink=sink)
    else:
        await _answer(services, exchange, run=run, sink=sink)


async def _stream(services: Services, exchange: Exchange, *, run: Run, sink: StreamSink) -> None:
    async with Watch(exchange, sink):
        await services.engine.execute(run)


async def _answer(services: Services, exchange: Exchange, *, run: Run, sink: JsonSink) -> None:
    async with Watch(exchange):
        response = await services.engine.execute(run)
    if not exchange.client_gone:
        await send_bytes(exchange, 200, body=encode_response(response), headers=sink.headers)


def _arrival(exchange: Exchange) -> Arrival:
    client = exchange.scope.get("client")
    principal = exchange.known
    caller = Caller(
        request_id=exchange.request_id,
        key_id=principal.key_id,
        key_name=principal.key_name,
        user_agent=exchange.header(b"user-agent")[:256] or None,
        client_address=client[0] if client else None,
        trace_id=exchange.header(b"traceparent")[:64] or None,
    )
    return Arrival(caller, exchange.began, int((exchange.authenticated - exchange.began) * 1000))


async def retrieve(services: Services, exchange: Exchange) -> None:
    """`GET /v1/responses/{response_id}`; with `stream=true` the stored response as a stream."""
    query = exchange.query()
    _check_include(query.get("include", []) + query.get("include[]", []))
    resource = await services.engine.retrieve(exchange.known.tenant, _response_id(exchange))
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
    sink = StreamSink(exchange, services.streams)
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
    _check_include(query.get("include", []) + query.get("include[]", []))
    limit = _number(query.get("limit", ["20"])[-1], name="limit")
    if not 1 <= limit <= 100:
        raise _bad_query("limit", "an integer from 1 to 100")
    page = ItemPage(limit, _order(query.get("order", ["desc"])[-1]), query.get("after", [None])[-1])
    items = await services.engine.input_items(exchange.known.tenant, _response_id(exchange), page=page)
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


def _check_include(values: list[str]) -> None:
    for value in values:
        if value not in INCLUDES:
            raise _bad_query("include", "one of " + ", ".join(sorted(INCLUDES)))


def _bad_query(name: str, accepted: str) -> RequestFault:
    return RequestFault(f"Invalid value for '{name}': expected {accepted}.", code="invalid_value", param=name)
