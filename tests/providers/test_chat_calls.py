"""Which fragment belongs to which call: each row a shape that some server was seen to send."""

import pytest

from antiphon.protocol.deltas import CallArguments, CallOpened
from antiphon.providers.chat.calls import CallMixUpError, CallTracker
from tests.providers.corpus import lines

KNOWN = frozenset({"get", "get_weather", "get_time", "foofoo", "foo"})
Fragment = tuple[int | None, str, str, str]
Call = tuple[str, str, str]


def calls_of(*fragments: Fragment, known: frozenset[str] = KNOWN, close: bool = True) -> list[Call]:
    """(id, name, arguments) of the calls that the fragments make, in order of announcement."""
    tracker = CallTracker(known)
    deltas = [
        delta
        for index, call_id, name, arguments in fragments
        for delta in tracker.add(index, call_id, name=name, arguments=arguments)
    ]
    deltas += tracker.finish(close=close)
    opened = [delta for delta in deltas if isinstance(delta, CallOpened)]
    pieces = [delta for delta in deltas if isinstance(delta, CallArguments)]
    return [
        (call.call_id, call.name, "".join(piece.text for piece in pieces if piece.key == call.key)) for call in opened
    ]


TABLE: list[tuple[str, list[Fragment], list[Call]]] = [
    ("one call", [(0, "a", "get_time", ""), (0, "", "", "{"), (0, "", "", "}")], [("a", "get_time", "{}")]),
    ("id and name repeated", [(0, "a", "get_time", "{"), (0, "a", "get_time", "}")], [("a", "get_time", "{}")]),
    ("name repeated without the id", [(0, "a", "get_time", "{"), (0, "", "get_time", "}")], [("a", "get_time", "{}")]),
    ("name repeated before arguments", [(0, "a", "foo", ""), (0, "a", "foo", "{}")], [("a", "foo", "{}")]),
    ("name in pieces", [(0, "a", "get_", ""), (0, "", "time", "{}")], [("a", "get_time", "{}")]),
    ("equal pieces that make a known name", [(0, "a", "foo", ""), (0, "", "foo", "{}")], [("a", "foofoo", "{}")]),
    ("the name so far and more", [(0, "a", "get_t", ""), (0, "a", "get_time", "{}")], [("a", "get_time", "{}")]),
    ("id in pieces", [(0, "ca", "", ""), (0, "ll", "get_time", "{}")], [("call", "get_time", "{}")]),
    ("id first, name second", [(0, "a", "", ""), (0, "", "get_time", "{}")], [("a", "get_time", "{}")]),
    ("name first, id second", [(0, "", "get_time", ""), (0, "a", "", "{}")], [("a", "get_time", "{}")]),
    ("name first, id second, no index", [(None, "", "get_time", ""), (None, "a", "", "{}")], [("a", "get_time", "{}")]),
    ("id after the arguments began", [(0, "", "get_time", "{"), (0, "a", "", "}")], [("", "get_time", "{}")]),
    ("name after the arguments", [(0, "a", "", "{"), (0, "", "get_time", "}")], [("a", "get_time", "{}")]),
    ("no id at all", [(0, "", "get_time", "{}")], [("", "get_time", "{}")]),
    ("no index, by id", [(None, "a", "get_time", "{"), (None, "b", "get", "["), (None, "a", "", "}")],
     [("a", "get_time", "{}"), ("b", "get", "[")]),
    ("no index, no id: the last one", [(None, "a", "get_time", "{"), (None, "", "", "}")], [("a", "get_time", "{}")]),
    ("interleaved", [(0, "a", "get_time", ""), (1, "b", "get", ""), (0, "", "", "{"), (1, "", "", "["), (0, "", "", "}")],
     [("a", "get_time", "{}"), ("b", "get", "[")]),
    ("index out of order", [(5, "a", "get_time", "{}"), (2, "b", "get", "{}")], [("a", "get_time", "{}"), ("b", "get", "{}")]),
    ("shared index, new id and name", [(0, "a", "get_time", "{}"), (0, "b", "get", "{}")],
     [("a", "get_time", "{}"), ("b", "get", "{}")]),
    ("shared index, new id, no arguments yet", [(0, "a", "get_time", ""), (0, "b", "get", "")],
     [("a", "get_time", ""), ("b", "get", "")]),
    ("shared index, new name only", [(0, "", "get_time", "{}"), (0, "", "get", "{}")],
     [("", "get_time", "{}"), ("", "get", "{}")]),
    ("shared index, two whole names, no arguments", [(0, "", "get_time", ""), (0, "", "get_weather", "{}")],
     [("", "get_time", ""), ("", "get_weather", "{}")]),
    ("shared index, ids on every fragment",
     [(0, "a", "get_time", "{"), (0, "b", "get", "["), (0, "a", "", "}"), (0, "b", "", "]")],
     [("a", "get_time", "{}"), ("b", "get", "[]")]),
    ("the same function twice, whole", [(None, "", "get", '{"a":1}'), (None, "", "get", '{"a":2}')],
     [("", "get", '{"a":1}'), ("", "get", '{"a":2}')]),
    ("the same function twice, no arguments", [(None, "", "get", ""), (None, "", "get", "")], [("", "get", ""), ("", "get", "")]),
    ("two calls with one id", [(0, "a", "get", "{}"), (1, "a", "get_time", "{}")], [("a", "get", "{}"), ("", "get_time", "{}")]),
    ("empty entries", [(0, "", "", ""), (0, "a", "get", "{}"), (1, "", "", "")], [("a", "get", "{}")]),
    ("arguments that are no JSON", [(0, "a", "get", "{'x"), (0, "", "", "\x00")], [("a", "get", "{'x\x00")]),
    ("braces inside strings", [(0, "", "get", '{"a":"}'), (0, "", "get", '{"}')], [("", "get", '{"a":"}{"}')]),
]  # fmt: skip


@pytest.mark.parametrize(("fragments", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_fragments_make_calls(fragments: list[Fragment], wanted: list[Call]) -> None:
    assert calls_of(*fragments) == wanted


def test_unknown_names_in_pieces_are_joined_too() -> None:
    assert calls_of((0, "a", "list_", ""), (0, "", "files", "{}"), known=frozenset()) == [("a", "list_files", "{}")]
    assert calls_of((0, "a", "list", ""), (0, "a", "list", "{}"), known=frozenset()) == [("a", "list", "{}")]


def test_a_call_is_announced_when_its_name_is_complete_and_not_before() -> None:
    tracker = CallTracker(KNOWN)
    assert tracker.add(0, "a", name="get_", arguments="") == []
    assert tracker.add(0, "", name="time", arguments="") == []
    assert [type(delta).__name__ for delta in tracker.add(1, "b", name="get", arguments="")] == ["CallOpened"]
    assert tracker.add(0, "", name="", arguments="{}") == [CallArguments("call-0", "{}")]
    assert [line.decode() for line in lines(tracker.finish(close=True))] == [
        '{"delta":"CallOpened","key":"call-1","call_id":"b","name":"get","kind":"function"}',
        '{"delta":"Closed","key":"call-0"}',
        '{"delta":"Closed","key":"call-1"}',
    ]


def test_a_cut_answer_leaves_its_calls_open() -> None:
    tracker = CallTracker(KNOWN)
    tracker.add(0, "a", name="get", arguments="{")
    assert tracker.finish(close=False) == []
    assert tracker.add(0, "", name="", arguments="}") == [CallArguments("call-0", "}")]


def test_a_call_without_a_name_is_an_error() -> None:
    with pytest.raises(CallMixUpError, match="without a name"):
        calls_of((0, "a", "", "{}"))


def test_after_the_end_a_repeated_call_is_ignored_and_a_longer_one_is_an_error() -> None:
    tracker = CallTracker(KNOWN)
    tracker.add(0, "a", name="get", arguments="{}")
    tracker.finish(close=True)
    assert tracker.add(0, "a", name="get", arguments="{}") == []
    assert tracker.add(0, "a", name="", arguments="") == []
    with pytest.raises(CallMixUpError, match="after its end"):
        tracker.add(0, "a", name="", arguments="}")
