"""Broken answers: whatever the bytes, a decoder answers with deltas and never with an exception.

`ANTIPHON_FUZZ_N` is the number of inputs for each protocol (20,000; the long tier runs 1,000,000), `ANTIPHON_FUZZ_SEED`
another beginning.
"""

import json
import os
import random
from collections.abc import Callable, Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.protocol.deltas import Broke, Delta, Stopped
from antiphon.protocol.request import CustomTool, FunctionTool
from antiphon.providers.anthropic import reader as anthropic
from antiphon.providers.anthropic.decode import AnthropicFrames
from antiphon.providers.base import Decoder
from antiphon.providers.chat import reader as chat
from antiphon.providers.chat.decode import ChatFrames
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.gemini import reader as gemini
from antiphon.providers.gemini.decode import GeminiFrames
from antiphon.providers.gemini.objects import ObjectSplitter
from antiphon.providers.names import ToolNames
from antiphon.providers.responses import reader as responses
from antiphon.providers.responses.decode import ResponsesFrames
from antiphon.providers.shared.framing import Framing
from tests.providers.corpus import CODECS, cut_evenly, lines, replay, target_for
from tests.providers.garble import Garbler
from tests.providers.told import told

INPUTS = int(os.environ.get("ANTIPHON_FUZZ_N", "20000"))
SEED = os.environ.get("ANTIPHON_FUZZ_SEED", "1")
TYPES = ["text/event-stream", "application/json", "", "text/html"]
STATUSES = [302, 400, 401, 402, 403, 404, 413, 429, 500, 503, 504]
NAMES = ToolNames(
    [CustomTool("get_time"), FunctionTool("get.weather"), CustomTool("get_weather"), CustomTool("apply_patch")]
)
CALLS: list[Callable[[], ClientCalls | None]] = [
    lambda: None,
    lambda: ClientCalls(NAMES),
    lambda: ClientCalls(NAMES, native=True),
]
#: A decoder for an answer of that content type: as often as it is called, one just like the one before.
Make = Callable[[str], Decoder]
TARGETS = {
    "anthropic": target_for("anthropic/claude-opus-4-8", "anthropic"),
    "chat": target_for("generic/m"),
    "gemini": target_for("gemini/gemini-3-pro", "gemini"),
    "responses": target_for("openai/gpt-5", "responses"),
}


def any_anthropic(dice: random.Random) -> Make:
    expected = dice.choice(
        [anthropic.Expected(), anthropic.Expected(vendor=True), anthropic.Expected(answer_tool="person")]
    )
    calls = dice.choice(CALLS)
    target = TARGETS["anthropic"]
    return lambda kind: Framing(AnthropicFrames(expected, target), target, content_type=kind, calls=calls())


def any_chat(dice: random.Random) -> Make:
    known = frozenset({"get_weather", "get_time"})
    expected = dice.choice(
        [chat.Expected(), chat.Expected(logprobs=True), chat.Expected(think_tags=True), chat.Expected(known=known)]
    )
    calls = dice.choice(CALLS)
    target = TARGETS["chat"]
    return lambda kind: Framing(ChatFrames(expected, target), target, content_type=kind, calls=calls())


def any_gemini(dice: random.Random) -> Make:
    expected = dice.choice([gemini.Expected(), gemini.Expected(logprobs=True), gemini.Expected(one_call=True)])
    calls = dice.choice(CALLS)
    target = TARGETS["gemini"]
    return lambda kind: Framing(
        GeminiFrames(expected, target), target, content_type=kind, calls=calls(), bodies=ObjectSplitter()
    )


def any_responses(dice: random.Random) -> Make:
    expected = dice.choice(
        [responses.Expected(), responses.Expected(thoughts=True), responses.Expected(names=NAMES, hidden_limit=9)]
    )
    target = TARGETS["responses"]
    return lambda kind: Framing(ResponsesFrames(expected, target), target, content_type=kind)


ANY: Mapping[str, Callable[[random.Random], Make]] = {
    "anthropic": any_anthropic,
    "chat": any_chat,
    "gemini": any_gemini,
    "responses": any_responses,
}
each_protocol = pytest.mark.parametrize("protocol", sorted(CODECS))


@each_protocol
@pytest.mark.timeout(3600)
def test_no_bytes_make_the_decoder_raise_and_splits_change_nothing(protocol: str) -> None:
    dice = random.Random(SEED)
    garbler = Garbler(protocol, dice)
    for number in range(INPUTS):
        body = garbler.body()
        make, kind = ANY[protocol](dice), dice.choice(TYPES[:3] if number % 50 else TYPES)
        middle = dice.randrange(len(body) + 1)
        decoder = make(kind)
        deltas = replay(decoder, [body[:middle], body[middle:]])
        check_outcome(protocol, deltas)
        assert decoder.done
        assert replay(decoder, [body]) == [], "something came after the end"
        if number % 5 == 0:
            assert lines(replay(make(kind), [body])) == lines(deltas)
            check_the_rest(deltas)
        if number % 50 == 0:
            assert lines(replay(make(kind), cut_evenly(body, 7))) == lines(deltas)


@each_protocol
@given(body=st.binary(max_size=300), kind=st.sampled_from(TYPES))
@settings(max_examples=200)
def test_random_bytes_end_once(protocol: str, body: bytes, kind: str) -> None:
    deltas = replay(ANY[protocol](random.Random(SEED))(kind), [body])
    check_outcome(protocol, deltas)
    check_the_rest(deltas)


@each_protocol
@pytest.mark.timeout(3600)
def test_error_bodies_of_any_kind_are_explained(protocol: str) -> None:
    dice = random.Random(SEED)
    garbler = Garbler(protocol, dice)
    for _ in range(INPUTS // 10):
        fault = CODECS[protocol].fault(dice.choice(STATUSES), {}, body=garbler.body(), target=TARGETS[protocol])
        assert len(fault.message) < 700
        assert fault.message.isprintable()


def check_outcome(protocol: str, deltas: list[Delta]) -> None:
    """It ended, once, and a fault is the last word: where a reason to stop comes first, it may still follow."""
    assert not any(isinstance(delta, Broke) for delta in deltas[:-1])
    stops = sum(isinstance(delta, Stopped) for delta in deltas)
    assert stops == 1 or (stops == 0 and isinstance(deltas[-1], Broke))
    assert protocol != "responses" or not (stops and isinstance(deltas[-1], Broke))  # its end is one event


def check_the_rest(deltas: list[Delta]) -> None:
    """The assembler takes it, and all of it can be written as JSON: its numbers may be of any size."""
    lines(deltas)
    for event in told(deltas):
        assert json.loads(msgspec.json.encode(event))
