"""OpenAI's Responses dialect: the client side of `POST /v1/responses`."""

from antiphon.dialects.responses.encode import ResponsesAnswer, ResponsesStream, encode_event, encode_response
from antiphon.dialects.responses.parse import parse_create

__all__ = ["ResponsesAnswer", "ResponsesStream", "encode_event", "encode_response", "parse_create"]
