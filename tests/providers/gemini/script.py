"""Scripted answers of generateContent and what the decoder says to them."""

from typing import Any

import msgspec

from antiphon.protocol.deltas import Annotation, Broke, CallArguments, CallOpened, Delta, Seal, Text
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.base import Encoded
from antiphon.providers.gemini.codec import GeminiCodec
from antiphon.providers.gemini.decode import GeminiFrames
from antiphon.providers.gemini.objects import ObjectSplitter
from antiphon.providers.gemini.reader import Expected
from antiphon.providers.shared.framing import Framing
from tests.helpers.requests import make_request
from tests.providers.corpus import replay
from tests.providers.corpus import target_for as any_target

__all__ = [
    "CODEC",
    "arguments",
    "broke",
    "chunk",
    "citations",
    "decoder",
    "encode",
    "encode_request",
    "read",
    "sealed",
    "sent",
    "spoken",
    "target_for",
]

CODEC = GeminiCodec()
SSE = "text/event-stream"


def target_for(model: str, **changes: object) -> Target:
    """A target at the provider that the model's name begins with, which speaks generateContent."""
    return any_target(model, "gemini", **changes)


def decoder(content_type: str = SSE, **expected: object) -> Framing:
    wanted = msgspec.convert(expected, Expected)
    target = target_for("gemini/gemini-3-pro")
    return Framing(GeminiFrames(wanted, target), target, content_type=content_type, bodies=ObjectSplitter())


def read(*frames: object, content_type: str = SSE, **expected: object) -> list[Delta]:
    """The deltas of these frames; bytes stand for themselves."""
    body = b"".join(
        frame if isinstance(frame, bytes) else b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames
    )
    return replay(decoder(content_type, **expected), [body])


def chunk(*parts: object, finish: str | None = None, **fields: object) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": list(parts)}, **fields}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate]}


def broke(deltas: list[Delta]) -> str:
    """The code of the fault at the end."""
    last = deltas[-1]
    assert isinstance(last, Broke)
    return last.fault.code or ""


def spoken(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def arguments(deltas: list[Delta]) -> list[tuple[str, str]]:
    """Each call's name and arguments."""
    return [
        (delta.name, "".join(one.text for one in deltas if isinstance(one, CallArguments) and one.key == delta.key))
        for delta in deltas
        if isinstance(delta, CallOpened)
    ]


def citations(deltas: list[Delta]) -> list[Any]:
    return [msgspec.json.decode(delta.annotation) for delta in deltas if isinstance(delta, Annotation)]


def sealed(deltas: list[Delta]) -> list[Any]:
    """Payloads, the last one of each block."""
    return list({delta.key: msgspec.json.decode(delta.payload) for delta in deltas if isinstance(delta, Seal)}.values())


def encode(model: str = "gemini-3.8-flash", **body: object) -> Encoded:
    return encode_request(make_request(model=f"gemini/{model}", **body), model)


def encode_request(request: Request, model: str = "gemini-3.8-flash") -> Encoded:
    return CODEC.encode(request, target_for(f"gemini/{model}"), media={})


def sent(model: str = "gemini-3.8-flash", **body: object) -> Any:
    """The upstream body."""
    return msgspec.json.decode(encode(model, **body).body)
