"""Answers in the words of the Messages API: blocks, ends, usage, errors; a stream and a whole answer say the same."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.dialects.messages.context import AppliedEdit
from antiphon.dialects.messages.encode import Asked
from antiphon.dialects.messages.signature import pack, unpack
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import (
    Annotation,
    CallArguments,
    CallOpened,
    Closed,
    Delta,
    Reasoning,
    Refusal,
    Seal,
    SearchDone,
    SearchOpened,
    Stopped,
    Text,
)
from antiphon.protocol.faults import Fault, LimitFault, RequestFault, ServerFault, UpstreamFault
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage
from tests.helpers.messages_run import run_both, run_stream
from tests.helpers.messages_stream import check_messages_stream, read_messages_events
from tests.protocol.test_assembler_properties import KEYS, RUNS, USAGES, WORDS

Json = dict[str, Any]

USAGE = Usage(30, 12, 42)
CITATION = Raw(b'{"type":"url_citation","url":"https://a.example/","title":"A","start_index":0,"end_index":5}')
ACTION = Raw(b'{"type":"search","query":"rain","sources":[{"type":"url","url":"https://a.example/"}]}')


def text(words: str, **fields: object) -> Json:
    return {"type": "text", "text": words, **fields}


def call(call_id: str, name: str, **arguments: object) -> Json:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def thought(words: str, signature: str = "sealed") -> Json:
    return {"type": "thinking", "thinking": words, "signature": signature}


#: What was said, the blocks that come of it, and the reason to stop.
CASES: list[tuple[str, list[Delta], list[Json], str]] = [
    ("nothing", [], [], "end_turn"),
    ("text", [Text(0, "Hel"), Text(0, "lo")], [text("Hello")], "end_turn"),
    ("empty text is no block", [Text(0, "")], [], "end_turn"),
    ("two messages", [Text(0, "a"), Closed(0), Text(1, "b")], [text("a"), text("b")], "end_turn"),
    ("a call", [CallOpened(0, "c", "f"), CallArguments(0, '{"a":1}')], [call("c", "f", a=1)], "tool_use"),
    ("a call without arguments", [CallOpened(0, "c", "f")], [call("c", "f")], "tool_use"),
    (
        "thought, text, call",
        [Reasoning(0, "hm"), Text(1, "Well"), CallOpened(2, "c", "f"), CallArguments(2, "{}")],
        [thought("hm"), text("Well"), call("c", "f")],
        "tool_use",
    ),
    (
        "parallel calls, side by side",
        [
            CallOpened(0, "a", "f"),
            CallOpened(1, "b", "g"),
            CallArguments(1, '{"y"'),
            CallArguments(0, '{"x":1}'),
            CallArguments(1, ":2}"),
        ],
        [call("a", "f", x=1), call("b", "g", y=2)],
        "tool_use",
    ),
    (
        "text behind a call",
        [CallOpened(0, "a", "f"), CallArguments(0, "{}"), Text(1, "So")],
        [call("a", "f"), text("So")],
        "tool_use",
    ),
    (
        "a thought in parts",
        [Reasoning(0, "a", 0), Reasoning(0, "b", 1), Seal(0, b"s")],
        [thought("a\n\nb", "sealed:s")],
        "end_turn",
    ),
    ("raw thought", [Reasoning(0, "a", kind="raw")], [thought("a")], "end_turn"),
    ("a thought that is not shown", [Seal(0, b"s")], [{"type": "redacted_thinking", "data": "sealed:s"}], "end_turn"),
    (
        "a custom tool's call",
        [CallOpened(0, "c", "f", "custom"), CallArguments(0, "plain"), CallArguments(0, ' "text"')],
        [call("c", "f", input='plain "text"')],
        "tool_use",
    ),
    (
        "a citation",
        [Text(0, "Sunny"), Annotation(0, CITATION)],
        [
            text(
                "Sunny",
                citations=[
                    {
                        "type": "web_search_result_location",
                        "url": "https://a.example/",
                        "title": "A",
                        "cited_text": "",
                        "encrypted_index": "",
                    }
                ],
            )
        ],
        "end_turn",
    ),
    (
        "a citation of something else",
        [Text(0, "Sunny"), Annotation(0, Raw(b'{"type":"file_citation","file_id":"f","index":0}'))],
        [text("Sunny")],
        "end_turn",
    ),
    ("a refusal", [Refusal(0, "No.")], [text("No.")], "refusal"),
]


@pytest.mark.parametrize(("said", "blocks", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("apart", [True, False], ids=["one by one", "at once"])
def test_blocks(said: list[Delta], blocks: list[Json], reason: str, *, apart: bool) -> None:
    batches: Sequence[Sequence[Delta]] = [[delta] for delta in said] if apart else [said]
    streamed, whole = run_both(batches)
    assert streamed["content"] == whole["content"] == blocks
    assert streamed["stop_reason"] == whole["stop_reason"] == reason
    assert streamed["usage"] == whole["usage"]
    assert streamed["id"] == whole["id"] == "msg_019361d47bf7700080000123456789ab"
    assert streamed["model"] == whole["model"] == "test-model"


def test_a_search_is_a_call_and_its_result() -> None:
    streamed, whole = run_both([[SearchOpened("s")], [SearchDone("s", ACTION)], [Text(0, "It rains.")]])
    asked, found, said = streamed["content"]
    assert (asked["type"], asked["name"], asked["input"]) == ("server_tool_use", "web_search", {"query": "rain"})
    assert found["tool_use_id"] == asked["id"]
    assert [hit["url"] for hit in found["content"]] == ["https://a.example/"]
    assert said == text("It rains.")
    assert whole["content"] == streamed["content"]
    assert whole["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


def test_a_search_that_failed_says_so() -> None:
    _, whole = run_both([[SearchDone("s", Raw(b'{"type":"open_page","url":"https://a.example/"}'), failed=True)]])
    asked, found = whole["content"]
    assert asked["input"] == {"query": "https://a.example/"}
    assert found["content"] == {"type": "web_search_tool_result_error", "error_code": "unavailable"}


def test_a_second_call_does_not_wait_for_the_end() -> None:
    """The first is whole before the second begins, although upstreams leave all calls open until the end."""
    first: list[Delta] = [CallOpened(0, "a", "f"), CallArguments(0, '{"x":1}')]
    raw, _ = run_stream([first, [CallOpened(1, "b", "g"), CallArguments(1, '{"y"')]], Outcome("failed", fault=STALLED))
    kinds = [event["type"] for event in read_messages_events(raw)]
    assert kinds[: kinds.index("error")].count("content_block_start") == 2


STALLED = UpstreamFault("The upstream stalled.", code="upstream_stall")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome("incomplete", USAGE, reason="max_output_tokens"), "max_tokens"),
        (Outcome("incomplete", USAGE, reason="content_filter"), "refusal"),
    ],
)
def test_an_answer_that_was_cut_says_why(outcome: Outcome, reason: str) -> None:
    streamed, whole = run_both([[Text(0, "Hel")]], outcome)
    assert streamed["stop_reason"] == whole["stop_reason"] == reason
    assert streamed["content"] == [text("Hel")]


def test_a_call_that_was_cut_is_no_object() -> None:
    outcome = Outcome("incomplete", USAGE, reason="max_output_tokens")
    streamed, whole = run_both([[CallOpened(0, "c", "f"), CallArguments(0, '{"a": "b')]], outcome)
    assert whole["content"] == streamed["content"] == [call("c", "f", _raw='{"a": "b')]
    assert whole["stop_reason"] == "max_tokens"


def test_the_upstreams_own_word_is_kept_where_it_says_more() -> None:
    outcome = Outcome("incomplete", USAGE, reason="max_output_tokens")
    said: list[Delta] = [Text(0, "Hel"), Stopped("max_output_tokens", "model_context_window_exceeded")]
    streamed, whole = run_both([said], outcome)
    assert streamed["stop_reason"] == whole["stop_reason"] == "model_context_window_exceeded"


def test_usage_leaves_out_what_was_cached() -> None:
    usage = Usage(30, 12, 42, InputDetails(10, 5), OutputDetails(4), estimated=True)
    streamed, whole = run_both([[Text(0, "Hi")]], Outcome("completed", usage))
    assert whole["usage"] == {
        "input_tokens": 15,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 5,
        "output_tokens": 12,
        "output_tokens_details": {"thinking_tokens": 4},
        "estimated": True,
    }
    assert streamed["usage"] == whole["usage"]


def test_a_stream_begins_with_an_estimate_and_ends_with_the_truth() -> None:
    raw, _ = run_stream([[Text(0, "Hi")]], asked=Asked("req_1", input_tokens=17))
    events = read_messages_events(raw)
    assert events[0]["message"]["usage"]["input_tokens"] == 17
    assert events[-2]["usage"]["input_tokens"] == 11


def test_what_was_done_to_the_context_is_told() -> None:
    edit = AppliedEdit("clear_tool_uses_20250919", 2, 1990)
    raw, _ = run_stream([[Text(0, "Hi")]], asked=Asked("req_1", edits=(edit,)))
    told = {"applied_edits": [{"type": edit.type, "cleared_tool_uses": 2, "cleared_input_tokens": 1990}]}
    assert read_messages_events(raw)[-2]["context_management"] == told
    _, whole = run_both([[Text(0, "Hi")]], asked=Asked("req_1", edits=()))
    assert whole["context_management"] == {"applied_edits": []}


FAULTS: list[tuple[Fault, str]] = [
    (STALLED, "timeout_error"),
    (UpstreamFault("Overloaded.", code="upstream_overloaded", status=503), "overloaded_error"),
    (UpstreamFault("Broken.", code="upstream_reset"), "api_error"),
    (UpstreamFault("Too many.", code="rate_limit_exceeded", status=429), "rate_limit_error"),
    (LimitFault("No credit left.", code="insufficient_quota", status=402), "billing_error"),
    (RequestFault("Too long.", code="context_length_exceeded"), "invalid_request_error"),
    (RequestFault("No."), "invalid_request_error"),
    (ServerFault("Going down.", code="shutting_down", status=503), "overloaded_error"),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda value: str(getattr(value, "code", value)))
def test_what_breaks_in_the_middle_ends_in_one_error(fault: Fault, kind: str) -> None:
    raw, _ = run_stream([[Text(0, "Hel")]], Outcome("failed", USAGE, fault=fault))
    found = check_messages_stream(raw, failed=True)
    assert found["error"] == {"type": kind, "message": fault.message}
    assert found["content"] == [text("Hel")]
    assert json.loads(raw.rpartition(b"data: ")[2])["request_id"] == "req_1"


def test_a_run_that_breaks_before_it_said_anything_ends_in_the_error() -> None:
    raw, _ = run_stream([], Outcome("failed", fault=STALLED))
    assert check_messages_stream(raw, failed=True)["content"] == []


def test_thoughts_that_shall_not_be_shown_travel_in_their_signature() -> None:
    asked = Asked("req_1", omits_thinking=True)
    said: list[Delta] = [Reasoning(0, "sec", 0), Reasoning(0, "ret", 1), Seal(0, b"s"), Text(1, "Hi")]
    streamed, whole = run_both([said], asked=asked)
    assert streamed["content"] == whole["content"]
    hidden = whole["content"][0]
    assert (hidden["type"], hidden["thinking"]) == ("thinking", "")
    assert unpack(hidden["signature"]) == ("sec\n\nret", "sealed:s")
    assert b"secret" not in run_stream([said], asked=asked)[0]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.from_regex(r"\A[a-z]+\Z"))
def test_a_signature_gives_back_what_was_put_in(words: str, seal: str | None) -> None:
    assert unpack(pack(words, seal)) == (words, seal)


@pytest.mark.parametrize(
    "foreign", ["EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk", "antiphon1.", "antiphon1.%%", "antiphon1.e30="]
)
def test_a_signature_of_somebody_else_stays_what_it_is(foreign: str) -> None:
    assert unpack(foreign) == ("", foreign)


SAID = st.one_of(
    st.builds(Text, KEYS, WORDS),
    st.builds(Refusal, KEYS, WORDS),
    st.builds(Annotation, KEYS, st.just(CITATION)),
    st.builds(Reasoning, KEYS, WORDS, st.integers(0, 2)),
    st.builds(CallOpened, KEYS, st.just(""), st.sampled_from(["f", "g"]), st.sampled_from(["function", "custom"])),
    st.builds(CallArguments, KEYS, st.one_of(WORDS, st.sampled_from(["{}", '{"a":', "1}"]))),
    st.builds(Seal, KEYS, st.just(b"s")),
    st.builds(SearchOpened, KEYS),
    st.builds(SearchDone, KEYS, st.just(ACTION)),
    st.builds(Closed, KEYS),
)
ENDS = st.one_of(
    st.builds(Outcome, st.just("completed"), USAGES),
    st.builds(Outcome, st.just("incomplete"), USAGES, st.sampled_from(["max_output_tokens", "content_filter"])),
)


@RUNS
@given(st.lists(st.lists(SAID, max_size=5), max_size=8), ENDS, st.booleans())
def test_any_deltas_give_a_legal_stream_that_says_what_the_whole_answer_says(
    batches: list[list[Delta]], outcome: Outcome, omits: bool
) -> None:
    streamed, whole = run_both(batches, outcome, asked=Asked("req_1", omits))
    assert [block["type"] for block in streamed["content"]] == [block["type"] for block in whole["content"]]
    for one, other in zip(streamed["content"], whole["content"], strict=True):
        if one["type"] != "tool_use":  # a call that goes on behind its end is cut there in a stream
            assert one == other
    assert streamed["usage"] == whole["usage"]


@RUNS
@given(st.lists(st.lists(SAID, max_size=5), max_size=8), st.sampled_from([fault for fault, _ in FAULTS]))
def test_any_deltas_that_break_off_give_a_legal_stream(batches: list[list[Delta]], fault: Fault) -> None:
    raw, _ = run_stream(batches, Outcome("failed", fault=fault))
    check_messages_stream(raw, failed=True)
