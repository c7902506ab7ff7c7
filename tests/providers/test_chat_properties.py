"""Any sequence of well-formed chunks: the same deltas for every split, in legal order, nothing of the text lost."""

import random
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from antiphon.protocol.deltas import (
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Reasoning,
    Refusal,
    Stopped,
    Text,
)
from tests.helpers.stream import check_stream
from tests.providers.corpus import lines, replay
from tests.providers.script import decoder
from tests.providers.told import told_json

WORDS = st.one_of(
    st.sampled_from(["", " ", "a", "<think>", "</think>", "\u2028", "\x00", "\U0001f600", "\n\ndata: x\n\n", "[DONE]"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
MAYBE = st.one_of(st.none(), WORDS)
FUNCTION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["get", "get_", "weather", "foo", "", None]),
        "arguments": st.one_of(MAYBE, st.sampled_from(["{", "}", "{}", {"a": 1}])),
    },
)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1, 2, None]),
        "id": st.sampled_from(["a", "b", "", None]),
        "function": st.one_of(st.none(), FUNCTION),
    },
)
PART = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": MAYBE}),
    st.fixed_dictionaries(
        {
            "type": st.just("thinking"),
            "thinking": st.one_of(MAYBE, st.lists(st.fixed_dictionaries({"text": MAYBE}), max_size=2)),
        }
    ),
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.one_of(MAYBE, st.lists(PART, max_size=2)),
        "reasoning": MAYBE,
        "reasoning_content": MAYBE,
        "reasoning_details": st.lists(
            st.fixed_dictionaries({"text": MAYBE, "index": st.sampled_from([0, 1, None])}), max_size=2
        ),
        "refusal": MAYBE,
        "tool_calls": st.one_of(st.none(), st.lists(CALL, max_size=3)),
        "function_call": st.one_of(st.none(), FUNCTION),
        "unknown": st.just({"a": [1, "x"]}),
    },
)
CHOICE = st.fixed_dictionaries(
    {"delta": st.one_of(st.none(), DELTA)},
    optional={
        "index": st.sampled_from([0, 1, None]),
        "finish_reason": st.sampled_from([None, None, "", "stop", "length", "tool_calls", "error"]),
    },
)
USAGE = st.one_of(
    st.none(),
    st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.sampled_from([None, 3, 4.0])}),
)
CHUNK = st.fixed_dictionaries(
    {"choices": st.one_of(st.none(), st.lists(CHOICE, max_size=2))},
    optional={
        "id": st.just("c"),
        "model": st.just("m"),
        "usage": USAGE,
        "error": st.sampled_from([None, {"message": "x", "code": 500}]),
    },
)
STREAM = st.lists(st.one_of(CHUNK, st.sampled_from([b": ping\n\n", b"data: [DONE]\n\n"])), max_size=8)


def body_of(frames: list[Any], ending: bytes = b"\n") -> bytes:
    return b"".join(
        frame if isinstance(frame, bytes) else b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames
    ).replace(b"\n", ending)


@given(frames=STREAM, seed=st.integers(0, 2**32), ending=st.sampled_from([b"\n", b"\r\n", b"\r"]), think=st.booleans())
def test_the_splits_change_nothing(frames: list[Any], seed: int, ending: bytes, think: bool) -> None:
    dice = random.Random(seed)
    body = body_of(frames, ending)
    cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.randrange(8)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    whole = lines(replay(decoder(think_tags=think), [body_of(frames)]))
    assert lines(replay(decoder(think_tags=think), pieces)) == whole
    assert lines(replay(decoder(think_tags=think), [body[at : at + 1] for at in range(len(body))])) == whole


@given(frames=STREAM)
def test_the_order_of_deltas_is_legal_and_so_is_the_clients_stream(frames: list[Any]) -> None:
    deltas = replay(decoder(), [body_of(frames)])
    open_calls: set[object] = set()
    for delta in deltas:
        if isinstance(delta, CallOpened):
            assert delta.key not in open_calls
            assert delta.name
            open_calls.add(delta.key)
        elif isinstance(delta, CallArguments | Closed):
            assert delta.key in open_calls
        if isinstance(delta, Text | Reasoning | Refusal | CallArguments):
            assert delta.text
    assert isinstance(deltas[-1], Broke) or sum(isinstance(delta, Stopped) for delta in deltas) == 1
    check_stream(told_json(deltas), usage_optional=True)


@given(
    pieces=st.lists(WORDS, max_size=10), field=st.sampled_from(["content", "reasoning", "reasoning_content", "refusal"])
)
def test_nothing_of_a_text_is_lost(pieces: list[str], field: str) -> None:
    frames = [{"choices": [{"delta": {field: piece}}]} for piece in pieces]
    stop = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    deltas = replay(decoder(), [body_of([*frames, stop])])
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text | Reasoning | Refusal)) == "".join(pieces)


@given(text=WORDS, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_thoughts_and_text_are_told_apart_wherever_the_tags_are_cut(text: str, cuts: list[int]) -> None:
    written = f"<think>\na<b {text.replace('</think>', '')}.</think>\n\nThe answer{text}"
    places = sorted({min(cut, len(written)) for cut in cuts} | {0, len(written)})
    pieces = [written[start:end] for start, end in pairwise(places)]
    frames = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
    deltas = replay(
        decoder(think_tags=True), [body_of([*frames, {"choices": [{"delta": {}, "finish_reason": "stop"}]}])]
    )
    thought = "".join(delta.text for delta in deltas if isinstance(delta, Reasoning))
    assert thought == f"a<b {text.replace('</think>', '')}."
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == f"The answer{text}"


@given(
    text=st.text(st.sampled_from("a\U0001f600\U0010ffff\u00e9"), max_size=12),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_text_cut_at_utf_16_units_is_put_together(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le")
    places = sorted({min(cut * 2, len(units)) for cut in cuts} | {0, len(units)})
    frames = []
    for start, end in pairwise(places):
        escaped = b"".join(b"\\u%04x" % int.from_bytes(units[at : at + 2], "little") for at in range(start, end, 2))
        frames.append(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % escaped)
    frames.append(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n')
    deltas = replay(decoder(), frames)
    found = "".join(delta.text for delta in deltas if isinstance(delta, Text))
    assert found == text
