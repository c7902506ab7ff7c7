"""Relayed events: our ids and numbers, and what bare upstreams leave out."""

import msgspec
import pytest
from msgspec import Raw, structs

from antiphon.protocol import events
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.deltas import OutputDelta, Relayed, Seal, Text
from antiphon.protocol.extended import extended, extras
from antiphon.protocol.reading import decode_response, read_item
from antiphon.protocol.reducer import reduce
from antiphon.protocol.replay import replay
from antiphon.protocol.response import (
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OpaqueItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    SummaryPart,
    WebSearchItem,
)
from antiphon.protocol.usage import Usage
from tests.helpers.requests import RESPONSE_ID, begun, make_assembler
from tests.helpers.stream import Json, check_response, check_stream

HELLO = MessageItem("up", "completed", (OutputTextPart("Hello"),))
COMPLETED = Outcome("completed", Usage(1, 1, 2), completed_at=2)


def relayed(
    *told: events.Event, key: object = 0, assembler: Assembler | None = None, outcome: Outcome = COMPLETED
) -> list[Json]:
    """The client's stream for these events about one item."""
    assembler = assembler or make_assembler()
    stream = assembler.open() + assembler.feed([Relayed(key, event) for event in told])
    closing, terminal = assembler.finish(outcome)
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in (*stream, *closing, terminal)]


def kinds(stream: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in stream[2:-1]]


WHOLE = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]


@pytest.mark.parametrize(
    "told",
    [
        [events.ItemDone(0, 0, HELLO)],
        [events.ItemAdded(0, 0, HELLO), events.ItemDone(0, 0, HELLO)],
        [events.TextDelta(0, "", 0, 0, "Hello"), events.ItemDone(0, 0, HELLO)],
        [events.TextDelta(0, "", 0, -1, "Hello")],
        [events.TextDone(0, "", 0, 0, "Hello")],
        [events.ContentPartDone(0, "", 0, 0, OutputTextPart("Hello")), events.ItemDone(0, 0, HELLO)],
        [events.ItemAdded(0, 0, HELLO), events.TextDelta(0, "", 0, 3, "Hello"), events.TextDone(0, "", 0, 3, "Hello")],
        [events.TextDelta(0, "", 0, 0, "Hello"), events.ItemDone(0, 0, structs.replace(HELLO, content=()))],
    ],
)
def test_a_message_is_whole_whatever_is_missing(told: list[events.Event]) -> None:
    stream = relayed(*told)
    assert check_stream(stream).text == "Hello"
    assert kinds(stream) == WHOLE


def test_what_was_not_streamed_of_a_text_comes_before_its_end() -> None:
    stream = relayed(events.TextDelta(0, "", 0, 0, "Hel"), events.ItemDone(0, 0, HELLO))
    check_stream(stream)
    assert [event["delta"] for event in stream if "delta" in event] == ["Hel", "lo"]


def test_the_finished_item_wins_over_what_was_streamed() -> None:
    stream = relayed(
        events.TextDelta(0, "", 0, 0, "Hullo"), events.TextDone(0, "", 0, 0, "Hullo"), events.ItemDone(0, 0, HELLO)
    )
    assert stream[-1]["response"]["output"][0]["content"][0]["text"] == "Hello"
    assert stream[-2]["item"] == stream[-1]["response"]["output"][0]


def test_text_goes_on_by_the_short_way() -> None:
    assembler = make_assembler()
    stream = assembler.open() + assembler.feed(
        [Relayed(7, events.TextDelta(0, "", 0, 0, "Hel")), Text(7, "l", (), "xxx"), Text(7, "o")]
    )
    closing, terminal = assembler.finish(COMPLETED)
    told = [msgspec.json.decode(msgspec.json.encode(event)) for event in (*stream, *closing, terminal)]
    assert check_stream(told).text == "Hello"
    assert [event.get("obfuscation") for event in told if "delta" in event] == [None, "xxx", None]


def test_several_parts_and_annotations_keep_their_places() -> None:
    cited = Raw(b'{"type":"url_citation","url":"https://e.com","title":"E","start_index":0,"end_index":1}')
    parts = (OutputTextPart("One", (cited,)), RefusalPart("No"))
    stream = relayed(
        events.ContentPartAdded(0, "", 0, 0, OutputTextPart("")),
        events.TextDelta(0, "", 0, 0, "One"),
        events.ContentPartAdded(0, "", 0, 1, RefusalPart("")),
        events.RefusalDelta(0, "", 0, 1, "No"),
        events.ItemDone(0, 0, MessageItem("up", "completed", parts)),
    )
    # The first part was ended when the second began, before anybody spoke of a citation: the item has the last word.
    assert [part["type"] for part in stream[-1]["response"]["output"][0]["content"]] == ["output_text", "refusal"]
    late = relayed(events.TextDelta(0, "", 0, 0, "One"), events.ItemDone(0, 0, MessageItem("up", "completed", parts)))
    checked = check_stream(late)
    assert checked.items[0]["content"][0]["annotations"][0]["url"] == "https://e.com"
    assert "response.output_text.annotation.added" in checked.types


def test_thoughts_in_parts_of_both_kinds() -> None:
    item = ReasoningItem("rs", (SummaryPart("S1"), SummaryPart("S2")), (ReasoningTextPart("raw"),))
    for told in (
        [events.ItemDone(0, 0, item)],
        [events.SummaryTextDelta(0, "", 0, 0, "S1"), events.ItemDone(0, 0, item)],
        [events.ReasoningTextDelta(0, "", 0, 0, "ra"), events.ItemDone(0, 0, item)],
        [
            events.SummaryPartAdded(0, "", 0, 0, SummaryPart("")),
            events.SummaryTextDone(0, "", 0, 0, "S1"),
            events.SummaryPartDone(0, "", 0, 0, SummaryPart("S1")),
            events.SummaryPartAdded(0, "", 0, 1, SummaryPart("")),
            events.SummaryTextDelta(0, "", 0, 1, "S2"),
            events.ReasoningTextDone(0, "", 0, 0, "raw"),
        ],
    ):
        checked = check_stream(relayed(*told))
        assert [part["text"] for part in checked.items[0]["summary"]] == ["S1", "S2"]
        assert [part["text"] for part in checked.items[0]["content"]] == ["raw"]


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ([events.ItemDone(0, 0, FunctionCallItem("fc", "c", "f", '{"a":1}', "completed"))], '{"a":1}'),
        ([events.ItemDone(0, 0, FunctionCallItem("fc", "c", "f", "", "completed"))], "{}"),
        (
            [
                events.ItemAdded(0, 0, FunctionCallItem("fc", "c", "f", "", "in_progress")),
                events.ArgumentsDone(0, "", 0, "", '{"a":1}'),
            ],
            '{"a":1}',
        ),
        (
            [
                events.ItemAdded(0, 0, FunctionCallItem("fc", "c", "f", "", "in_progress")),
                events.ArgumentsDelta(0, "", 0, '{"a"'),
                events.ArgumentsDelta(0, "", 0, ":1}"),
                events.ArgumentsDone(0, "", 0, "", ""),
            ],
            '{"a":1}',
        ),
        (
            [
                events.ItemAdded(0, 0, FunctionCallItem("fc", "c", "", "", "in_progress")),
                events.ArgumentsDelta(0, "", 0, '{"a":1}'),
                events.ItemDone(0, 0, FunctionCallItem("fc", "c", "f", '{"a":1}', "in_progress")),
            ],
            '{"a":1}',
        ),
    ],
)
def test_a_call_is_whole_whatever_is_missing(told: list[events.Event], arguments: str) -> None:
    checked = check_stream(relayed(*told))
    assert checked.items[0]["arguments"] == arguments
    assert checked.items[0]["name"] == "f"
    assert checked.items[0]["call_id"] == "c"


def test_a_call_without_id_gets_one_and_keeps_it() -> None:
    item = FunctionCallItem("", "", "f", "{}", "completed")
    late = structs.replace(item, call_id="late")
    checked = check_stream(relayed(events.ItemAdded(0, 0, item), events.ItemDone(0, 0, late)))
    assert checked.items[0]["call_id"] == "call_made_0"


def test_custom_calls_keep_their_text_and_namespace() -> None:
    item = CustomCallItem("ctc", "c", "patch", "a\nb", "completed", "ns")
    checked = check_stream(relayed(events.CustomInputDelta(0, "", 0, "lost"), events.ItemDone(0, 0, item)))
    assert checked.items[0]["input"] == "a\nb"
    assert checked.items[0]["namespace"] == "ns"


def test_items_interleave_as_the_upstream_likes() -> None:
    assembler = make_assembler()
    told = [
        Relayed("a", events.ItemAdded(0, 0, FunctionCallItem("x", "c1", "f", "", "in_progress"))),
        Relayed("b", events.ItemAdded(0, 0, FunctionCallItem("y", "c2", "g", "", "in_progress"))),
        Relayed("a", events.ArgumentsDelta(0, "", 0, "{")),
        Relayed("b", events.ArgumentsDelta(0, "", 0, "{}")),
        Relayed("a", events.ArgumentsDelta(0, "", 0, "}")),
        Relayed("b", events.ItemDone(0, 0, FunctionCallItem("y", "c2", "g", "{}", "completed"))),
        Relayed("a", events.ItemDone(0, 0, FunctionCallItem("x", "c1", "f", "{}", "completed"))),
    ]
    stream = assembler.open() + assembler.feed(told)
    closing, terminal = assembler.finish(COMPLETED)
    checked = check_stream([msgspec.json.decode(msgspec.json.encode(event)) for event in (*stream, *closing, terminal)])
    assert [item["name"] for item in checked.items] == ["f", "g"]


def test_what_was_cut_is_incomplete_and_all_else_is_complete() -> None:
    assembler = make_assembler()
    stream = assembler.open() + assembler.feed(
        [
            Relayed(0, events.TextDelta(0, "", 0, 0, "All of it")),
            Relayed(1, events.ItemAdded(0, 0, FunctionCallItem("x", "c1", "f", "", "in_progress"))),
            Relayed(1, events.ArgumentsDelta(0, "", 0, '{"a":')),
            Relayed(2, events.TextDelta(0, "", 0, 0, "Half")),
        ]
    )
    closing, terminal = assembler.finish(Outcome("incomplete", Usage(1, 1, 2), "max_output_tokens"))
    checked = check_stream([msgspec.json.decode(msgspec.json.encode(event)) for event in (*stream, *closing, terminal)])
    assert [item["status"] for item in checked.items] == ["completed", "incomplete", "incomplete"]


def test_the_sealed_thought_of_the_upstream_never_reaches_the_client() -> None:
    item = ReasoningItem("rs", (), encrypted_content="theirs", status="completed")
    told: list[OutputDelta] = [
        Relayed(0, events.ItemAdded(0, 0, item)),
        Seal(0, b"payload"),
        Relayed(0, events.ItemDone(0, 0, item)),
    ]
    for seal, shown in ((None, None), (lambda payload: f"sealed {payload.decode()}", "sealed payload")):
        assembler = Assembler(begun(), owner=RESPONSE_ID, new_call_id=lambda: "c", seal=seal)
        stream = assembler.feed(told)
        closing, terminal = assembler.finish(COMPLETED)
        wire = msgspec.json.encode([*stream, *closing, terminal])
        assert b"theirs" not in wire
        done = terminal.response.output[0]
        assert isinstance(done, ReasoningItem)
        assert (done.encrypted_content or None) == shown
        assert list(assembler.states.values()) == [b"payload"]


def test_unknown_items_fields_and_events_survive() -> None:
    item = read_item(b'{"type":"mcp_call","id":"mcp_1","status":"completed","name":"roll","output":null,"n":1.50}')
    progress = extended(events.OpaqueEvent(9, "x", 9), {"step": Raw(b"3")}, tag="response.mcp_call.in_progress")
    loose = extended(events.OpaqueEvent(9), {"note": Raw(b'"n"')}, tag="acme:note")
    assembler = make_assembler()
    stream = assembler.open() + assembler.feed(
        [
            Relayed(None, loose),
            Relayed(0, events.ItemAdded(0, 0, item)),
            Relayed(0, progress),
            Relayed(0, events.ItemDone(0, 0, item)),
            Relayed(1, events.ItemDone(0, 0, read_item(PHASED))),
        ]
    )
    closing, terminal = assembler.finish(structs.replace(COMPLETED, more={"tool_usage": Raw(b'{"x":1}')}))
    wire = [msgspec.json.encode(event) for event in (*stream, *closing, terminal)]
    told = [msgspec.json.decode(event) for event in wire]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[2] == {"type": "acme:note", "sequence_number": 2, "note": "n"}
    output = told[-1]["response"]["output"]
    assert told[4]["item_id"] == output[0]["id"] != "mcp_1"
    assert (told[4]["step"], told[4]["output_index"]) == (3, 0)
    assert {key: value for key, value in output[0].items() if key != "id"} == {
        "type": "mcp_call", "status": "completed", "name": "roll", "output": None, "n": 1.5,
    }  # fmt: skip
    assert b'"n":1.50' in wire[-1]
    assert output[1]["phase"] == "commentary"
    assert output[1]["content"][1] == {"type": "chart", "spec": [1]}
    assert told[-1]["response"]["tool_usage"] == {"x": 1}
    assert reduce([*stream, *closing, terminal]) == terminal.response
    stored = decode_response(msgspec.json.encode(terminal.response))
    assert msgspec.json.encode(stored) == msgspec.json.encode(terminal.response)
    again = [msgspec.json.decode(msgspec.json.encode(event)) for event in replay(stored)]
    assert again[-1]["response"]["output"] == output


PHASED = (
    b'{"type":"message","id":"m","role":"assistant","status":"completed","phase":"commentary",'
    b'"content":[{"type":"output_text","text":"Hi","annotations":[],"logprobs":[]},{"type":"chart","spec":[1]}]}'
)


def test_a_search_ends_as_its_upstream_says() -> None:
    item = WebSearchItem("ws", "completed", Raw(b'{"type":"search","query":"q"}'))
    for told, status in (
        ([events.ItemAdded(0, 0, item), events.SearchSearching(0, "", 0), events.ItemDone(0, 0, item)], "completed"),
        ([events.ItemAdded(0, 0, item)], "completed"),
    ):
        checked = check_stream(relayed(*told))
        assert checked.items[0]["status"] == status
    cut = relayed(events.ItemAdded(0, 0, item), outcome=Outcome("incomplete", Usage(1, 1, 2), "max_output_tokens"))
    assert cut[-1]["response"]["output"][0]["status"] == "failed"


def test_events_that_make_no_sense_for_an_item_are_left_out() -> None:
    call = FunctionCallItem("fc", "c", "f", "{}", "completed")
    stream = relayed(
        events.ItemAdded(0, 0, call),
        events.TextDelta(0, "", 0, 0, "lost"),
        events.CustomInputDelta(0, "", 0, "lost"),
        events.ItemDone(0, 0, HELLO),
    )
    checked = check_stream(stream)
    assert checked.items[0]["type"] == "function_call"
    assert "lost" not in str(stream)


def test_a_field_can_be_added_twice_and_comes_back_out() -> None:
    once = extended(OpaqueItem("i"), {"a": Raw(b"1")}, tag="t")
    twice = extended(once, {"b b": Raw(b"[2]")})
    assert msgspec.json.encode(twice) == b'{"type":"t","id":"i","a":1,"b b":[2]}'
    assert {name: bytes(raw) for name, raw in extras(twice).items()} == {"a": b"1", "b b": b"[2]"}
    assert extended(HELLO, {}) is HELLO
    assert msgspec.json.encode(extended(once, {"id": Raw(b"2"), "type": Raw(b"3")})) == msgspec.json.encode(once)
    assert isinstance(twice, OpaqueItem)
    odd = {'a"b': Raw(b"1"), "a\\b": Raw(b"1"), "a\nb": Raw(b"1"), "": Raw(b"2"), "\u00e9": Raw(b"3")}
    assert msgspec.json.decode(msgspec.json.encode(extended(once, odd))) == {
        "type": "t", "id": "i", "a": 1, "": 2, "\u00e9": 3,
    }  # fmt: skip


def test_a_resource_with_more_fields_is_a_resource() -> None:
    response = begun()
    assembler = make_assembler()
    assembler.open()
    _, terminal = assembler.finish(structs.replace(COMPLETED, more={"billing": Raw(b'{"payer":"openai"}')}))
    assert type(terminal.response) is not type(response)
    check_response(msgspec.json.decode(msgspec.json.encode(terminal.response)))
