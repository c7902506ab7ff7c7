"""Request heads, written by hand: rows C11 and C13."""

from collections.abc import Callable

import pytest

from tests.edge.refusals import assert_refused, nothing_done
from tests.edge.wire import Wire, head_of, request_of
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.stream import check_response
from tests.helpers.upstream import ThreadedUpstream

BODY = b'{"model":"test/m","input":"Hi"}'
LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([LENGTH, CHUNKED], CHUNKS),
        ([CHUNKED, LENGTH], CHUNKS),
        ([CHUNKED, b"content-length: 0"], CHUNKS),
        ([LENGTH, b"content-length: 1"], BODY),
        ([LENGTH, LENGTH], BODY),
        ([b"content-length: 31, 31"], BODY),
        ([b"content-length: +31"], BODY),
        ([b"content-length: -1"], BODY),
        ([b"content-length: 0x1f"], BODY),
        ([b"content-length: \xb2"], BODY),
        ([b"content-length: " + b"9" * 30], BODY),
        ([b"content-length: " + b"9" * 5000], BODY),
        ([b"transfer-encoding: gzip"], CHUNKS),
        ([b"transfer-encoding: chunked, identity"], CHUNKS),
        ([b"transfer-encoding: xchunked"], CHUNKS),
        ([CHUNKED], b"zz\r\n"),
        ([CHUNKED], b"f" * 30 + b"\r\n"),
        ([CHUNKED], b"-1\r\n"),
        ([LENGTH, b"x-a: a\0b"], BODY),
        ([LENGTH, b"x-a: a\rb"], BODY),
        ([LENGTH, b"x-a: a\nx-b: b"], BODY),
        ([LENGTH, b"x-a: a\x01b"], BODY),
        ([LENGTH, b"x-a: a\r\n folded"], BODY),
        ([LENGTH, b"x-a : a"], BODY),
        ([LENGTH, b" x-a: a"], BODY),
        ([LENGTH, b"x-\xc3\xa9: a"], BODY),
        ([LENGTH, b"x\0a: a"], BODY),
        ([LENGTH, b"no colon"], BODY),
    ],
)
def test_c11_ambiguous_and_illegal_heads_are_refused_and_the_connection_closed(
    gateway: Gateway, upstream: ThreadedUpstream, headers: list[bytes], body: bytes
) -> None:
    with nothing_done(gateway, upstream), Wire(gateway) as wire:
        wire.send(head_of(gateway, *headers) + body)
        answered = wire.rest()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1 ") == 1, "something behind it was answered too"
    assert b'"type":"invalid_request_error"' in answered


@pytest.mark.parametrize(
    "bytes_in",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_c11_what_is_no_http_is_answered_400_and_closed(gateway: Gateway, bytes_in: bytes) -> None:
    with Wire(gateway) as wire:
        assert wire.send(bytes_in).rest().startswith(b"HTTP/1.1 400 ")
    assert gateway.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("name", [b"user-agent", b"x-anything", b"x-request-id", b"traceparent", b"content-type"])
def test_c11_non_ascii_in_header_values_breaks_nothing(gateway: Gateway, name: bytes) -> None:
    head = head_of(gateway, LENGTH, name + b": caf\xc3\xa9 \xff\xfe")
    with Wire(gateway) as wire:
        answer = wire.send(head + BODY).answer()
    if name == b"content-type":
        assert_refused(answer, 415, "unsupported_media_type")
        return
    record = gateway.request("GET", f"/v1/antiphon/runs/{check_response(answer.json)['id']}")
    assert record.status == 200
    assert answer.headers["x-request-id"].isascii()


def test_c11_a_second_request_hidden_in_a_body_is_not_one(gateway: Gateway) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with Wire(gateway) as wire:
        wire.send(head_of(gateway, b"connection: close", length=len(hidden)) + hidden)
        answered = wire.rest()
    assert answered.count(b"HTTP/1.1 ") == 1
    assert answered.startswith(b"HTTP/1.1 400 ")


def test_c11_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    with Wire(gateway) as wire:
        wire.send(request_of(gateway, input="first") + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answered = wire.rest()
    assert answered.count(b"HTTP/1.1 200 ") == 2
    assert answered.index(b'\\"first\\"') < answered.index(b'"status":"ok"')


@pytest.mark.parametrize("name", ["req-1", "A.b_c-9", "0" * 128])
def test_c11_a_safe_request_id_of_the_client_is_echoed(gateway: Gateway, name: str) -> None:
    answers = [
        gateway.request("GET", "/healthz", headers={"x-request-id": name}),
        gateway.request("GET", "/nowhere", headers={"x-request-id": name}),
        gateway.create(input="Hi", key="sk-wrong"),
    ]
    assert [answer.headers["x-request-id"] for answer in answers[:2]] == [name, name]
    assert answers[2].headers["x-request-id"] != name


@pytest.mark.parametrize("name", ["", "a b", "a,b", "0" * 129, "é", "a;b", '"', "<script>", "%0d%0a"])
def test_c11_any_other_request_id_is_replaced(gateway: Gateway, name: str) -> None:
    answer = gateway.request("GET", "/healthz", headers={"x-request-id": name})
    assert answer.headers["x-request-id"].startswith("req_")


def test_c11_headers_in_a_trailer_are_no_headers(gateway: Gateway) -> None:
    head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + CHUNKED + b"\r\n\r\n"
    trailer = b"authorization: Bearer %b\r\nx-request-id: from-the-trailer\r\n" % gateway.key.encode()
    with Wire(gateway) as wire:
        answer = wire.send(head + CHUNKS.removesuffix(b"\r\n") + trailer + b"\r\n").answer()
    assert_refused(answer, 401, "missing_api_key")
    assert answer.headers["x-request-id"].startswith("req_")


def endless_value(gateway: Gateway) -> tuple[bytes, bytes]:
    return head_of(gateway).removesuffix(b"\r\n") + b"x-a: ", b"a" * 65536


def endless_headers(gateway: Gateway) -> tuple[bytes, bytes]:
    return head_of(gateway).removesuffix(b"\r\n"), b"x-a: a\r\n" * 8192


def endless_target(_: Gateway) -> tuple[bytes, bytes]:
    return b"GET /", b"a" * 65536


def endless_trailers(gateway: Gateway) -> tuple[bytes, bytes]:
    return head_of(gateway, CHUNKED) + b"0\r\n", b"x-a: a\r\n" * 8192


def endless_trailer(gateway: Gateway) -> tuple[bytes, bytes]:
    return head_of(gateway, CHUNKED) + b"1\r\n{\r\n0\r\nx-a: ", b"a" * 65536


def endless_chunk_extension(gateway: Gateway) -> tuple[bytes, bytes]:
    return head_of(gateway, CHUNKED) + b"1;x=", b"a" * 65536


@pytest.mark.parametrize(
    "flood",
    [endless_value, endless_headers, endless_target, endless_trailers, endless_trailer, endless_chunk_extension],
)
def test_c13_a_head_without_end_closes_the_connection(
    gateway: Gateway, upstream: ThreadedUpstream, flood: Callable[[Gateway], tuple[bytes, bytes]]
) -> None:
    begin, piece = flood(gateway)
    with nothing_done(gateway, upstream), Wire(gateway, send_buffer=65536) as wire:
        sent = wire.send(begin).send_until_refused(piece, most_bytes=64 * 1024 * 1024)
        assert sent < 8 * 1024 * 1024, "it went on reading"
        wire.rest()
    assert gateway.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("behind", [b"", BODY])
def test_c13_a_head_over_64_kib_closes_the_connection(
    gateway: Gateway, upstream: ThreadedUpstream, behind: bytes
) -> None:
    with nothing_done(gateway, upstream), Wire(gateway) as wire:
        head = head_of(gateway, b"x-a: " + b"a" * 65536, length=len(behind))
        assert b" 200 " not in wire.send(head + behind).rest()


def test_c13_a_head_just_below_64_kib_is_read(gateway: Gateway) -> None:
    with Wire(gateway) as wire:
        answer: Answer = wire.send(head_of(gateway, b"x-a: " + b"a" * 65000, length=len(BODY)) + BODY).answer()
    check_response(answer.json)


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.2"])
@pytest.mark.parametrize("split", [False, True])
def test_c11_an_offer_to_upgrade_is_not_taken(gateway: Gateway, upgrade: bytes, split: bool) -> None:
    """Java's own HTTP client offers h2c with every first request, and expects it to be answered all the same."""
    offer = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + upgrade, b"HTTP2-Settings: AAEAAEAA"]
    with Wire(gateway) as wire:
        wire.send(head_of(gateway, *offer, length=len(BODY)) + (b"" if split else BODY))
        if split:
            wire.send(BODY)
        answer = wire.answer()
        check_response(answer.json)
        check_response(wire.send(request_of(gateway)).answer().json)
