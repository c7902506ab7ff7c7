"""OpenAI's Responses dialect: the client side of `POST /v1/responses`."""

from antiphon.dialects.responses.encode import encode_event, encode_response
from antiphon.dialects.responses.parse import parse_create

__all__ = ["encode_event", "encode_response", "parse_create"]
