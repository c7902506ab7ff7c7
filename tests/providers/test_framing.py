"""What is the same in every dialect: which bytes are an answer at all, how it begins, and how it may end."""

from collections.abc import Callable

import pytest

from antiphon.protocol.deltas import Broke, Delta, Stopped, Text
from antiphon.protocol.target import Target
from antiphon.providers.base import Codec, Decoder
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.chat.decode import ChatFrames
from antiphon.providers.chat.reader import Expected
from antiphon.providers.shared.framing import BrokenBodyError, Framing, WholeBody
from tests.helpers.requests import make_request
from tests.providers.corpus import CODECS, replay, target_for

SSE, JSON = "text/event-stream", "application/json"
TARGET = target_for("generic/m")

CHAT = b'{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
GEMINI = b'{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}'
ANTHROPIC = b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}'
RESPONSES = b'{"status":"completed","output":[]}'

Made = Callable[[str], Decoder]


def made(codec: Codec, target: Target = TARGET) -> Made:
    return lambda kind: codec.decoder(make_request(), target, content_type=kind)


EACH = pytest.mark.parametrize("decoder", [made(codec) for codec in CODECS.values()], ids=list(CODECS))
ANSWERS = {
    "chat": b"data: " + CHAT + b"\n\n",
    "gemini": b"data: " + GEMINI + b"\n\n",
    "responses": b'data: {"type":"response.completed","response":' + RESPONSES + b"}\n\n",
    "anthropic": b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
}
BODIES = {"chat": CHAT, "gemini": GEMINI, "anthropic": ANTHROPIC, "responses": RESPONSES}


def code(deltas: list[Delta]) -> str | None:
    last = deltas[-1]
    assert isinstance(last, Broke)
    return last.fault.code


@EACH
@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"\xef\xbb\xbf", b"<html>", b"\r\n <?xml", b": only a comment\n\n", b"[", b"{"]
)
@pytest.mark.parametrize("kind", [SSE, JSON])
def test_what_is_no_answer_is_a_fault_whatever_it_calls_itself(decoder: Made, body: bytes, kind: str) -> None:
    pieces = [body[at : at + 1] for at in range(len(body))]
    assert code(replay(decoder(kind), [body])) == code(replay(decoder(kind), pieces))


@EACH
@pytest.mark.parametrize("kind", ["text/html", "image/png; charset=utf-8", "text/event-streams"])
def test_other_content_types_are_refused_unread(decoder: Made, kind: str) -> None:
    one = decoder(kind)
    assert code(one.feed(b"data: ")) == "upstream_protocol_error"
    assert one.done
    assert (one.feed(b"data: "), one.eof()) == ([], [])
    assert code(decoder(kind).eof()) == "upstream_protocol_error"


@pytest.mark.parametrize("kind", [SSE, JSON, "application/problem+json", "TEXT/PLAIN; charset=utf-8", ""])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n\n", b" \r\n\t"])
@pytest.mark.parametrize("answers", [ANSWERS, BODIES], ids=["stream", "body"])
@pytest.mark.parametrize("dialect", list(CODECS))
def test_the_first_byte_tells_what_it_is(dialect: str, answers: dict[str, bytes], before: bytes, kind: str) -> None:
    whole = before + answers[dialect] + b"\n"
    found = replay(made(CODECS[dialect])(kind), [whole])
    assert isinstance(found[-1], Stopped)
    assert replay(made(CODECS[dialect])(kind), [whole[at : at + 1] for at in range(len(whole))]) == found


@EACH
def test_a_frame_that_the_end_cut_off_is_a_reset(decoder: Made) -> None:
    assert code(replay(decoder(SSE), [b": hello\n\n", b'data: {"id":"x","ty'])) == "upstream_reset"


@EACH
def test_blanks_without_end_are_refused(decoder: Made) -> None:
    one = decoder(SSE)
    blanks = b" " * (4 * 1024 * 1024)
    assert [one.feed(blanks) for _ in range(8)] == [[]] * 8
    assert code(one.feed(blanks)) == "upstream_protocol_error"


def test_a_body_over_the_limit_is_refused() -> None:
    bodies = WholeBody(limit=100)
    one = Framing(ChatFrames(Expected(), TARGET), TARGET, content_type=JSON, bodies=bodies)
    assert one.feed(b"{" + b" " * 90) == []
    assert code(one.feed(b" " * 90)) == "upstream_protocol_error"
    with pytest.raises(BrokenBodyError):
        bodies.feed(b"x")


def test_a_frame_over_the_limit_ends_the_answer_after_what_was_whole() -> None:
    one = made(ChatCodec())(SSE)
    endless = b"x" * (8 * 1024 * 1024)
    found = one.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: ' + endless)
    assert found[0] == Text("text", "Hi")
    assert code(found) == "upstream_protocol_error"
