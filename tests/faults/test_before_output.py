"""What a provider does wrong before there is any output: rows U1 to U14. One attempt only: nothing is tried again yet."""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from tests.edge.refusals import assert_refused
from tests.faults.upstreams import KEY, Stage, open_stage
from tests.helpers.authority import CERTIFICATE
from tests.helpers.authority import KEY as TLS_KEY
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import check_response
from tests.helpers.upstream import (
    Act,
    Gate,
    Part,
    Reply,
    ScriptedUpstream,
    answer,
    chat_json,
    error,
    sse,
    stream,
    text_chunks,
)

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}

both = pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])


def refuse(stage: Stage, reply: Reply, *, status: int, code: str | None, streamed: bool) -> Answer:
    """Ask, check the error, and that the run was counted as failed and nothing stored."""
    before = stage.gateway.sql("SELECT count(*) FROM responses")
    got = stage.ask(reply, stream=streamed, store=True)
    error_ = got.json["error"]
    kind = {429: "rate_limit_error"}.get(status, "server_error" if status >= 500 else "invalid_request_error")
    assert (got.status, error_["type"], error_["code"]) == (status, kind, code), got.body
    assert list(error_) == ["message", "type", "param", "code"]
    assert stage.gateway.sql("SELECT count(*) FROM responses") == before
    return got


@both
@pytest.mark.parametrize(
    ("base_url", "row"),
    [
        ("http://127.0.0.1:{closed}/v1", "U1 connection refused"),
        ("http://nowhere.invalid/v1", "U2 no such name"),
        ("https://127.0.0.1:{plain}/v1", "U3 no TLS at the other end"),
    ],
)
def test_u1_u2_u3_an_upstream_that_cannot_be_reached_is_502(
    stage: Stage, tmp_path: Path, base_url: str, row: str, streamed: bool
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        closed = reserved.getsockname()[1]
        plain = stage.upstream.url.rsplit(":", 1)[1].removesuffix("/v1")
        url = base_url.format(closed=closed, plain=plain)
        with Gateway(url, tmp_path, config={"limits": {"connect_s": 0.5}}) as gateway:
            got = gateway.create(input="Hi", stream=streamed)
    message = assert_refused(got, 502, "upstream_unreachable")
    for secret in (KEY, str(closed), plain, "127.0.0.1", "nowhere.invalid"):
        assert secret not in message, row


@both
def test_u3_a_certificate_that_nobody_vouches_for_is_never_accepted(tmp_path: Path, streamed: bool) -> None:
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(TLS_KEY)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")

    async def main() -> tuple[Answer, int]:
        async with ScriptedUpstream(answer(chat_json()), tls=tls) as upstream:
            with Gateway(upstream.url, tmp_path) as gateway:
                return await asyncio.to_thread(gateway.create, input="Hi", stream=streamed), len(upstream.requests)

    got, requests = asyncio.run(main())
    assert_refused(got, 502, "upstream_unreachable")
    assert requests == 0


def test_u4_a_stream_that_does_not_begin_is_504(stage: Stage) -> None:
    refuse(stage, Reply(["stall"], framing="raw"), status=504, code="upstream_timeout", streamed=True)


@pytest.mark.parametrize("where", ["before the status", "within the body"])
def test_u4_a_whole_answer_may_take_longer_than_a_stream_to_begin(stage: Stage, where: str) -> None:
    """A model that thinks for minutes says nothing until all of its answer is there: only the run's limit holds."""
    gate = Gate()
    whole = msgspec.json.encode(chat_json("Late."))
    parts: list[Part] = [gate, whole] if where == "before the status" else [whole[:10], gate, whole[10:]]
    slow = Reply(parts, headers=JSON)
    stage.script(lambda request: Reply(["stall"], framing="raw") if request.wants_stream else slow)
    asked = len(stage.upstream.requests)
    with ThreadPoolExecutor(1) as pool:
        whole_answer = pool.submit(stage.gateway.create, input="Hi")
        stage.upstream.received(asked + 1)
        # Both limits are shorter than the time that it takes the stream to be given up.
        assert stage.gateway.create(input="Hi", stream=True).status == 504
        gate.open()
        made = check_response(whole_answer.result(20).json)
    assert made["output"][0]["content"][0]["text"] == "Late."


@both
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, "7"),
        ({"retry-after-ms": "1500"}, "2"),
        ({}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_u5_a_rate_limit_is_passed_on(
    stage: Stage, headers: Mapping[str, str], expected: str | None, streamed: bool
) -> None:
    reply = error(429, "Slow down.", type="requests", headers=headers)
    got = refuse(stage, reply, status=429, code="rate_limit_exceeded", streamed=streamed)
    assert got.headers.get("retry-after") == expected


@both
@pytest.mark.parametrize(
    "reply",
    [
        error(402, "Insufficient credits."),
        error(429, "You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota"),
    ],
)
def test_u5a_an_empty_account_of_the_operator_is_503(stage: Stage, reply: Reply, streamed: bool) -> None:
    refuse(stage, reply, status=503, code="upstream_quota", streamed=streamed)


@both
@pytest.mark.parametrize(
    "reply",
    [
        error(500, "Boom."),
        error(502, "Bad gateway."),
        error(504, "Too late."),
        Reply([b"<html>Bad gateway</html>"], status=502, headers={"content-type": "text/html"}),
        Reply([], status=500),
    ],
    ids=["500", "502", "504", "html", "empty"],
)
def test_u6_a_broken_upstream_is_502(stage: Stage, reply: Reply, streamed: bool) -> None:
    refuse(stage, reply, status=502, code="upstream_error", streamed=streamed)


@both
@pytest.mark.parametrize("act", ["reset", "close"])
def test_u6_an_upstream_that_hangs_up_without_an_answer_is_502(tmp_path: Path, act: Act, streamed: bool) -> None:
    with open_stage(tmp_path) as fresh:  # on a connection that was used before it may be asked once more
        refuse(fresh, Reply([act], framing="raw"), status=502, code="upstream_error", streamed=streamed)


@both
@pytest.mark.parametrize("status", [503, 529])
def test_u7_an_overloaded_upstream_is_503_with_a_time_to_wait(stage: Stage, status: int, streamed: bool) -> None:
    got = refuse(stage, error(status, "Busy."), status=503, code="upstream_overloaded", streamed=streamed)
    assert int(got.headers["retry-after"]) >= 1


@both
@pytest.mark.parametrize("status", [400, 422])
def test_u8_what_the_upstream_refuses_is_400_in_its_own_cleaned_words(
    stage: Stage, status: int, streamed: bool
) -> None:
    said = f"Bad tool 'f'. key {KEY} at http://10.0.0.5:8000/v1 (host=vllm-3.internal)"
    got = refuse(stage, error(status, said, param="tools"), status=400, code=None, streamed=streamed)
    message = got.json["error"]["message"]
    assert "Bad tool 'f'." in message
    for secret in (KEY, "10.0.0.5", "vllm-3"):
        assert secret not in message
    assert got.json["error"]["param"] == "tools"


@both
def test_u8_what_the_upstream_says_is_bounded(stage: Stage, streamed: bool) -> None:
    got = refuse(stage, error(400, "No. " * 10_000), status=400, code=None, streamed=streamed)
    assert len(got.body) < 1500


@both
def test_u8_an_endless_refusal_is_not_read_to_its_end(stage: Stage, streamed: bool) -> None:
    reply = Reply([b"No. " * 10_000] * 100, status=400, headers=JSON)
    got = stage.ask(reply, stream=streamed)
    assert got.status in (400, 502)
    assert len(got.body) < 1500


@both
@pytest.mark.parametrize(
    "reply",
    [
        error(400, "too long", code="context_length_exceeded"),
        error(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000."),
        error(500, "the request exceeds the available context size"),
        error(422, "prompt is too long: 210000 tokens > 200000 maximum"),
    ],
)
def test_u8a_a_prompt_that_is_too_long_is_400_in_any_wording(stage: Stage, reply: Reply, streamed: bool) -> None:
    refuse(stage, reply, status=400, code="context_length_exceeded", streamed=streamed)


@both
def test_u8a_a_body_that_is_too_large_is_413(stage: Stage, streamed: bool) -> None:
    refuse(stage, error(413, "Payload too large."), status=413, code="request_too_large", streamed=streamed)


@both
def test_u8b_408_is_a_timeout(stage: Stage, streamed: bool) -> None:
    refuse(stage, error(408, "Slow."), status=504, code="upstream_timeout", streamed=streamed)


@both
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_u8b_a_redirect_is_never_followed(stage: Stage, status: int, streamed: bool) -> None:
    reply = Reply([], status=status, headers={"location": stage.upstream.url + "/elsewhere"})
    before = len(stage.upstream.requests)
    refuse(stage, reply, status=502, code="upstream_protocol_error", streamed=streamed)
    assert len(stage.upstream.requests) == before + 1


@both
@pytest.mark.parametrize("status", [401, 403])
def test_u9_a_credential_of_the_operator_that_fails_is_502(stage: Stage, status: int, streamed: bool) -> None:
    reply = error(status, f"Incorrect API key provided: {KEY}.", code="invalid_api_key")
    refuse(stage, reply, status=502, code="upstream_credential_error", streamed=streamed)


@both
def test_u10_a_model_that_the_upstream_does_not_have_is_404(stage: Stage, streamed: bool) -> None:
    refuse(stage, error(404, "No such model."), status=404, code="model_not_found", streamed=streamed)


@both
@pytest.mark.parametrize(
    "reply",
    [
        Reply([b"<html>Welcome</html>"], headers={"content-type": "text/html"}),
        Reply([b"<!doctype html><html></html>"], headers=JSON),
        Reply([b"<html></html>"], headers=EVENTS, framing="chunked"),
        Reply([], headers=JSON),
        Reply([], headers=EVENTS, framing="chunked"),
        Reply([b"\n\n : nothing\n\n"], headers=EVENTS, framing="chunked"),
        Reply([b"\x89PNG\r\n"], headers={"content-type": "image/png"}),
        Reply([b"Hello, this is text."], headers={"content-type": "text/plain"}),
        answer(b"[]"),
        answer(b'"yes"'),
        answer(b"{"),
        answer({"object": "list", "data": []}),
        answer({"choices": []}),
        answer(b'{"choices":[{"message":{"content":7}}]}'),
        Reply([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"], framing="raw"),
        Reply([b"hello\r\n\r\n"], framing="raw"),
    ],
    ids=lambda reply: repr(reply.parts)[:30],
)
def test_u11_what_is_no_answer_is_502(stage: Stage, reply: Reply, streamed: bool) -> None:
    refuse(stage, reply, status=502, code="upstream_protocol_error", streamed=streamed)


def test_u12_one_json_body_instead_of_a_stream_becomes_a_stream(stage: Stage) -> None:
    call = {"id": "call_1", "name": "f", "arguments": '{"a":1}'}
    checked = stage.stream(answer(chat_json("Hello.", tool_calls=[call])), tools=[{"type": "function", "name": "f"}])
    assert checked.text == "Hello."
    assert checked.items[1]["arguments"] == '{"a":1}'
    assert checked.response["usage"]["input_tokens"] == 11
    assert "estimated" not in checked.response["usage"]


def test_u12_a_stream_instead_of_one_json_body_becomes_an_answer(stage: Stage) -> None:
    made = stage.whole(stream(*text_chunks("Hel", "lo.")))
    assert made["output"][0]["content"][0]["text"] == "Hello."


@both
@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"error": {"message": "Slow down.", "code": 429}}, 429, "rate_limit_exceeded"),
        ({"error": {"message": "Busy.", "type": "overloaded_error"}}, 503, "upstream_overloaded"),
        ({"error": {"message": "Bad.", "code": 400}}, 400, None),
        ({"error": {"message": "No key.", "code": 401}}, 502, "upstream_credential_error"),
        ({"error": {"message": "Boom."}}, 502, "upstream_error"),
        ({"error": "Boom."}, 502, "upstream_error"),
        ({"object": "error", "message": "Boom."}, 502, "upstream_error"),
    ],
)
@pytest.mark.parametrize("where", ["body", "first frame", "error event"])
def test_u13_an_error_inside_a_200_counts_as_the_status_it_names(
    stage: Stage, said: dict[str, Any], status: int, code: str | None, where: str, streamed: bool
) -> None:
    frame = b"".join(sse(said, done=False))
    reply = {
        "body": answer(said),
        "first frame": stream(frame, b"data: [DONE]\n\n", done=False),
        "error event": stream(b"event: error\n" + frame, done=False),
    }[where]
    refuse(stage, reply, status=status, code=code, streamed=streamed)


@both
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_u14_compression_that_was_not_asked_for_is_undone(stage: Stage, encoding: str, streamed: bool) -> None:
    plain = b"".join(sse(*text_chunks("Hello.")))
    events = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    headers = {**EVENTS, "content-encoding": encoding}
    reply = Reply([events[:40], events[40:]], headers=headers, framing="chunked")
    if streamed:
        assert stage.stream(reply).text == "Hello."
    else:
        assert check_response(stage.ask(reply).json)["output"][0]["content"][0]["text"] == "Hello."


@both
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x-unknown"])
def test_u14_other_compression_is_refused(stage: Stage, encoding: str, streamed: bool) -> None:
    body = zstandard.compress(b"{}")
    reply = Reply([body], headers={**JSON, "content-encoding": encoding})
    refuse(stage, reply, status=502, code="upstream_protocol_error", streamed=streamed)


@both
@pytest.mark.parametrize("body", [b"\0" * 50, gzip.compress(b" " * 200_000_000)], ids=["damaged", "bomb"])
def test_u14_damaged_compression_and_bombs_are_refused(stage: Stage, body: bytes, streamed: bool) -> None:
    reply = Reply([body], headers={**JSON, "content-encoding": "gzip"})
    refuse(stage, reply, status=502, code="upstream_protocol_error", streamed=streamed)
