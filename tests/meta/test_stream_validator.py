"""The stream validator bites: every kind of damage to a good stream is refused, and for the right reason."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.protocol import deltas
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.faults import UpstreamFault
from antiphon.protocol.usage import Usage
from tests.helpers.requests import make_assembler, wire
from tests.helpers.stream import Json, check_response, check_stream

LOGPROB = Raw(b'{"token":"a","bytes":[97],"logprob":-0.5,"top_logprobs":[]}')
CITATION = Raw(b'{"type":"url_citation","url":"https://example.org","title":"t","start_index":0,"end_index":1}')
DELTAS = (
    deltas.Reasoning("r", "Let me "),
    deltas.Reasoning("r", "think."),
    deltas.Reasoning("r", "Further.", 1),
    deltas.Text("t", "Hello ", (LOGPROB,)),
    deltas.Text("t", "world"),
    deltas.Annotation("t", CITATION),
    deltas.Refusal("t", "No."),
    deltas.CallOpened("c1", "call_1", "f"),
    deltas.CallOpened("c2", "call_2", "g"),
    deltas.CallArguments("c1", '{"a"'),
    deltas.CallArguments("c2", "{}"),
    deltas.CallArguments("c1", ":1}"),
)
COMPLETED = Outcome("completed", Usage(3, 4, 7), completed_at=1_764_000_009)
INCOMPLETE = Outcome("incomplete", Usage(3, 4, 7), reason="max_output_tokens")
FAILED = Outcome("failed", fault=UpstreamFault("The upstream stalled.", code="upstream_stall"))
CANCELLED = Outcome("cancelled")


def good_bytes(outcome: Outcome = COMPLETED) -> bytes:
    assembler = make_assembler()
    stream = assembler.open() + assembler.feed(DELTAS)
    closing, terminal = assembler.finish(outcome)
    return wire([*stream, *closing, terminal])


def good(outcome: Outcome = COMPLETED) -> list[Json]:
    return check_stream(good_bytes(outcome)).events


@pytest.mark.parametrize("outcome", [COMPLETED, INCOMPLETE, FAILED, CANCELLED])
def test_good_streams_pass(outcome: Outcome) -> None:
    checked = check_stream(good(outcome))
    assert checked.text == "Hello world"
    assert [item["type"] for item in checked.items] == ["reasoning", "message", "function_call", "function_call"]
    assert checked.types[0] == "response.created"
    check_response(checked.response)


def test_comments_and_the_end_marker_are_allowed() -> None:
    event_end = b"\n\n"
    first, rest = good_bytes().split(event_end, 1)
    stream = b": keep-alive\n\n" + first + event_end + b": keep-alive\n\n" + rest + b"data: [DONE]\n\n"
    assert check_stream(stream).done


def test_known_codes_beside_the_sdk_are_allowed() -> None:
    for code in ("context_length_exceeded", "insufficient_quota"):
        events = good(FAILED)
        events[-1]["response"]["error"]["code"] = code
        check_stream(events)


def test_missing_usage_is_allowed_where_the_test_says_so() -> None:
    events = good()
    events[-1]["response"]["usage"] = None
    assert check_stream(events, usage_optional=True).response["usage"] is None


Edit = Callable[[list[Json]], object]


def at(events: list[Json], name: str, number: int = 0) -> int:
    found = [index for index, event in enumerate(events) if event["type"] == name]
    return found[number]


def get(events: list[Json], name: str, number: int = 0) -> Json:
    return events[at(events, name, number)]


def drop(name: str, number: int = 0) -> Edit:
    """Leave an event out, and renumber, so that only its absence can be noticed."""

    def edit(events: list[Json]) -> None:
        del events[at(events, name, number)]
        renumber(events)

    return edit


def repeat(name: str, number: int = 0) -> Edit:
    def edit(events: list[Json]) -> None:
        index = at(events, name, number)
        events.insert(index, dict(events[index]))
        renumber(events)

    return edit


def swap(name: str, other: str, number: int = 0) -> Edit:
    def edit(events: list[Json]) -> None:
        a, b = at(events, name, number), at(events, other, number)
        events[a], events[b] = events[b], events[a]
        renumber(events)

    return edit


def reach(place: Any, key: str) -> tuple[Any, str]:
    """The innermost container on a dotted path, and the path's last step."""
    *steps, last = key.split(".")
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    return place, last


def put(name: str, key: str, value: object, number: int = 0) -> Edit:
    """Set a (dotted) key of an event."""

    def edit(events: list[Json]) -> None:
        place, last = reach(get(events, name, number), key)
        place[last] = value

    return edit


def remove(name: str, key: str, number: int = 0) -> Edit:
    def edit(events: list[Json]) -> None:
        place, last = reach(get(events, name, number), key)
        del place[last]

    return edit


def renumber(events: list[Json]) -> None:
    for number, event in enumerate(events):
        event["sequence_number"] = number


def cut_terminal(events: list[Json]) -> None:
    events.pop()


def after_terminal(events: list[Json]) -> None:
    events.append({**events[-2], "sequence_number": len(events)})


def two_terminals(events: list[Json]) -> None:
    events.append({**events[-1], "sequence_number": len(events)})


def items_swapped_at_the_end(events: list[Json]) -> None:
    output = events[-1]["response"]["output"]
    output[0], output[1] = output[1], output[0]


def item_missing_at_the_end(events: list[Json]) -> None:
    events[-1]["response"]["output"].pop()


def item_never_announced(events: list[Json]) -> None:
    get(events, "response.output_text.delta")["output_index"] = 9


def another_items_id(events: list[Json]) -> None:
    get(events, "response.output_text.delta")["item_id"] = events[2]["item"]["id"]


def same_item_id_twice(events: list[Json]) -> None:
    added = get(events, "response.output_item.added", 1)["item"]
    old = added["id"]
    for event in events:
        if event.get("item_id") == old:
            event["item_id"] = events[2]["item"]["id"]
    added["id"] = events[2]["item"]["id"]


def status_incomplete_item_in_completed(events: list[Json]) -> None:
    get(events, "response.output_item.done", 3)["item"]["status"] = "incomplete"
    events[-1]["response"]["output"][3]["status"] = "incomplete"


def error_event(events: list[Json]) -> None:
    error = {"type": "error", "code": "server_error", "message": "m", "param": None}
    events.insert(-1, {**error, "sequence_number": 0})
    renumber(events)


CREATED, DONE = "response.created", "response.completed"
ADDED, ITEM_DONE = "response.output_item.added", "response.output_item.done"
PART_ADDED, PART_DONE = "response.content_part.added", "response.content_part.done"
TEXT_DELTA, TEXT_DONE = "response.output_text.delta", "response.output_text.done"
ARGUMENTS = "response.function_call_arguments"
SUMMARY = "response.reasoning_summary"

CORRUPTIONS: list[tuple[str, Edit, str]] = [
    ("no created", drop(CREATED), "first event"),
    ("no in_progress", drop("response.in_progress"), "no in_progress"),
    ("in_progress twice", repeat("response.in_progress"), "lifecycle event"),
    ("number missing", remove(TEXT_DELTA, "sequence_number"), "not valid for the SDK"),
    ("number repeated", put(TEXT_DELTA, "sequence_number", 1), "sequence_number"),
    ("number gap", put(DONE, "sequence_number", 99), "sequence_number"),
    ("another response id at the end", put(DONE, "response.id", "resp_other"), "constant field"),
    ("another model at the end", put(DONE, "response.model", "other"), "constant field"),
    ("no terminal event", cut_terminal, "not a terminal one"),
    ("event after the terminal", after_terminal, "not a terminal one"),
    ("two terminal events", two_terminals, "lifecycle event"),
    ("error event", error_event, "error event"),
    ("unknown event", put(TEXT_DELTA, "type", "response.text.delta"), "SDK knows no event"),
    ("output_index reused", put(ADDED, "output_index", 0, 1), "output_index"),
    ("output_index with a gap", put(ADDED, "output_index", 2, 1), "output_index"),
    ("item never announced", item_never_announced, "not announced"),
    ("item id changes in done", put(ITEM_DONE, "item.id", "rs_x"), "item's id changed"),
    ("item id of another item", another_items_id, "another item id"),
    ("item id repeats", same_item_id_twice, "repeats"),
    ("call_id changes in done", put(ITEM_DONE, "item.call_id", "call_9", 2), "call_id changed"),
    ("item announced full", put(ADDED, "item.arguments", "{}", 2), "empty arguments"),
    ("item announced completed", put(ADDED, "item.status", "completed", 1), "begins in_progress"),
    ("item never done", drop(ITEM_DONE), "never done"),
    ("item done twice", repeat(ITEM_DONE), "was done"),
    ("item done in_progress", put(ITEM_DONE, "item.status", "in_progress", 1), "in_progress"),
    ("part never added", drop(PART_ADDED), "was not added"),
    ("part added twice", repeat(PART_ADDED), "content_index"),
    ("part done missing", drop(PART_DONE), "while another is open"),
    ("last part done missing", drop(PART_DONE, 1), "open content part"),
    ("part done before text done", swap(TEXT_DONE, PART_DONE), "before the part's own"),
    ("content_index does not start at 0", put(PART_ADDED, "content_index", 1), "content_index 1 for part 0"),
    ("delta before its part", swap(PART_ADDED, TEXT_DELTA), "not added"),
    ("delta lost", drop(TEXT_DELTA), "differs from its deltas"),
    ("done text differs", put(TEXT_DONE, "text", "Hello"), "differs from its deltas"),
    ("done part differs", put(PART_DONE, "part.text", "Hello"), "finished part differs"),
    ("done item differs", put(ITEM_DONE, "item.content.0.text", "Hello", 1), "finished item's content"),
    ("final item differs", put(DONE, "response.output.1.content.0.text", "Hello"), "final output differs"),
    ("final items swapped", items_swapped_at_the_end, "final output differs"),
    ("final item missing", item_missing_at_the_end, "final output differs"),
    ("logprobs missing", remove(TEXT_DELTA, "logprobs"), "not valid for the SDK"),
    ("logprobs lost in the part", put(PART_DONE, "part.logprobs", []), "logprobs differ"),
    ("annotation lost in the part", put(PART_DONE, "part.annotations", []), "annotations differ"),
    ("annotation index", put("response.output_text.annotation.added", "annotation_index", 1), "annotation_index"),
    ("content_index null", put(TEXT_DELTA, "content_index", None), "not valid for the SDK"),
    ("delta is a number", put(TEXT_DELTA, "delta", 7), "not valid for the SDK"),
    ("arguments delta lost", drop(f"{ARGUMENTS}.delta"), "differs from its deltas"),
    ("arguments done missing", drop(f"{ARGUMENTS}.done"), "done event of its arguments"),
    ("arguments of a message", put(f"{ARGUMENTS}.delta", "output_index", 1), "was done"),
    ("arguments differ in done item", put(ITEM_DONE, "item.arguments", "{}", 2), "arguments differ"),
    ("call name changes", put(f"{ARGUMENTS}.done", "name", "h"), "name changed"),
    ("summary part never added", drop(f"{SUMMARY}_part.added"), "not added"),
    ("summary part done missing", drop(f"{SUMMARY}_part.done"), "while another is open"),
    ("summary delta lost", drop(f"{SUMMARY}_text.delta"), "differs from its deltas"),
    ("summary_index", put(f"{SUMMARY}_part.added", "summary_index", 0, 1), "summary_index 0 for part 1"),
    ("refusal lost", drop("response.refusal.delta"), "differs from its deltas"),
    ("usage missing", put(DONE, "response.usage", None), "no usage"),
    ("usage does not add up", put(DONE, "response.usage.total_tokens", 8), "add up"),
    ("usage before the end", put(CREATED, "response.usage", {}), "not valid for the SDK"),
    ("status differs from the event", put(DONE, "response.status", "failed"), "with status failed"),
    (
        "completed with details",
        put(DONE, "response.incomplete_details", {"reason": "content_filter"}),
        "iff incomplete",
    ),
    ("completed with error", put(DONE, "response.error", {"code": "server_error", "message": ""}), "iff failed"),
    ("completed without a time", put(DONE, "response.completed_at", None), "iff completed"),
    ("created is completed", put(CREATED, "response.status", "completed"), "begins with status"),
    ("completed with a cut item", status_incomplete_item_in_completed, "not completed"),
    ("final item in_progress", put(DONE, "response.output.1.status", "in_progress"), "final output differs"),
    ("key missing", remove(DONE, "response.previous_response_id"), "lacks"),
    ("key null", put(DONE, "response.temperature", None), "must be a number"),
    ("item content null", put(ITEM_DONE, "item.encrypted_content", None), "must be a string"),
    ("logprobs null", put(ITEM_DONE, "item.content.0.logprobs", None, 1), "must be an array"),
    ("unknown error code", put(DONE, "response.error", {"code": "oops", "message": ""}), "not valid for the SDK"),
]


@pytest.mark.parametrize(("edit", "reason"), [pytest.param(edit, why, id=name) for name, edit, why in CORRUPTIONS])
def test_corrupted_stream_is_refused(edit: Edit, reason: str) -> None:
    events: list[Json] = msgspec.json.decode(msgspec.json.encode(good()))
    edit(events)
    with pytest.raises(AssertionError, match=reason):
        check_stream(events)


EVENT = b"event: response.created\n"
CORRUPT_BYTES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("event line missing", lambda sse: sse.replace(EVENT, b"", 1), "one event line"),
    ("event line differs", lambda sse: sse.replace(EVENT, b"event: response.queued\n", 1), "but type"),
    ("id line", lambda sse: sse.replace(EVENT, EVENT + b"id: 1\n", 1), "one event line"),
    (
        "data on two lines",
        lambda sse: sse.replace(b',"sequence_number":0', b'\ndata: ,"sequence_number":0', 1),
        "one data",
    ),
    ("CRLF", lambda sse: sse.replace(b"\n", b"\r\n"), "LF alone"),
    ("cut in the middle", lambda sse: sse[:-40], "blank line"),
    ("last blank line missing", lambda sse: sse[:-1], "blank line"),
    ("event after [DONE]", lambda sse: sse + b"data: [DONE]\n\n" + sse, "follows"),
    ("[DONE] twice", lambda sse: sse + b"data: [DONE]\n\n" * 2, "follows"),
    ("[DONE] alone", lambda _sse: b"data: [DONE]\n\n", "no event"),
    ("[DONE] before the end", lambda sse: b"data: [DONE]\n\n" + sse, "follows"),
]


@pytest.mark.parametrize(("edit", "reason"), [pytest.param(edit, why, id=name) for name, edit, why in CORRUPT_BYTES])
def test_corrupted_bytes_are_refused(edit: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        check_stream(edit(good_bytes()))


def test_failed_without_error_and_incomplete_without_details_are_refused() -> None:
    for outcome, key in ((FAILED, "error"), (INCOMPLETE, "incomplete_details")):
        events = good(outcome)
        events[-1]["response"][key] = None
        with pytest.raises(AssertionError, match="iff"):
            check_stream(events)


def test_response_still_running_is_a_good_resource_but_not_with_usage() -> None:
    created = good()[0]["response"]
    check_response(created)
    with pytest.raises(AssertionError, match="usage is set"):
        check_response({**created, "usage": good()[-1]["response"]["usage"]})
