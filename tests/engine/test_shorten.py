"""What goes first when a conversation is too long, and what never goes."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.dialects.responses import parse_create
from antiphon.engine.history import check_calls
from antiphon.engine.prepare import _fitting
from antiphon.engine.shorten import shorten, weight
from antiphon.protocol.items import InputItem, decode_item
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from tests.helpers.requests import create_body

Json = dict[str, Any]


def items(*values: Json) -> list[InputItem]:
    raws = [msgspec.json.encode(value) for value in values]
    return [InputItem(decode_item(raw, path=f"input[{at}]"), raw, f"input[{at}]") for at, raw in enumerate(raws)]


def said(role: str, text: str = "x" * 100) -> Json:
    return {"role": role, "content": text}


def call(call_id: str) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": '{"a":"' + "x" * 60 + '"}'}


def output(call_id: str) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": "y" * 60}


def thought() -> Json:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": "z" * 60}]}


def places(values: list[InputItem], keep: float) -> list[int] | None:
    found = shorten(values, keep=keep)
    return None if found is None else [int(item.path[6:-1]) for item in found.items]


TURNS = items(
    said("system"),
    said("user"),
    said("assistant"),
    said("user"),
    said("developer"),
    thought(),
    call("a"),
    output("a"),
    said("assistant"),
    said("user"),
)


@pytest.mark.parametrize(
    ("keep", "left"),
    [(0.99, [0, 3, 4, 5, 6, 7, 8, 9]), (0.5, [0, 4, 9]), (0.0, [0, 4, 9])],
)
def test_whole_turns_go_and_the_oldest_first(keep: float, left: list[int]) -> None:
    assert places(TURNS, keep) == left


def test_of_the_last_turn_the_oldest_rounds_go() -> None:
    rounds = [said("user"), *(one for name in "abc" for one in (thought(), call(name), output(name)))]
    assert places(items(*rounds), 0.9) == [0, 4, 5, 6, 7, 8, 9]
    assert places(items(*rounds), 0.0) == [0, 7, 8, 9]


def test_parallel_calls_are_one_round() -> None:
    rounds = [said("user"), call("a"), call("b"), output("b"), output("a"), call("c"), output("c")]
    assert places(items(*rounds), 0.9) == [0, 5, 6]


def test_an_output_that_comes_late_goes_with_its_call() -> None:
    late = [said("user"), call("a"), said("user"), output("a"), said("assistant"), said("user")]
    left = places(items(*late), 0.9)
    assert left is not None
    assert (1 in left) == (3 in left)


@pytest.mark.parametrize("only", [[said("user")], [said("system"), said("user"), said("user")], [], [said("system")]])
def test_a_single_turn_cannot_be_shortened(only: list[Json]) -> None:
    assert shorten(items(*only), keep=0.1) is None


def test_the_last_round_stays() -> None:
    assert shorten(items(said("user"), call("a"), output("a")), keep=0.0) is None


def test_media_weigh_the_same_whatever_their_size() -> None:
    def image(size: int) -> InputItem:
        url = "data:image/png;base64," + base64.b64encode(b"p" * size).decode()
        return items({"role": "user", "content": [{"type": "input_image", "image_url": url}]})[0]

    assert weight(image(10)) == weight(image(1_000_000)) < 5000


_PIECES = st.lists(st.sampled_from(["user", "assistant", "system", "thought", "call", "calls"]), max_size=30)


@given(pieces=_PIECES, keep=st.floats(0, 1), late=st.booleans())
def test_whatever_goes_what_is_left_adds_up(pieces: list[str], keep: float, *, late: bool) -> None:
    values: list[Json] = []
    waiting: list[Json] = []
    for number, piece in enumerate(pieces):
        match piece:
            case "thought":
                values.append(thought())
            case "call":
                values += [call(f"c{number}"), *([] if late else [output(f"c{number}")])]
                waiting += [output(f"c{number}")] if late else []
            case "calls":
                pair = [f"p{number}", f"q{number}"]
                values += [*map(call, pair), *map(output, pair)]
            case role:
                values.append(said(role))
                values += waiting
                waiting = []
    given_items = items(*values, *waiting)
    check_calls(given_items)
    found = shorten(given_items, keep=keep)
    if found is None:
        return
    check_calls(found.items)
    assert 0 < found.dropped == len(given_items) - len(found.items)
    systems = [item for item in given_items if getattr(item.value, "role", "") == "system"]
    assert [item for item in found.items if getattr(item.value, "role", "") == "system"] == systems
    users = [item for item in given_items if getattr(item.value, "role", "") == "user"]
    assert not users or users[-1] in found.items
    order = [given_items.index(item) for item in found.items]
    assert order == sorted(order)


def _target(context_tokens: int | None) -> Target:
    return Target("p", "m", "chat", "generic", "http://host/v1", context_tokens=context_tokens)


def _asked(**body: Any) -> Request:
    history = [said("user", "x" * 4000), said("assistant"), said("user", "short")]
    return parse_create(create_body(input=history, **body))


def test_what_cannot_fit_is_left_out_before_anything_is_sent() -> None:
    fitting = _fitting(_asked(truncation="auto"), _target(500))
    assert [item.path for item in fitting.input] == ["input[2]"]
    assert fitting.body == b""
    (notice,) = fitting.notices
    assert (notice.where, notice.kind, notice.became) == ("truncation", "emulated", "2 of 3 items left out")


def test_room_for_the_answer_counts() -> None:
    asked = _asked(truncation="auto", max_output_tokens=3000)
    assert len(_fitting(asked, _target(4000)).input) == 1
    assert _fitting(asked, _target(8000)) is asked


@pytest.mark.parametrize(("truncation", "context"), [("disabled", 500), ("auto", None), ("auto", 100_000)])
def test_nothing_is_left_out_unasked_or_unknown_or_without_need(truncation: str, context: int | None) -> None:
    asked = _asked(truncation=truncation)
    assert _fitting(asked, _target(context)) is asked
