"""A stored response read back, and turned into a stream again."""

import msgspec
import pytest
from msgspec import Raw, structs

from antiphon.dialects.responses import encode_response
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import CallArguments, CallOpened, OutputDelta, Reasoning, Refusal, Text
from antiphon.protocol.faults import ServerFault, UpstreamFault
from antiphon.protocol.reading import decode_response
from antiphon.protocol.reducer import reduce
from antiphon.protocol.replay import replay
from antiphon.protocol.response import MessageItem, OutputTextPart, ReasoningItem, Response
from antiphon.protocol.usage import Usage
from tests.helpers.requests import make_assembler, wire
from tests.helpers.stream import check_stream

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "description": None, "strict": None}
SEEN: list[OutputDelta] = [
    Reasoning(0, "hm"),
    Text(1, "Hel"),
    Text(1, "lo"),
    Refusal(1, "no"),
    CallOpened(2, "c", "f"),
    CallArguments(2, "{"),
]
OUTCOMES = [
    Outcome("completed", Usage(3, 4, 7), completed_at=1_764_000_009, service_tier="flex"),
    Outcome("incomplete", Usage(3, 4, 7), reason="content_filter"),
    Outcome("failed", fault=UpstreamFault("The upstream stalled.", code="upstream_stall")),
    Outcome("cancelled"),
]


def finished(outcome: Outcome) -> Response:
    assembler = make_assembler(instructions="Be kind.", tools=[TOOL], text={"verbosity": "low"}, metadata={"a": "b"})
    assembler.open()
    assembler.feed(SEEN)
    return assembler.finish(outcome)[1].response


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: str(outcome.status))
def test_replay_keeps_ids_and_says_each_part_at_once(outcome: Outcome) -> None:
    response = finished(outcome)
    checked = check_stream(wire(replay(response)))
    assert checked.response["id"] == response.id
    assert [item["id"] for item in checked.items] == [item.id for item in response.output]
    assert [event["delta"] for event in checked.events if "delta" in event] == ["hm", "Hello", "no", "{"]
    assert checked.response["status"] == outcome.status


def test_replay_takes_items_as_they_were_stored() -> None:
    thought = ReasoningItem("rs_1", encrypted_content="sealed")  # an old one, without a status
    two_texts = MessageItem("msg_1", "completed", (OutputTextPart("a"), OutputTextPart("b")))
    response = structs.replace(finished(OUTCOMES[0]), output=(thought, two_texts))
    checked = check_stream(wire(replay(response)))
    assert checked.items[0] == {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
    assert checked.text == "ab"


def test_stored_form_without_the_echo_gets_defaults() -> None:
    response = finished(OUTCOMES[0])
    fields = msgspec.json.decode(encode_response(response), type=dict[str, Raw])
    stored = msgspec.json.encode({key: value for key, value in fields.items() if key not in ("instructions", "tools")})
    decoded = decode_response(stored)
    assert (bytes(decoded.instructions), bytes(decoded.tools)) == (b"null", b"[]")
    assert structs.replace(decoded, instructions=response.instructions, tools=response.tools) == response


def test_unreadable_stored_form_is_our_fault() -> None:
    for stored in (b"", b"{}", b'{"id":7}', b"\xff"):
        with pytest.raises(ServerFault) as caught:
            decode_response(stored)
        assert (caught.value.status, caught.value.code) == (500, "stored_response_unreadable")


def test_reduce_of_a_cut_log_has_the_items_that_were_finished() -> None:
    assembler = make_assembler()
    log = assembler.open() + assembler.feed(SEEN)
    reduced = reduce(log)
    assert reduced.status == "in_progress"
    assert [type(item) for item in reduced.output] == [ReasoningItem, MessageItem]


def test_reduce_wants_the_beginning() -> None:
    for log in ([], make_assembler().open()[1:]):
        with pytest.raises(ValueError, match=r"response\.created"):
            reduce(log)
