"""Broken answers: whatever the bytes, the decoder answers with deltas and never with an exception.

`ANTIPHON_FUZZ_N` is the number of inputs for each dialect, `ANTIPHON_FUZZ_SEED` another beginning.
"""

import os
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.providers.anthropic.decode import AnthropicDecoder
from antiphon.providers.anthropic.reader import Expected
from antiphon.providers.anthropic.state import read_state
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames
from tests.helpers.requests import make_request
from tests.providers.anthropic.corpus import CASES, target_for
from tests.providers.corpus import lines
from tests.providers.test_chat_fuzz import MUTATIONS

INPUTS = min(int(os.environ.get("ANTIPHON_FUZZ_N", "4000")), 200_000)
SEED = os.environ.get("ANTIPHON_FUZZ_SEED", "1")
BODIES = [case.body()[:6000] for case in CASES]
TYPES = ["text/event-stream", "application/json", "", "text/html"]
EXPECTED = [Expected(), Expected(vendor=True), Expected(answer_tool="person")]
TARGET = target_for("anthropic/claude-opus-4-8")
TOKENS = [
    b'"content_block_start"', b'"content_block_delta"', b'"message_stop"', b'"message_delta"', b'"type":"error"', b'"index":0',
    b'"index":-1', b'"index":1e99', b'"tool_use"', b'"server_tool_use"', b'"web_search_tool_result"', b'"thinking"',
    b'"redacted_thinking"', b'"partial_json":"{"', b'"citation":{"url":""}', b'"input":[', b"{}", b"null", b'"usage":{"input_tokens":-1}',
    rb"\ud83d", b"\xff", b"\n\n", b"event: error\n", b"[" * 2000,
]  # fmt: skip


def tools() -> ClientCalls:
    request = make_request(tools=[{"type": "custom", "name": "get_weather"}, {"type": "custom", "name": "apply_patch"}])
    return ClientCalls(ToolNames(request.tools))


def mutated(dice: random.Random) -> bytes:
    body = dice.choice(BODIES)
    for _ in range(dice.randrange(1, 4)):
        if dice.random() < 0.5:
            body = dice.choice(MUTATIONS)(body, dice)
        else:
            place, token = dice.randrange(len(body) + 1), dice.choice(TOKENS)
            body = body[:place] + token + body[place + dice.choice((0, len(token))) :]
    return body


@pytest.mark.timeout(3600)
def test_no_bytes_make_the_decoder_raise_and_splits_change_nothing() -> None:
    dice = random.Random(SEED)
    for number in range(INPUTS):
        body = mutated(dice)
        expected, kind = dice.choice(EXPECTED), dice.choice(TYPES[:3] if number % 50 else TYPES)
        custom = dice.random() < 0.5
        one = AnthropicDecoder(expected, TARGET, content_type=kind, calls=tools() if custom else None)
        two = AnthropicDecoder(expected, TARGET, content_type=kind, calls=tools() if custom else None)
        middle = dice.randrange(len(body) + 1)
        whole = [*one.feed(body), *one.eof()]
        split = [*two.feed(body[:middle]), *two.feed(body[middle:]), *two.eof()]
        assert lines(whole) == lines(split)
        assert [*one.feed(body), *one.eof()] == [], "something came after the end"


@given(st.binary(max_size=300), st.sampled_from(TYPES))
def test_random_bytes_never_raise(data: bytes, kind: str) -> None:
    decoder = AnthropicDecoder(Expected(), TARGET, content_type=kind)
    assert [*decoder.feed(data), *decoder.eof()]


@given(st.binary(max_size=100))
def test_a_state_of_somebody_else_is_none(data: bytes) -> None:
    found = read_state(data)
    assert found is None or all(isinstance(block, Raw) for block in found)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_a_state_that_is_no_list_of_blocks_is_none(value: object) -> None:
    assert read_state(msgspec.json.encode(value)) in (None, [])
