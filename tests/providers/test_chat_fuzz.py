"""Broken answers: whatever the bytes, the decoder answers with deltas and never with an exception.

`ANTIPHON_FUZZ_N` is the number of inputs (20,000; the long tier runs 1,000,000), `ANTIPHON_FUZZ_SEED` another beginning.
"""

import os
import random
from collections.abc import Callable

import msgspec
import pytest

from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import Broke, Delta, OutcomeDelta, Stopped
from antiphon.protocol.request import CustomTool, FunctionTool
from antiphon.providers.chat.decode import ChatDecoder
from antiphon.providers.chat.reader import Expected
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames
from tests.helpers.requests import make_assembler
from tests.providers.corpus import CASES, CODEC, lines, target_for

INPUTS = int(os.environ.get("ANTIPHON_FUZZ_N", "20000"))
SEED = os.environ.get("ANTIPHON_FUZZ_SEED", "1")
BODIES = [case.body()[:6000] for case in CASES]
TYPES = ["text/event-stream", "application/json", "", "text/html"]
EXPECTED = [
    Expected(),
    Expected(logprobs=True),
    Expected(think_tags=True),
    Expected(known=frozenset({"get_weather", "get_time"})),
]
TOKENS = [
    b"\n\n", b"\r", b"\r\n\r\n", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b": c\n\n", b"null", b"{}", b"[]", b'""',
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", rb"\ud83d", rb"\ude00", b"\xed\xa0\xbd", b"\xf4\x8f\xbf\xbf", b"\xff",
    b"\x00", b"\xef\xbb\xbf", b"-1", b"1e999", b"99999999999999999999", b"true", b"<think>", b"</think>", b'"index":0',
    b'"id":"call_1"', b'"name":"get_time"', b'"arguments":"{}"', b'"finish_reason":"stop"', b'"error":{"code":429}',
    b'"tool_calls":[{"function":{"name":"f"}}]', b'"content":[{"type":"thinking","thinking":[]}]', b"[" * 2000,
]  # fmt: skip
NAMES = ToolNames([CustomTool("get_time"), FunctionTool("get.weather"), CustomTool("apply_patch")])
TARGET = target_for("generic/m")
Mutation = Callable[[bytes, random.Random], bytes]


def flip(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body) + 1)
    return body[:place] + bytes([dice.randrange(256)]) + body[place + 1 :]


def insert(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body) + 1)
    return body[:place] + dice.choice(TOKENS) + body[place:]


def overwrite(body: bytes, dice: random.Random) -> bytes:
    place, token = dice.randrange(len(body) + 1), dice.choice(TOKENS)
    return body[:place] + token + body[place + len(token) :]


def cut(body: bytes, dice: random.Random) -> bytes:
    return body[: dice.randrange(len(body) + 1)]


def drop(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body) + 1)
    return body[:place] + body[place + dice.randrange(60) :]


def repeat(body: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(body) + 1)
    end = start + dice.randrange(300)
    return body[:end] + body[start:]


def splice(body: bytes, dice: random.Random) -> bytes:
    other = dice.choice(BODIES)
    return body[: dice.randrange(len(body) + 1)] + other[dice.randrange(len(other) + 1) :]


def shuffle(body: bytes, dice: random.Random) -> bytes:
    frames = body.split(b"\n\n")
    dice.shuffle(frames)
    return b"\n\n".join(frames)


MUTATIONS: list[Mutation] = [flip, insert, overwrite, cut, drop, repeat, splice, shuffle]


@pytest.mark.timeout(3600)
def test_no_bytes_make_the_decoder_raise() -> None:
    dice = random.Random(SEED)
    for number in range(INPUTS):
        body = dice.choice(BODIES)
        for _ in range(dice.randrange(1, 4)):
            body = dice.choice(MUTATIONS)(body, dice)
        decoder = ChatDecoder(
            dice.choice(EXPECTED),
            TARGET,
            content_type=dice.choice(TYPES[:3] if number % 50 else TYPES),
            calls=dice.choice((None, ClientCalls(NAMES), ClientCalls(NAMES, native=True))),
        )
        middle = dice.randrange(len(body) + 1)
        answers = [
            decoder.feed(body[:middle]),
            decoder.feed(body[middle:]),
            decoder.eof(),
            decoder.feed(body),
            decoder.eof(),
        ]
        assert all(type(answer) is list for answer in answers)
        assert answers[3:] == [[], []], "something came after the end"
        deltas = answers[0] + answers[1] + answers[2]
        check_outcome(deltas)
        if number % 20 == 0:
            check_the_rest(deltas)


@pytest.mark.timeout(3600)
def test_error_bodies_of_any_kind_are_explained() -> None:
    dice = random.Random(SEED)
    for _ in range(INPUTS // 10):
        body = dice.choice(MUTATIONS)(dice.choice(BODIES), dice)
        fault = CODEC.fault(dice.choice([302, 400, 401, 402, 404, 413, 429, 500, 503]), {}, body=body, target=TARGET)
        assert len(fault.message) < 700
        assert fault.message.isprintable()


def check_outcome(deltas: list[Delta]) -> None:
    """It ended, once, and a fault is the last word."""
    broken = [place for place, delta in enumerate(deltas) if type(delta) is Broke]
    assert len(broken) <= 1
    assert not broken or broken[0] == len(deltas) - 1
    stops = sum(type(delta) is Stopped for delta in deltas)
    assert stops <= 1
    assert stops or broken


def check_the_rest(deltas: list[Delta]) -> None:
    """The assembler takes it, and all of it can be written as JSON."""
    lines(deltas)
    assembler = make_assembler()
    events = assembler.open()
    events += assembler.feed([delta for delta in deltas if not isinstance(delta, OutcomeDelta)])
    closing, terminal = assembler.finish(Outcome("cancelled"))
    for event in (*events, *closing, terminal):
        msgspec.json.encode(event)
