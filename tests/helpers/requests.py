"""Requests, responses and assemblers for tests, with identity and time under control."""

from itertools import count
from typing import Any

import msgspec

from antiphon.dialects.responses import encode_event, parse_create
from antiphon.protocol.assembler import Assembler
from antiphon.protocol.blocks import SealWriter
from antiphon.protocol.echo import begin_response
from antiphon.protocol.events import Event
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.request import Request
from antiphon.protocol.response import Response

#: A version 7 UUID, as all response ids are.
RESPONSE_ID = ResponseId(bytes.fromhex("019361d47bf7700080000123456789ab"))
CREATED_AT = 1_764_000_000


def create_body(**fields: Any) -> bytes:
    """The JSON of a create request: a model and a short input, unless told otherwise."""
    return msgspec.json.encode({"model": "test-model", "input": "Hello", **fields})


def make_request(**fields: Any) -> Request:
    """The request that such a body parses to."""
    return parse_create(create_body(**fields))


def begun(**fields: Any) -> Response:
    """The response to such a request before anything happened."""
    return begin_response(make_request(**fields), RESPONSE_ID, created_at=CREATED_AT)


def make_assembler(seal: SealWriter | None = None, **fields: Any) -> Assembler:
    """An assembler for such a request; the call ids that it has to make up are `call_made_0`, `call_made_1`, …"""
    numbers = count()
    return Assembler(
        begun(**fields),
        owner=RESPONSE_ID,
        new_call_id=lambda: f"call_made_{next(numbers)}",
        seal=seal,
        seals_messages=seal is not None,
    )


def wire(stream: list[Event]) -> bytes:
    """The events as they go over HTTP."""
    return b"".join(map(encode_event, stream))
