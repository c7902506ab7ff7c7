"""Decoders for upstreams that speak Responses, and what they say."""

import msgspec

from antiphon.dialects.responses import parse_create
from antiphon.protocol.deltas import Delta
from antiphon.protocol.target import Target
from antiphon.providers.base import Decoder
from antiphon.providers.responses.codec import ResponsesCodec
from tests.providers.corpus import replay
from tests.providers.corpus import target_for as any_target

__all__ = ["CODEC", "SSE", "decoder", "read", "target_for"]

CODEC = ResponsesCodec()
SSE = "text/event-stream; charset=utf-8"


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks Responses."""
    return any_target(model, "responses", **changes)


def decoder(model: str = "openai/gpt-5", *, kind: str = SSE, **fields: object) -> Decoder:
    """A decoder for the answer to such a request."""
    request = parse_create(msgspec.json.encode({"model": model, "input": "Hi", **fields}))
    return CODEC.decoder(request, target_for(model), content_type=kind)


def read(body: bytes, **options: object) -> list[Delta]:
    """The deltas of a whole body."""
    made = decoder(**options)  # type: ignore[arg-type]  # tests hand on what they were given
    return replay(made, [body])
