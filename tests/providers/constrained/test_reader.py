"""Calls that are written as text, read while they come: the same for every way of splitting them."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon.protocol.deltas import (
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Delta,
    Native,
    Opened,
    Reasoning,
    Stopped,
    StopReason,
    Text,
    UsageSeen,
)
from antiphon.protocol.request import CustomTool, FunctionTool
from antiphon.protocol.target import Target
from antiphon.providers.constrained.reader import CallReader
from antiphon.providers.names import ToolNames

TOOLS = (FunctionTool("set"), FunctionTool("set", namespace="home"), FunctionTool("a b"), CustomTool("patch"))
TARGET = Target(provider="p", model="m", protocol="chat", quirks="generic", base_url="http://h")


class Played:
    """A decoder that says what it was given, one batch for each read."""

    def __init__(self, batches: Iterable[list[Delta]]) -> None:
        self._batches = iter(batches)
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:  # noqa: ARG002 - its part is played
        return next(self._batches)

    def eof(self) -> list[Delta]:
        return [delta for batch in self._batches for delta in batch]


def read(*pieces: str, reason: StopReason = "completed") -> list[Delta]:
    """What is read of a text in pieces, each a read of its own, with arguments joined."""
    batches: list[list[Delta]] = [[Text("t", piece)] for piece in pieces]
    reader = CallReader(Played([*batches, [Stopped(reason)]]), ToolNames(TOOLS), target=TARGET)
    found = [delta for _ in pieces for delta in reader.feed(b"")] + reader.eof()
    return joined(found)


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    found: list[Delta] = []
    for delta in deltas:
        last = found[-1] if found else None
        if isinstance(delta, CallArguments) and isinstance(last, CallArguments):
            found[-1] = CallArguments(last.key, last.text + delta.text)
        elif isinstance(delta, Text) and isinstance(last, Text):
            found[-1] = Text(last.key, last.text + delta.text)
        else:
            found.append(delta)
    return found


def written(name: str, arguments: str) -> str:
    return f'{{\n  "name" : {msgspec.json.encode(name).decode()},\n\n"arguments":\t{arguments} \n}}'


@pytest.mark.parametrize(
    "arguments",
    ["{}", '{"a": 1}', '{ "a" : {"b": [1, {"c": "}]"}]}, "d": "\\"}" }', '{"a": "\\\\"}', '{"a": [[], {}]}'],
)
def test_a_call_is_read(arguments: str) -> None:
    opened, said, closed, stopped = read(written("set", arguments))
    assert isinstance(opened, CallOpened)
    assert (opened.name, opened.call_id, opened.kind) == ("set", "", "function")
    assert said == CallArguments(opened.key, arguments)
    assert closed == Closed(opened.key)
    assert stopped == Stopped("completed")


def test_tools_have_the_clients_names_again() -> None:
    opened = read(written("home__set", "{}"))[0]
    assert isinstance(opened, CallOpened)
    assert (opened.name, opened.namespace) == ("set", "home")
    wire = ToolNames(TOOLS).wire("a b")
    opened = read(written(wire, "{}"))[0]
    assert isinstance(opened, CallOpened)
    assert opened.name == "a b"


def test_a_custom_tool_gets_its_text() -> None:
    opened, said, *_ = read(written("patch", '{"input": "*** \\"go\\"\\n"}'))
    assert isinstance(opened, CallOpened)
    assert opened.kind == "custom"
    assert said == CallArguments(opened.key, '*** "go"\n')


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "  { not a call",
        '{"name": "other", "arguments": {}}',
        '{"name": "set", "arguments": "{}"}',
        '{"arguments": {}, "name": "set"}',
        '{"name": "set"',
        "{" * 2000,
        '{"name": "\\ud800", "arguments": {}}',
        '"set"',
    ],
)
def test_what_is_no_call_is_text(text: str) -> None:
    assert read(text) == [Text("t", text), Stopped("completed")]
    assert read(*text) == [Text("t", text), Stopped("completed")]


def test_blanks_alone_are_nothing() -> None:
    assert read(" \n ") == [Stopped("completed")]


def test_a_call_that_is_cut_at_the_limit_stays_cut() -> None:
    assert read('{"name":"set","arguments":{"a":"b', reason="max_output_tokens")[1:] == [
        CallArguments("constrained call", '{"a":"b'),
        Stopped("max_output_tokens"),
    ]


def test_a_call_that_breaks_off_is_a_fault() -> None:
    last = read('{"name":"set","arguments":{"a":"b')[-1]
    assert isinstance(last, Broke)
    assert last.fault.code == "upstream_truncated"


def test_the_rest_of_an_answer_passes() -> None:
    beside: list[Delta] = [Opened("u"), Reasoning("r", "Hm."), UsageSeen(1, 2)]
    reader = CallReader(Played([[*beside, Native(msgspec.Raw(b"{}"))]]), ToolNames(TOOLS), target=TARGET)
    assert reader.feed(b"") == beside
    assert not reader.done


_NAMES = st.sampled_from(["set", "home__set", "patch", "other", 'quo"te'])
_BLANKS = st.text(alphabet=" \t\r\n", max_size=3)
_ARGUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
).map(lambda value: msgspec.json.encode({"input": value}).decode())


@st.composite
def _texts(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(st.text(alphabet='{}[]"\\,: nameargusts', max_size=60))
    pieces = [
        "{",
        '"name"',
        ":",
        msgspec.json.encode(draw(_NAMES)).decode(),
        ",",
        '"arguments"',
        ":",
        draw(_ARGUMENTS),
        "}",
    ]
    text = "".join(draw(_BLANKS) + piece for piece in pieces)
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


@given(_texts(), st.data(), st.sampled_from(["completed", "max_output_tokens"]))
@example("{" + " " * 1200, None, "completed")
@settings(max_examples=300, deadline=None)
def test_it_does_not_matter_how_the_text_is_split(text: str, data: st.DataObject | None, reason: StopReason) -> None:
    whole = read(text, reason=reason)
    assert kinds(read(*text, reason=reason)) == kinds(whole)
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert kinds(read(*pieces, reason=reason)) == kinds(whole)


def kinds(deltas: list[Delta]) -> list[object]:
    """Faults are told apart by their codes."""
    return [delta.fault.code if isinstance(delta, Broke) else delta for delta in deltas]
