"""C1, C2: bodies that are no JSON, or no JSON worth reading, get one answer, fast; and nothing keeps a body alive."""

import sys
import time

import msgspec
import pytest

from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault

GOOD = b'{"model":"m","input":"a"}'


def refused(body: bytes) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        parse_create(body)
    return caught.value


#: Places in a body that are read, kept unread, or skipped.
PLACES = {
    "input": b'{"model":"m","input":%b}',
    "item text": b'{"model":"m","input":[{"role":"user","content":%b}]}',
    "item, unknown key": b'{"model":"m","input":[{"role":"user","content":"a","x":%b}]}',
    "schema": b'{"model":"m","input":"a","tools":[{"type":"function","name":"f","parameters":{"x":%b}}]}',
    "ignored field": b'{"model":"m","input":"a","client_metadata":%b}',
    "unknown field": b'{"model":"m","input":"a","x":%b}',
    "unknown field first": b'{"x":%b,"model":"m","input":"a"}',
    "after a wrong type": b'{"model":7,"input":"a","x":%b}',
}
BROKEN = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "lone high surrogate": rb'"\ud800"',
    "lone high surrogate before text": rb'"\ud800 and more text"',
    "lone low surrogate": rb'"\udc00 and more text"',
    "surrogates in the wrong order": rb'"\udc00\ud800"',
    "two high surrogates": rb'"\ud800\ud800"',
    "invalid UTF-8": b'"\xff"',
    "cut UTF-8": b'"\xe2\x82"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "UTF-8 surrogate": b'"\xed\xa0\x80"',
    "control character": b'"\x01"',
    "bad escape": rb'"\x41"',
    "cut escape": rb'"\u12"',
    "leading zero": b"01",
    "bare word": b"yes",
    "single quotes": b"'a'",
    "trailing comma": b"[1,]",
    "missing comma": b"[1 2]",
    "comment": b"1 /* one */",
    "nothing": b"",
    "brackets that do not match": b"[}",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_broken_json_is_refused_wherever_it_stands(place: bytes, broken: bytes) -> None:
    fault = refused(place % broken)
    assert (fault.status, fault.code, fault.param) == (400, "invalid_json", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"model"',
        GOOD[:-1],
        GOOD + b"x",
        GOOD + GOOD,
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
    ],
    ids=["empty", "blank", "brace", "cut key", "cut", "trailing", "twice", "BOM", "UTF-16"],
)
def test_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert refused(body).code == "invalid_json"


def test_position_is_told() -> None:
    assert "byte 25" in refused(b'{"model":"m","input":"a",}').message


@pytest.mark.parametrize("field", ["temperature", "top_p", "seed", "max_output_tokens"])
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 5000])
def test_number_out_of_range_is_refused(field: str, number: bytes) -> None:
    fault = refused(b'{"model":"m","input":"a","%b":%b}' % (field.encode(), number))
    assert fault.code in ("invalid_json", "invalid_value")
    assert field in fault.message


def test_client_text_that_looks_like_the_parsers_words_is_only_text() -> None:
    for words in (b"Number out of range", b"out of range", b"Object contains unknown field"):
        fault = refused(b'{"model":"m","input":"a","truncation":"%b"}' % words)
        assert (fault.code, fault.param) == ("invalid_value", "truncation")


@pytest.mark.parametrize("body", [b"[1]", b"null", b'"a"', b"7", b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    fault = refused(body)
    assert (fault.code, fault.param) == ("invalid_value", None)
    assert "object" in fault.message


def test_nul_in_text_is_legal() -> None:
    request = parse_create(rb'{"model":"m","input":[{"role":"user","content":"a\u0000b"}]}')
    assert request.input[0].value.content == "a\0b"  # type: ignore[union-attr]  # it is a message


def test_escaped_pair_is_one_character() -> None:
    request = parse_create(rb'{"model":"m","input":"a","instructions":"\ud83d\ude00"}')
    assert request.instructions == "😀"


def test_last_of_repeated_keys_counts() -> None:
    assert parse_create(b'{"model":"m","model":"n","input":"a"}').model == "n"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_endless_nesting_is_refused_at_once(place: bytes, opening: bytes) -> None:  # C2
    started = time.process_time()
    fault = refused(place.partition(b"%b")[0] + opening * 100_000)
    assert time.process_time() - started < 0.05
    assert fault.code == "invalid_json"


def test_endless_nesting_at_the_root_is_refused_at_once() -> None:
    started = time.process_time()
    assert refused(b"[" * 100_000).code == "invalid_json"
    assert refused(b'{"a":' * 100_000).code == "invalid_json"
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("place", ["item text", "item, unknown key", "schema", "unknown field"])
def test_no_depth_falls_between_two_decoders(place: str) -> None:
    """What the first pass can just read, the second one may not: that too is the client's fault."""
    for depth in range(800, 1100):
        try:
            parse_create(PLACES[place] % (b"[" * depth + b"]" * depth))
        except RequestFault as fault:
            assert fault.status == 400  # noqa: PT017 - most depths are fine, none may raise anything else


def test_message_never_repeats_a_long_value() -> None:
    long = b"x" * 100_000
    for body in (
        b'{"model":"m","input":"a","truncation":"%b"}',
        b'{"model":"m","input":[{"role":"%b"}]}',
        b'{"model":"m","input":"a","tools":[{"type":"custom","name":"c","format":{"type":"%b"}}]}',
        b'{"model":"m","input":"a","tool_choice":"%b"}',
        b'{"model":"m","input":"a","tool_choice":{"type":"%b"}}',
        b'{"model":"m","input":"a","tool_choice":{"type":"function","name":"%b"}}',
        b'{"model":"m","input":"a","include":["%b"]}',
        b'{"model":"m","input":"a","previous_response_id":"%b"}',
        b'{"model":"m","input":"a","text":{"format":{"type":"%b"}}}',
    ):
        assert len(refused(body % long).message) < 600


def test_nothing_else_in_a_request_keeps_its_body_alive() -> None:
    body = msgspec.json.encode(
        {
            "model": "m",
            "instructions": "i",
            "metadata": {"a": "b"},
            "client_metadata": {"a": "b"},
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "t"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "t", "annotations": [{"a": 1}]}]},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object"}},
                {"type": "custom", "name": "c", "format": {"type": "text"}},
                {"type": "mcp", "server_label": "s"},
            ],
            "tool_choice": {"type": "mcp", "server_label": "s"},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        }
    )
    before = sys.getrefcount(body)
    request = msgspec.structs.replace(parse_create(body), body=b"")
    assert sys.getrefcount(body) == before
    assert request.tools
