"""The decoder at its edges: what is an answer, where it ends, and what becomes of the rest."""

import msgspec
import pytest

from antiphon.protocol.deltas import Opened, Stopped, Text
from tests.providers.script import DONE, HI, STOP, broke, chunk, decoder, read


def test_text_reaches_the_end_marker() -> None:
    assert read(chunk({"content": "Hi"}), STOP, DONE) == HI


@pytest.mark.parametrize("tail", [b"", b"data: [DONE]", b"data: [DO", b"data:", b'data: {"choices":[{"de', b": bye"])
def test_after_a_finish_the_end_may_look_as_it_likes(tail: bytes) -> None:
    assert read(chunk({"content": "Hi"}), STOP, tail) == HI


def test_nothing_counts_after_the_end_marker() -> None:
    one = decoder()
    assert one.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n' + DONE)[-1] == Stopped("completed", "")
    assert one.done
    assert one.feed(b"data: garbage\n\n") == []
    assert one.eof() == []


def test_nothing_counts_after_a_fault() -> None:
    one = decoder()
    assert broke(one.feed(b"data: garbage\n\n")) == "upstream_protocol_error"
    assert one.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n') == []
    assert one.eof() == []


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "upstream_protocol_error"),
        ([b": ping\n\n"], "upstream_protocol_error"),
        ([b"Internal Server Error"], "upstream_protocol_error"),
        ([b"   \r\n"], "upstream_protocol_error"),
        ([b"<html></html>"], "upstream_protocol_error"),
        ([b"\xef\xbb\xbf\n <?xml ?>"], "upstream_protocol_error"),
        ([chunk({"content": "Hi"})], "upstream_truncated"),
        ([chunk({"role": "assistant"})], "upstream_truncated"),
        ([DONE], "upstream_truncated"),
        ([chunk({"content": "Hi"}), b'data: {"choices":[{"delta":{"content":"th'], "upstream_reset"),
        ([chunk({"content": "Hi"}), b"data: 12"], "upstream_protocol_error"),
        ([b"data: hello\n\n"], "upstream_protocol_error"),
        ([b"data: 12\n\n"], "upstream_protocol_error"),
        ([b"data: null\n\n"], "upstream_protocol_error"),
        ([b'data: "text"\n\n'], "upstream_protocol_error"),
        ([b"data: []\n\n"], "upstream_protocol_error"),
        ([b'data: {"a":1}\n\n'], "upstream_protocol_error"),
        ([b'data: {"choices":"x"}\n\n'], "upstream_protocol_error"),
        ([b'data: {"choices":[{"delta":"x"}]}\n\n'], "upstream_protocol_error"),
        ([b'data: {"choices":[{"delta":{"content":7}}]}\n\n'], "upstream_protocol_error"),
        ([b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'], "upstream_protocol_error"),
        ([b'data: {"choices":' + b"[" * 100_000 + b"\n\n"], "upstream_protocol_error"),
        ([b'data: {"x":' + b"[" * 100_000 + b"\n\n"], "upstream_protocol_error"),
        ([chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), STOP], "upstream_protocol_error"),
        ([chunk({"content": "Hi"}), {"error": {"message": "no", "type": "server_error"}}], "upstream_error"),
        ([{"error": "overloaded"}], "upstream_error"),
        ([{"error": {"message": "x", "type": "overloaded_error"}}], "upstream_overloaded"),
        ([{"error": {"message": "x", "code": 503}}], "upstream_overloaded"),
        ([{"error": {"message": "x", "code": "429"}}], "rate_limit_exceeded"),
        ([{"error": {"message": "prompt is too long", "code": 400}}], "context_length_exceeded"),
        ([{"choices": [{"error": {"code": 502, "message": "x"}}]}], "upstream_error"),
        ([{"choices": [], "x_groq": {"error": "over_capacity"}}], "upstream_error"),
        ([b'event: error\ndata: {"message":"x","type":"rate_limit_error"}\n\n'], "rate_limit_exceeded"),
        ([b"event: error\ndata: what\n\n"], "upstream_error"),
        ([b'data: {"object":"error","message":"x","code":404}\n\n'], "model_not_found"),
        ([b'data: {"detail":"broken"}\n\n'], "upstream_error"),
        ([b'data: [{"error":{"code":401,"message":"x"}}]\n\n'], "upstream_credential_error"),
        ([b'data: {"choices":null,"base_resp":{"status_code":1008,"status_msg":"x"}}\n\n'], "upstream_error"),
        ([chunk({"content": "Hi"}, "error")], "upstream_error"),
    ],
)
def test_what_is_no_answer_is_a_fault(frames: list[object], code: str) -> None:
    assert broke(read(*frames)) == code


@pytest.mark.parametrize(
    "frame",
    [
        b"data: {}\n\n",
        b'data: {"type":"ping"}\n\n',
        b"data:\n\n",
        b"data:   \n\n",
        b'data: {"id":"c","object":"chat.completion.chunk","model":"m"}\n\n',
        b'data: {"choices":[]}\n\n',
        b'data: {"choices":null,"usage":null,"error":null,"id":"c"}\n\n',
        b'data: {"choices":[{"index":1,"delta":{"content":"another choice"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":null,"finish_reason":""}]}\n\n',
        b'data: {"choices":[{"delta":{"content":null,"refusal":null,"tool_calls":null,"function_call":null}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"","reasoning":"","reasoning_details":[],"annotations":[]}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}}]}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":[]}}],"usage":{}}\n\n',
    ],
)
def test_signs_of_life_and_empty_chunks_say_nothing(frame: bytes) -> None:
    found = read(frame, chunk({"content": "Hi"}), STOP)
    assert [delta for delta in found if not isinstance(delta, Opened)] == HI


@pytest.mark.parametrize("content_type", ["", "TEXT/EVENT-STREAM; charset=utf-8", "text/plain", "application/json"])
def test_the_first_byte_tells_a_stream_from_a_body(content_type: str) -> None:
    assert read(chunk({"content": "Hi"}), STOP, content_type=content_type) == HI
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert read(b"\n " + msgspec.json.encode(body), content_type=content_type) == HI


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "image/png", "application/xml"])
def test_other_content_types_are_refused_unread(content_type: str) -> None:
    assert broke(read(chunk({"content": "Hi"}), STOP, content_type=content_type)) == "upstream_protocol_error"
    assert broke(decoder(content_type).eof()) == "upstream_protocol_error"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "upstream_protocol_error"),
        (b"{}", "upstream_protocol_error"),
        (b"[]", "upstream_protocol_error"),
        (b'{"choices":[]}', "upstream_protocol_error"),
        (b'{"choices":[]} trailing', "upstream_protocol_error"),
        (b'{"choices":[{"message":7}]}', "upstream_protocol_error"),
        (b'{"choices":[],"detail":"no"}', "upstream_error"),
        (b'{"error":{"message":"x","code":"insufficient_quota"}}', "upstream_quota"),
        (b'[{"error":{"code":404,"message":"x"}}]', "model_not_found"),
        (b"[" * 100_000, "upstream_protocol_error"),
    ],
)
def test_bodies_that_are_no_answer_are_faults(body: bytes, code: str) -> None:
    assert broke(read(body, content_type="application/json")) == code


def test_a_body_without_a_finish_reason_is_complete() -> None:
    assert read(b'{"choices":[{"message":{"content":""}}]}') == [Stopped("completed", "")]


def test_a_body_with_a_lone_surrogate_is_read() -> None:
    found = read(rb'{"choices":[{"message":{"content":"a\udc00b"},"finish_reason":"stop"}]}')
    assert found == [Text("text", "a\ufffdb"), Stopped("completed", "stop")]
