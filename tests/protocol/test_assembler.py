"""The rules of the Assembler, one by one; bug numbers are those of the list of field reports."""

from collections.abc import Sequence

import pytest
from msgspec import UNSET, Raw

from antiphon.protocol import deltas, events
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.deltas import (
    Annotation,
    CallArguments,
    CallOpened,
    Closed,
    OutputDelta,
    Reasoning,
    Refusal,
    Text,
)
from antiphon.protocol.faults import Fault, LimitFault, RequestFault, ServerFault, UpstreamFault
from antiphon.protocol.ids import item_owner
from antiphon.protocol.response import FunctionCallItem, MessageItem, ReasoningItem, ReasoningTextPart
from antiphon.protocol.usage import Usage
from tests.helpers.requests import RESPONSE_ID, make_assembler, wire
from tests.helpers.stream import Checked, Json, check_stream

USAGE = Usage(3, 4, 7)
COMPLETED = Outcome("completed", USAGE, completed_at=1_764_000_009)
TOO_LONG = Outcome("incomplete", USAGE, reason="max_output_tokens")
STALLED = Outcome("failed", USAGE, fault=UpstreamFault("The upstream stalled.", code="upstream_stall"))
CANCELLED = Outcome("cancelled", USAGE)


def run(seen: Sequence[OutputDelta], outcome: Outcome = COMPLETED) -> Checked:
    assembler = make_assembler()
    stream = assembler.open() + assembler.feed(seen)
    closing, terminal = assembler.finish(outcome)
    return check_stream(wire([*stream, *closing, terminal]))


def shapes(checked: Checked) -> list[tuple[str, str]]:
    """Type and visible content of the final items."""
    return [(item["type"], visible(item)) for item in checked.items]


def visible(item: Json) -> str:
    if item["type"] == "function_call":
        return f"{item['name']}({item['arguments']})"
    parts = [*item.get("summary", ()), *item.get("content", ())]
    return "|".join(part.get("text", part.get("refusal")) for part in parts)


#: What was said, and the items that come of it: in order of appearance.
ORDERS: list[tuple[str, list[OutputDelta], list[tuple[str, str]]]] = [
    ("nothing", [], []),
    ("text", [Text(0, "Hel"), Text(0, "lo")], [("message", "Hello")]),
    ("empty text (5)", [Text(0, "")], [("message", "")]),
    ("call without arguments (5)", [CallOpened(0, "c", "f")], [("function_call", "f({})")]),
    ("call with empty arguments (5)", [CallOpened(0, "c", "f"), CallArguments(0, "")], [("function_call", "f({})")]),
    (
        "arguments are not touched",
        [CallOpened(0, "c", "f"), CallArguments(0, "{oops")],
        [("function_call", "f({oops)")],
    ),
    (
        "reasoning, text, two calls (1)",
        [Reasoning(0, "hm"), Text(1, "so"), CallOpened(2, "a", "f"), CallOpened(3, "b", "g"), CallArguments(2, "{}")],
        [("reasoning", "hm"), ("message", "so"), ("function_call", "f({})"), ("function_call", "g({})")],
    ),
    (
        "reasoning after text (2)",
        [Text(0, "a"), Reasoning(1, "b"), Text(0, "c"), CallOpened(2, "x", "f")],
        [("message", "a"), ("reasoning", "b"), ("message", "c"), ("function_call", "f({})")],
    ),
    (
        "parallel calls interleave",
        [
            CallOpened(0, "a", "f"),
            CallOpened(1, "b", "g"),
            CallArguments(0, "[1"),
            CallArguments(1, "2"),
            CallArguments(0, "]"),
        ],
        [("function_call", "f([1])"), ("function_call", "g(2)")],
    ),
    (
        "text between the pieces of a call",
        [CallOpened(0, "a", "f"), CallArguments(0, "["), Text(1, "by the way"), CallArguments(0, "]")],
        [("function_call", "f([])"), ("message", "by the way")],
    ),
    ("refusal beside text", [Text(0, "Well"), Refusal(0, "no")], [("message", "Well|no")]),
    ("text again after a refusal", [Text(0, "a"), Refusal(0, "b"), Text(0, "c")], [("message", "a|b|c")]),
    ("two keys of text are two messages", [Text(0, "a"), Text(1, "b")], [("message", "a"), ("message", "b")]),
    ("summary parts", [Reasoning(0, "a"), Reasoning(0, "b", 1), Reasoning(0, "c", 1)], [("reasoning", "a|bc")]),
    ("summary and raw", [Reasoning(0, "raw", 0, "raw"), Reasoning(0, "short")], [("reasoning", "short|raw")]),
    ("a block closed and named again", [Text(0, "a"), Closed(0), Text(0, "b")], [("message", "a"), ("message", "b")]),
    ("a key that changes its kind", [Text(0, "a"), Reasoning(0, "b")], [("message", "a"), ("reasoning", "b")]),
    (
        "a call at the key of a call",
        [CallOpened(0, "a", "f"), CallOpened(0, "b", "g")],
        [("function_call", "f({})"), ("function_call", "g({})")],
    ),
    (
        "text at the key of a call",
        [CallOpened(0, "a", "f"), Text(0, "x")],
        [("function_call", "f({})"), ("message", "x")],
    ),
    ("arguments of no call", [CallArguments(0, "{}")], []),
    ("arguments of a message", [Text(0, "a"), CallArguments(0, "{}")], [("message", "a")]),
    ("closing what is not open", [Closed(0)], []),
]


@pytest.mark.parametrize(("seen", "expected"), [pytest.param(seen, out, id=name) for name, seen, out in ORDERS])
@pytest.mark.parametrize("outcome", [COMPLETED, CANCELLED], ids=["completed", "cancelled"])
def test_items_stand_in_order_of_appearance(
    seen: list[OutputDelta], expected: list[tuple[str, str]], outcome: Outcome
) -> None:
    if outcome is CANCELLED:  # a cut call keeps the arguments that it had: tested below
        expected = [(kind, text) for kind, text in expected if kind != "function_call"]
        seen = [delta for delta in seen if not isinstance(delta, CallOpened)]
    assert shapes(run(seen, outcome)) == expected


def test_one_open_reasoning_item_keeps_its_id() -> None:  # 3
    checked = run([Reasoning(0, "a"), Reasoning(0, "b"), Reasoning(0, "c")])
    assert len({event["item_id"] for event in checked.events if "item_id" in event}) == 1


def test_last_item_is_closed_before_the_terminal_event() -> None:  # 6
    for last in (Text(1, "a"), Refusal(1, "a"), Reasoning(1, "a"), CallOpened(1, "c", "f")):
        types = run([Text(0, "a"), last]).types
        assert types[-2:] == ["response.output_item.done", "response.completed"]


def test_two_messages_have_ids_of_their_own_and_content_starts_at_zero() -> None:  # 7
    checked = run([Text(0, "a"), CallOpened(1, "x", "f"), Text(0, "b")])
    first, _call, second = checked.items
    assert first["id"] != second["id"]
    parts = [event["content_index"] for event in checked.events if event["type"] == "response.content_part.added"]
    assert parts == [0, 0]


@pytest.mark.parametrize("outcome", [TOO_LONG, STALLED, CANCELLED])
def test_cut_stream_keeps_partial_text(outcome: Outcome) -> None:  # 9
    checked = run([Text(0, "Once upon a ti")], outcome)
    assert checked.text == "Once upon a ti"
    assert checked.items[0]["status"] == "incomplete"


def test_item_ids_are_not_call_ids() -> None:  # 11
    checked = run([CallOpened(0, "call_1", "f"), CallOpened(1, "call_1", "g")])
    ids = [item["id"] for item in checked.items]
    assert len({*ids, "call_1"}) == 3
    assert [item["call_id"] for item in checked.items] == ["call_1", "call_1"]


def test_item_ids_name_their_response() -> None:
    checked = run([Reasoning(0, "a"), Text(1, "b"), CallOpened(2, "x", "f")])
    assert [item["id"].partition("_")[0] for item in checked.items] == ["rs", "msg", "fc"]
    assert {item_owner(item["id"]) for item in checked.items} == {RESPONSE_ID}


def test_text_holds_no_reasoning() -> None:  # 36
    checked = run([Reasoning(0, "secret"), Text(0, "open"), Reasoning(0, "secret", kind="raw"), Text(0, "ly")])
    assert checked.text == "openly"


#: What was being written when the tokens ran out, and the statuses of the items then.
CUTS: list[tuple[str, list[OutputDelta], list[str]]] = [
    ("text", [Text(0, "a")], ["incomplete"]),
    ("reasoning", [Reasoning(0, "a")], ["incomplete"]),
    ("arguments", [Text(0, "a"), CallOpened(1, "c", "f"), CallArguments(1, '{"a":')], ["completed", "incomplete"]),
    ("a call's name", [CallOpened(1, "c", "f")], ["incomplete"]),
    (
        "the last of parallel calls",
        [CallOpened(0, "a", "f"), CallArguments(0, "{}"), CallOpened(1, "b", "g"), CallArguments(1, "{")],
        ["completed", "incomplete"],
    ),
    ("between blocks", [Text(0, "a"), Closed(0)], ["completed"]),
    ("stray arguments change nothing", [Text(0, "a"), CallArguments(9, "{}")], ["incomplete"]),
    ("nothing", [], []),
]


@pytest.mark.parametrize(("seen", "statuses"), [pytest.param(seen, out, id=name) for name, seen, out in CUTS])
@pytest.mark.parametrize("outcome", [TOO_LONG, STALLED, CANCELLED], ids=["incomplete", "failed", "cancelled"])
def test_what_was_being_written_ends_incomplete(seen: list[OutputDelta], statuses: list[str], outcome: Outcome) -> None:
    assert [item["status"] for item in run(seen, outcome).items] == statuses  # 41


def test_cut_arguments_are_not_repaired() -> None:  # 41
    assert run([CallOpened(0, "c", "f"), CallArguments(0, '{"a":')], TOO_LONG).items[0]["arguments"] == '{"a":'
    assert run([CallOpened(0, "c", "f")], TOO_LONG).items[0]["arguments"] == ""


def test_call_without_id_gets_one() -> None:
    calls = run([CallOpened(0, "", "f"), CallOpened(1, "", "g")]).items
    assert [call["call_id"] for call in calls] == ["call_made_0", "call_made_1"]


def test_annotations_and_logprobs_stay_with_their_part() -> None:
    logprob = Raw(b'{"token":"a","bytes":[97],"logprob":-0.5,"top_logprobs":[]}')
    citation = Raw(b'{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1}')
    checked = run(
        [Text(0, "a", (logprob,)), Annotation(0, citation), Refusal(0, "r"), Text(0, "b", (logprob, logprob))]
    )
    first, _refusal, second = checked.items[0]["content"]
    assert (len(first["logprobs"]), len(first["annotations"])) == (1, 1)
    assert (len(second["logprobs"]), len(second["annotations"])) == (2, 0)


def test_citation_of_a_closed_block_opens_a_new_part() -> None:
    citation = Raw(b'{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1}')
    assert shapes(run([Annotation(0, citation)])) == [("message", "")]


FAULTS: list[tuple[Fault, str, str | None]] = [
    (UpstreamFault("m", code="upstream_stall"), "server_error", "upstream_stall"),
    (UpstreamFault("m", code="rate_limit_exceeded", status=429), "rate_limit_exceeded", None),
    (UpstreamFault("m", code="busy", status=429), "rate_limit_exceeded", "busy"),
    (LimitFault("m", code="insufficient_quota", status=402), "insufficient_quota", None),
    (RequestFault("m", code="context_length_exceeded"), "context_length_exceeded", None),
    (RequestFault("m", code="upstream_refused"), "invalid_prompt", "upstream_refused"),
    (RequestFault("m"), "invalid_prompt", None),
    (ServerFault("m"), "server_error", None),
]


@pytest.mark.parametrize(("fault", "code", "reason"), FAULTS)
def test_fault_is_told_in_a_code_that_clients_know(fault: Fault, code: str, reason: str | None) -> None:
    error = run([Text(0, "a")], Outcome("failed", fault=fault)).response["error"]
    assert (error["code"], error["message"], error.get("reason")) == (code, "m", reason)


def test_private_detail_is_never_told() -> None:
    fault = UpstreamFault("m", code="upstream_stall", detail="10.0.0.7 sk-secret")
    assert "10.0.0.7" not in str(run([], Outcome("failed", fault=fault)).response)


def test_terminal_event_fits_the_status() -> None:
    types = [run([], outcome).types[-1] for outcome in (COMPLETED, TOO_LONG, STALLED, CANCELLED)]
    assert types == ["response.completed", "response.incomplete", "response.failed", "response.incomplete"]


def test_what_belongs_to_another_status_does_not_show() -> None:
    fault = UpstreamFault("m", code="upstream_stall")
    checked = run([], Outcome("completed", USAGE, reason="content_filter", fault=fault, completed_at=1))
    assert (checked.response["error"], checked.response["incomplete_details"]) == (None, None)


def test_service_tier_is_the_one_that_was_used() -> None:
    assert run([], COMPLETED).response["service_tier"] == "default"
    assert run([], Outcome("completed", USAGE, completed_at=1, service_tier="flex")).response["service_tier"] == "flex"


def test_snapshot_shows_open_items_and_changes_nothing() -> None:
    assembler = make_assembler()
    assembler.open()
    assembler.feed([Text(0, "done"), Reasoning(1, "thought", 0, "raw"), CallOpened(2, "c", "f"), CallArguments(2, "{")])
    assembler.feed([Text(3, "Hel"), Refusal(3, "n")])
    snapshot = assembler.snapshot()
    message, reasoning, call, speaking = snapshot.output
    assert isinstance(message, MessageItem)
    assert isinstance(reasoning, ReasoningItem)
    assert isinstance(call, FunctionCallItem)
    assert isinstance(speaking, MessageItem)
    assert (snapshot.status, message.status, call.status, speaking.status) == (
        "in_progress", "completed", "in_progress", "in_progress",
    )  # fmt: skip
    assert (call.arguments, len(speaking.content)) == ("{", 2)
    assert assembler.snapshot() == snapshot


def test_snapshot_of_open_reasoning_has_its_parts() -> None:
    assembler = make_assembler()
    assembler.feed([Reasoning(0, "a"), Reasoning(0, "b", 1)])
    (item,) = assembler.snapshot().output
    assert isinstance(item, ReasoningItem)
    assert [part.text for part in item.summary] == ["a", "b"]
    assert item.content is UNSET
    assembler.feed([Reasoning(0, "c", kind="raw")])
    (item,) = assembler.snapshot().output
    assert isinstance(item, ReasoningItem)
    assert item.content == (ReasoningTextPart("c"),)


def test_events_come_out_as_the_deltas_go_in() -> None:
    assembler = make_assembler()
    assert len(assembler.open()) == 2
    first = assembler.feed([Text(0, "a")])
    assert [type(event) for event in first] == [events.ItemAdded, events.ContentPartAdded, events.TextDelta]
    (second,) = assembler.feed([Text(0, "b")])
    assert (second.sequence_number, assembler.feed([])) == (5, [])


def test_terminal_event_comes_apart_from_the_closing_ones() -> None:
    assembler: Assembler = make_assembler()
    assembler.open()
    assembler.feed([deltas.Text(0, "a")])
    closing, terminal = assembler.finish(COMPLETED)
    assert [type(event) for event in closing] == [events.TextDone, events.ContentPartDone, events.ItemDone]
    assert terminal.sequence_number == closing[-1].sequence_number + 1
