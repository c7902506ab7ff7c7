"""Broken answers: whatever the bytes, the decoder answers with deltas and never with an exception.

`ANTIPHON_FUZZ_N` is the number of inputs (20,000; the long tier runs more), `ANTIPHON_FUZZ_SEED` another beginning.
"""

import os
import random

import msgspec
import pytest

from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import Broke, Delta, OutcomeDelta, Stopped
from antiphon.providers.gemini.decode import GeminiDecoder
from antiphon.providers.gemini.reader import Expected
from tests.helpers.requests import make_assembler
from tests.providers.corpus import lines
from tests.providers.gemini.corpus import CASES, CODEC, target_for

INPUTS = int(os.environ.get("ANTIPHON_FUZZ_N", "20000"))
SEED = os.environ.get("ANTIPHON_FUZZ_SEED", "1")
BODIES = [case.body()[:6000] for case in CASES]
TYPES = ["text/event-stream", "application/json", "", "text/html"]
EXPECTED = [Expected(), Expected(logprobs=True), Expected(one_call=True)]
TARGET = target_for("gemini/gemini-3-pro")
TOKENS = [
    b"\n\n", b"\r", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b"null", b"{}", b"[]", b'""', b'"', b"{", b"}", b"[", b"]", b",",
    b":", b"\\", rb"\ud83d", rb"\ude00", b"\xed\xa0\xbd", b"\xff", b"\x00", b"\xef\xbb\xbf", b"-1", b"1e999", b"99999999999999999999",
    b"true", b'"text":"x"', b'"thought":true', b'"thoughtSignature":"x"', b'"functionCall":{"name":"f"}', b'"functionCall":{}',
    b'"functionCall":{"args":{"a":1}}', b'"finishReason":"STOP"', b'"error":{"code":429}', b'"toolCall":{"toolType":"GOOGLE_SEARCH_WEB"}',
    b'"toolResponse":{}', b'"partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x"}]', b'"willContinue":true', b"[" * 2000,
    b'"groundingMetadata":{"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0,-1,9]}]}',
]  # fmt: skip


def mutated(body: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(body) + 1)
    token = dice.choice(TOKENS)
    other = dice.choice(BODIES)
    return dice.choice(
        [
            body[:place] + bytes([dice.randrange(256)]) + body[place + 1 :],
            body[:place] + token + body[place:],
            body[:place] + token + body[place + len(token) :],
            body[:place],
            body[:place] + body[place + dice.randrange(60) :],
            body[: place + dice.randrange(300)] + body[place:],
            body[:place] + other[dice.randrange(len(other) + 1) :],
        ]
    )


@pytest.mark.timeout(3600)
def test_no_bytes_make_the_decoder_raise() -> None:
    dice = random.Random(SEED)
    for number in range(INPUTS):
        body = dice.choice(BODIES)
        for _ in range(dice.randrange(1, 4)):
            body = mutated(body, dice)
        expected, kind = dice.choice(EXPECTED), dice.choice(TYPES[:3] if number % 50 else TYPES)
        middle = dice.randrange(len(body) + 1)
        decoder = GeminiDecoder(expected, TARGET, content_type=kind)
        deltas = decoder.feed(body[:middle]) + decoder.feed(body[middle:]) + decoder.eof()
        assert (decoder.feed(body), decoder.eof()) == ([], []), "something came after the end"
        check_outcome(deltas)
        if number % 20 == 0:
            whole = GeminiDecoder(expected, TARGET, content_type=kind)
            assert lines(whole.feed(body) + whole.eof()) == lines(deltas)
            check_the_rest(deltas)


@pytest.mark.timeout(3600)
def test_error_bodies_of_any_kind_are_explained() -> None:
    dice = random.Random(SEED)
    for _ in range(INPUTS // 10):
        body = mutated(dice.choice(BODIES), dice)
        fault = CODEC.fault(
            dice.choice([302, 400, 401, 403, 404, 413, 429, 500, 503, 504]), {}, body=body, target=TARGET
        )
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
    assembler = make_assembler()
    events = assembler.open()
    events += assembler.feed([delta for delta in deltas if not isinstance(delta, OutcomeDelta)])
    closing, terminal = assembler.finish(Outcome("cancelled"))
    for event in (*events, *closing, terminal):
        msgspec.json.encode(event)
