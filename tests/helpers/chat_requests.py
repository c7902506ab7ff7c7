"""Chat Completions requests for tests."""

from typing import Any

import msgspec

from antiphon.dialects.chat import Asked, parse_chat
from antiphon.protocol.request import Request

__all__ = ["FUNCTION", "HELLO", "asked", "chat_body", "chat_request", "wires"]

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}


def chat_body(**fields: Any) -> bytes:
    """The JSON of a request: a model and a short message, unless told otherwise."""
    return msgspec.json.encode({"model": "test-model", "messages": HELLO, **fields})


def asked(**fields: Any) -> Asked:
    """What such a body asks for."""
    return parse_chat(chat_body(**fields))


def chat_request(**fields: Any) -> Request:
    """The request in it."""
    return asked(**fields).request


def wires(request: Request) -> list[Any]:
    """Its items, as JSON."""
    return [msgspec.json.decode(item.raw) for item in request.input]
