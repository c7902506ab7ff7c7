"""What a chat upstream says beyond deltas, for clients of the same dialect."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.deltas import Delta, Opened, Stopped, Text, UsageSeen
from antiphon.protocol.target import Target
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.chat.vendor import add_vendor
from tests.helpers.chat_requests import chat_request
from tests.helpers.requests import make_request
from tests.helpers.upstream import sse

Json = dict[str, Any]

TARGET = Target("up", "m", "chat", "generic", "http://up/v1")
HEAD: Json = {"id": "up_1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
FIRST = {
    **HEAD,
    "system_fingerprint": "fp",
    "provider": "acme",
    "obfuscation": "x",
    "choices": [{"index": 0, "delta": {"role": "assistant"}}],
}
WORDS = {**HEAD, "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
LAST = {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": None, "logprobs": None}]}
USAGE = {**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5}}


def read(data: bytes, *, chat: bool = True, content_type: str = "text/event-stream", step: int = 0) -> list[Delta]:
    request = chat_request() if chat else make_request()
    decoder = ChatCodec().decoder(request, TARGET, content_type=content_type)
    pieces = [data[place : place + step] for place in range(0, len(data), step)] if step else [data]
    return [delta for piece in pieces for delta in decoder.feed(piece)] + decoder.eof()


def vendors(deltas: list[Delta]) -> dict[str, Any]:
    return {
        type(delta).__name__: msgspec.json.decode(delta.vendor) if delta.vendor is not None else None
        for delta in deltas
        if isinstance(delta, Opened | Stopped | UsageSeen)
    }


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_streams_further_fields_are_kept(step: int) -> None:
    found = read(b"".join(sse(FIRST, WORDS, LAST, USAGE)), step=step)
    assert [delta.text for delta in found if isinstance(delta, Text)] == ["Hi"]
    assert vendors(found) == {
        "Opened": {"system_fingerprint": "fp", "provider": "acme"},
        "Stopped": {"choices": [{"stop_reason": None}]},
        "UsageSeen": USAGE["usage"],
    }


def test_a_whole_answers_further_fields_are_kept() -> None:
    message = {"role": "assistant", "content": "Hi", "refusal": None, "mood": "good", "reasoning": "Hm."}
    body = {**HEAD, "citations": ["a"], "choices": [{"index": 0, "message": message, "finish_reason": "stop", "x": 1}]}
    found = vendors(read(msgspec.json.encode({**body, "usage": USAGE["usage"]}), content_type="application/json"))
    assert found == {
        "Opened": {"citations": ["a"]},
        "Stopped": {"citations": ["a"], "choices": [{"x": 1, "message": {"mood": "good"}}]},
        "UsageSeen": USAGE["usage"],
    }


def test_clients_of_other_dialects_are_told_nothing() -> None:
    assert set(vendors(read(b"".join(sse(FIRST, WORDS, LAST, USAGE)), chat=False)).values()) == {None}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"choices":1}',
        b'{"choices":[{"message":{"a":"\xff"}}]}',
    ],
)
def test_what_cannot_be_read_is_not_handed_on(data: bytes) -> None:
    deltas: list[Delta] = [Opened("x"), Text("t", "Hi"), Stopped("completed")]
    assert [type(delta) for delta in add_vendor(data, deltas)] == [Opened, Text, Stopped]
