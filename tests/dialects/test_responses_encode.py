"""Events and resources as bytes: framing, and text that looks like framing."""

import typing

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from antiphon.dialects.responses import ResponsesStream, encode_event, encode_response
from antiphon.protocol import events
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import CallArguments, CallOpened, Reasoning, Text
from antiphon.protocol.usage import Usage
from tests.helpers.requests import begun, make_assembler, wire
from tests.helpers.stream import check_response, check_stream


def test_event_line_repeats_the_type_of_every_event() -> None:
    kinds = typing.get_args(events.Event)
    assert len(kinds) == len({events.event_type(kind) for kind in kinds})
    framed = encode_event(events.SummaryTextDelta(3, "rs_1", 0, 0, "a"))
    assert framed == (
        b"event: response.reasoning_summary_text.delta\n"
        b'data: {"type":"response.reasoning_summary_text.delta","sequence_number":3,"item_id":"rs_1","output_index":0,'
        b'"summary_index":0,"delta":"a"}\n\n'
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_stays_inside_its_event(text: str) -> None:
    assembler = make_assembler()
    stream = assembler.open()
    stream += assembler.feed(
        [Reasoning(0, text), Text(1, text), CallOpened(2, text, "f"), CallArguments(2, text or "{}")]
    )
    closing, terminal = assembler.finish(Outcome("completed", Usage(1, 1, 2), completed_at=1))
    told = ResponsesStream()
    encoded = told.heartbeat + wire(stream) + told.heartbeat + told.end([*closing, terminal])
    checked = check_stream(encoded)
    assert checked.done
    assert checked.text == text
    assert encoded.count(b"\n\n") == len(checked.events) + 3


def test_resource_alone_is_the_one_in_the_events() -> None:
    response = begun(instructions="Be kind.")
    alone = msgspec.json.decode(encode_response(response))
    assert (
        check_response(alone)
        == msgspec.json.decode(encode_event(events.Created(0, response)).split(b"data: ")[1])["response"]
    )
