"""Bodies that cannot be read: rows C1 to C5."""

import gzip
import select
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from tests.edge.refusals import assert_refused, nothing_done
from tests.edge.wire import Wire, head_of
from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_response
from tests.helpers.upstream import ThreadedUpstream, echo_brain

MIB = 1024 * 1024
GOOD = b'{"model":"test/m","input":"Hi"}'


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.compress),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, ThreadedUpstream]]:
    """A gateway that takes bodies of 1 MiB, 1 MiB in all."""
    config = {"server": {"max_body_mib": 1, "max_memory_bodies_mib": 1}}
    with (
        ThreadedUpstream(echo_brain) as upstream,
        Gateway(upstream.url, tmp_path_factory.mktemp("small"), config=config) as gateway,
    ):
        yield gateway, upstream


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model":"test/m","input":"Hi",}',
        GOOD + b"{}",
        b"\xff\xfe{}",
        b'{"model":"test/m","input":"\xff"}',
        b'{"model":"test/m","input":"\xed\xa0\x80"}',
        b'{"model":"test/m","input":"Hi","temperature":NaN}',
        b'{"model":"test/m","input":"Hi","temperature":-Infinity}',
        b'{"model":"test/m","input":"Hi","temperature":1e999}',
        b'{"model":"test/m","input":"\\ud800 alone"}',
        b'{"model":"test/m","input":"Hi","unknown":"\\ud800 alone"}',
        b'{"model":"test/m","input":"Hi","metadata":{"a":"\\udc00"}}',
        b'{"model":"test/m","input":[{"role":"user","content":"\\ud800\\ud800"}]}',
        b'{"model":"test/m","input":"Hi","tools":[{"type":"function","name":"f","parameters":{"a":"\\udfff"}}]}',
        b'{"model":"test/m","input":"a\nb"}',
    ],
)
def test_c1_what_is_not_json_is_refused(gateway: Gateway, upstream: ThreadedUpstream, body: bytes) -> None:
    with nothing_done(gateway, upstream):
        answer = gateway.request("POST", "/v1/responses", body=body)
    assert assert_refused(answer, 400, "invalid_json").startswith("The request body is not valid JSON: ")


def test_c1_the_message_tells_where_the_mistake_is(gateway: Gateway) -> None:
    answer = gateway.request("POST", "/v1/responses", body=b'{"model":"test/m" "input":"Hi"}')
    assert "byte 18" in assert_refused(answer, 400, "invalid_json")


def test_c1_nul_inside_text_is_legal_and_survives_storage(gateway: Gateway) -> None:
    text = "before\0after"
    answer = gateway.create(input=text, instructions=text, metadata={"a\0b": text})
    made = check_response(answer.json)
    assert gateway.request("GET", f"/v1/responses/{made['id']}").json == made
    assert made["instructions"] == made["metadata"]["a\0b"] == text
    items = gateway.request("GET", f"/v1/responses/{made['id']}/input_items").json["data"]
    assert items[0]["content"][0]["text"] == text
    again = check_response(gateway.create(input="Go on", previous_response_id=made["id"]).json)
    assert text in msgspec.json.decode(again["output"][0]["content"][0]["text"])[0]["content"]


@pytest.mark.parametrize(
    "field",
    [b'"x":1e999', b'"x":-1e999', b'"x":1' + b"0" * 400, b'"status":7', b'"status":[1]', b'"id":null', b'"summary":0'],
)
@pytest.mark.parametrize(
    "item",
    [
        b'{"role":"user","content":"Hi",%b}',
        b'{"role":"user","content":[{"type":"input_text","text":"Hi",%b}]}',
        b'{"type":"function_call","call_id":"c","name":"f",%b},{"type":"function_call_output","call_id":"c"}',
    ],
    ids=["message", "part", "call"],
)
def test_c1_what_is_not_looked_at_in_an_item_can_be_read_back(gateway: Gateway, item: bytes, field: bytes) -> None:
    body = b'{"model":"test/m","input":[%b]}' % (item % field)
    made = check_response(gateway.request("POST", "/v1/responses", body=body).json)
    items = gateway.request("GET", f"/v1/responses/{made['id']}/input_items")
    assert items.status == 200, items.body
    assert field in items.body or field == b'"id":null'
    assert gateway.create(input="Go on", previous_response_id=made["id"]).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"model":"test/m","input":' + b"[" * 100_000,
        b'{"model":"test/m","input":"Hi","tools":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"test/m","input":"Hi","x":' + b'{"":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
)
def test_c2_depth_is_refused_at_once(gateway: Gateway, upstream: ThreadedUpstream, body: bytes) -> None:
    took_s = []
    with nothing_done(gateway, upstream):
        for _ in range(5):
            began = time.monotonic()
            answer = gateway.request("POST", "/v1/responses", body=body)
            took_s.append(time.monotonic() - began)
            assert_refused(answer, 400, "invalid_json")
    assert min(took_s) < 0.05


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"test/m","input":[{"role":"user","content":"Hi","x":%b}]}',
        b'{"model":"test/m","input":"Hi","tools":[{"type":"function","name":"f","parameters":{"x":%b}}]}',
        b'{"model":"test/m","input":"Hi","text":{"format":{"type":"json_schema","name":"n","schema":{"x":%b}}}}',
    ],
    ids=["item", "tool", "format"],
)
def test_c2_the_deepest_that_is_taken_can_be_read_back(gateway: Gateway, body: bytes) -> None:
    taken, refused = 128, 1200
    made = check_response(gateway.request("POST", "/v1/responses", body=body % nested(taken)).json)
    while refused - taken > 1:
        depth = (taken + refused) // 2
        answer = gateway.request("POST", "/v1/responses", body=body % nested(depth))
        if answer.status == 200:
            taken, made = depth, answer.json
        else:
            assert_refused(answer, 400, "invalid_json")
            refused = depth
    for path in (made["id"], made["id"] + "?stream=true", made["id"] + "/input_items"):
        assert gateway.request("GET", "/v1/responses/" + path).status == 200
    assert gateway.create(input="Go on", previous_response_id=made["id"]).status == 200


def test_c2_brackets_inside_text_are_no_depth(gateway: Gateway) -> None:
    text = "[" * 500 + '{"' * 500
    check_response(gateway.create(input=[{"role": "user", "content": text}]).json)


def test_c3_a_declared_size_over_the_cap_is_refused_before_the_body_is_sent(
    small: tuple[Gateway, ThreadedUpstream],
) -> None:
    gateway, upstream = small
    with nothing_done(gateway, upstream), Wire(gateway) as wire:
        answer = wire.send(head_of(gateway, length=MIB + 1)).answer()
        assert_refused(answer, 413, "request_too_large")
        assert answer.headers["connection"] == "close"
        assert wire.rest() == b""


def test_c3_a_chunked_body_is_read_to_the_cap_and_no_further(small: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, upstream = small
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with nothing_done(gateway, upstream), Wire(gateway, send_buffer=65536) as wire:
        wire.send(head_of(gateway, b"transfer-encoding: chunked"))
        sent = wire.send_until_refused(chunk, most_bytes=128 * MIB)
        assert sent < 48 * MIB, "it went on reading"
        assert b"request_too_large" in wire.rest()


def test_c3_who_is_still_sending_comes_to_read_why_it_was_refused(small: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, upstream = small
    for _ in range(5):
        with nothing_done(gateway, upstream), Wire(gateway, send_buffer=65536) as wire:
            answer = wire.send(head_of(gateway, length=16 * MIB) + b" " * (16 * MIB)).answer()
            assert_refused(answer, 413, "request_too_large")
            assert wire.rest() == b""


def test_c3_a_refused_client_that_stays_is_not_listened_to_for_long(small: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = small
    with Wire(gateway) as wire:
        assert_refused(wire.send(head_of(gateway, length=MIB + 1)).answer(), 413, "request_too_large")
        began = time.monotonic()
        sent = 0
        while wire.send_until_refused(b" ", most_bytes=1):
            sent += 1
            select.select([], [], [], 0.1)
            assert time.monotonic() - began < 10, "it listens for ever"
        assert sent > 10


def test_c3_a_body_of_exactly_the_cap_is_taken(small: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = small
    padding = b" " * (MIB - len(GOOD))
    check_response(gateway.request("POST", "/v1/responses", body=GOOD + padding).json)
    assert_refused(gateway.request("POST", "/v1/responses", body=GOOD + padding + b" "), 413, "request_too_large")


@pytest.mark.parametrize("name", ENCODINGS)
def test_c3_a_compressed_bomb_is_refused(small: tuple[Gateway, ThreadedUpstream], name: str) -> None:
    gateway, upstream = small
    encoding, compress = ENCODINGS[name]
    bomb = compress(GOOD + b" " * (64 * MIB))
    assert len(bomb) < MIB
    with nothing_done(gateway, upstream):
        began = time.monotonic()
        answer = gateway.request("POST", "/v1/responses", body=bomb, headers={"content-encoding": encoding})
        took_s = time.monotonic() - began
    assert_refused(answer, 413, "request_too_large")
    assert took_s < 0.5, "it was inflated whole"


def test_c3_all_bodies_together_have_a_cap(small: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = small
    part = b" " * (MIB * 6 // 10)
    with Wire(gateway) as first, Wire(gateway) as second:
        for wire in (first, second):
            wire.send(head_of(gateway, length=len(part) + len(GOOD)) + part)
        # Whichever was read last is one too many.
        (one_too_many,), _, _ = select.select([first.socket, second.socket], [], [], 20)
        refused, taken = (first, second) if one_too_many is first.socket else (second, first)
        answer = refused.answer()
        assert_refused(answer, 503, "overloaded")
        assert answer.headers["retry-after"]
        check_response(taken.send(GOOD).answer().json)


@pytest.mark.parametrize("sent", [b"", GOOD[:10]])
def test_c4_a_body_that_does_not_come_is_given_up(upstream: ThreadedUpstream, tmp_path: Path, sent: bytes) -> None:
    with (
        Gateway(upstream.url, tmp_path, config={"server": {"body_idle_s": 0.2}}) as gateway,
        nothing_done(gateway, upstream),
        Wire(gateway) as wire,
    ):
        answer = wire.send(head_of(gateway, length=len(GOOD)) + sent).answer()
        assert_refused(answer, 408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert wire.rest() == b""


def test_c4_a_client_that_leaves_within_its_body_is_no_error(
    gateway: Gateway, upstream: ThreadedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_done(gateway, upstream):
        with Wire(gateway) as wire:
            wire.send(head_of(gateway, length=len(GOOD)) + GOOD[:10])
        assert gateway.request("GET", "/healthz").status == 200
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


@pytest.mark.parametrize("name", ENCODINGS)
def test_c5_compressed_bodies_are_read(gateway: Gateway, name: str) -> None:
    encoding, compress = ENCODINGS[name]
    headers = {"content-encoding": encoding}
    check_response(gateway.request("POST", "/v1/responses", body=compress(GOOD), headers=headers).json)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("damage", ["cut", "garbage", "plain"])
def test_c5_damaged_compression_is_refused(
    gateway: Gateway, upstream: ThreadedUpstream, name: str, damage: str
) -> None:
    encoding, compress = ENCODINGS[name]
    whole = compress(GOOD * 50)
    body = {"cut": whole[: len(whole) // 2], "garbage": b"\x00" + whole, "plain": GOOD}[damage]
    with nothing_done(gateway, upstream):
        answer = gateway.request("POST", "/v1/responses", body=body, headers={"content-encoding": encoding})
    assert_refused(answer, 400, "invalid_json")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json-seq"},
        {"content-type": "x" * 10_000},
        {"content-encoding": "br"},
        {"content-encoding": "gzip, gzip"},
        {"content-encoding": "x" * 10_000},
    ],
)
def test_c5_other_types_and_encodings_are_refused(
    gateway: Gateway, upstream: ThreadedUpstream, headers: dict[str, str]
) -> None:
    with nothing_done(gateway, upstream):
        answer = gateway.request("POST", "/v1/responses", body=GOOD, headers=headers)
    assert_refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
def test_c5_json_by_any_of_its_names_is_read(gateway: Gateway, kind: str) -> None:
    answer = gateway.request("POST", "/v1/responses", body=GOOD, headers={"content-type": kind})
    check_response(answer.json)
