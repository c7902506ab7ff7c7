"""Scripted chat answers and what the decoder says to them."""

import msgspec

from antiphon.protocol.deltas import Broke, Delta, Stopped, Text
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.chat.decode import ChatFrames
from antiphon.providers.chat.reader import Expected
from antiphon.providers.shared.framing import Framing
from tests.providers.corpus import replay, target_for

__all__ = ["CODEC", "DONE", "HI", "SSE", "STOP", "broke", "chunk", "decoder", "read"]

CODEC = ChatCodec()
TARGET = target_for("generic/m")
SSE = "text/event-stream"


def decoder(content_type: str = SSE, **expected: object) -> Framing:
    return Framing(ChatFrames(msgspec.convert(expected, Expected), TARGET), TARGET, content_type=content_type)


def read(*frames: object, content_type: str = SSE, **expected: object) -> list[Delta]:
    """The deltas of these frames; bytes stand for themselves."""
    body = b"".join(
        frame if isinstance(frame, bytes) else b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames
    )
    return replay(decoder(content_type, **expected), [body])


def chunk(delta: object = None, finish: str | None = None, **top: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **top}


def broke(deltas: list[Delta]) -> str:
    """The code of the fault at the end."""
    last = deltas[-1]
    assert isinstance(last, Broke)
    assert sum(isinstance(delta, Broke) for delta in deltas) == 1
    return last.fault.code or ""


STOP = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
HI = [Text("text", "Hi"), Stopped("completed", "stop")]
