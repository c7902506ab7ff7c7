"""What the decoder says to answers that the corpus has not."""

import msgspec

from antiphon.protocol.deltas import (
    Annotation,
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Delta,
    Native,
    Opened,
    Refusal,
    Seal,
    SearchDone,
    SearchOpened,
    Stopped,
    Text,
    UsageSeen,
)
from antiphon.providers.anthropic.decode import AnthropicFrames
from antiphon.providers.anthropic.reader import Expected
from antiphon.providers.shared.framing import Framing
from tests.providers.anthropic.script import target_for
from tests.providers.corpus import replay

TARGET = target_for("anthropic/claude-opus-4-8")
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}}
STOP = {"type": "message_stop"}


def end(reason: str = "end_turn", **delta: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}}


def begin(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def piece(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def over(index: int) -> dict[str, object]:
    return {"type": "content_block_stop", "index": index}


def read(*events: object, expected: Expected | None = None, kind: str = "text/event-stream") -> list[Delta]:
    body = b"".join(
        event if isinstance(event, bytes) else b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events
    )
    return replay(Framing(AnthropicFrames(expected or Expected(), TARGET), TARGET, content_type=kind), [body])


def output(*events: object, expected: Expected | None = None) -> list[Delta]:
    """The same without what a message always begins with."""
    return [delta for delta in read(*events, expected=expected) if not isinstance(delta, Opened | UsageSeen)]


def code(deltas: list[Delta]) -> str:
    last = deltas[-1]
    assert isinstance(last, Broke)
    return last.fault.code or ""


def test_an_unknown_event_is_skipped() -> None:
    found = output(START, {"type": "content_block_audio", "index": 0}, {"type": "ping"}, {}, end(), STOP)
    assert found == [Stopped("completed", "end_turn")]


def test_text_that_comes_with_the_beginning_of_a_block_is_not_lost() -> None:
    found = output(START, begin(0, "text", text="Hel"), piece(0, "text_delta", text="lo"), over(0), end(), STOP)
    assert found[:2] == [Text("text:0", "Hel"), Text("text:0", "lo")]


def test_an_input_that_comes_with_the_beginning_of_a_call_is_not_lost() -> None:
    call = begin(0, "tool_use", id="c", name="f", input={"n": 1.50})
    assert output(START, call, over(0), end("tool_use"), STOP) == [
        CallOpened("call:0", "c", "f"),
        CallArguments("call:0", '{"n":1.5}'),
        Closed("call:0"),
        Stopped("completed", "tool_use"),
    ]


def test_blocks_that_were_never_ended_are_ended_by_a_complete_answer() -> None:
    found = output(START, begin(0, "tool_use", id="c", name="f", input={}), end("tool_use"), STOP)
    assert found == [CallOpened("call:0", "c", "f"), Closed("call:0"), Stopped("completed", "tool_use")]


def test_text_after_something_else_is_another_message() -> None:
    found = output(
        START,
        begin(0, "text", text="a"),
        over(0),
        begin(1, "tool_use", id="c", name="f", input={}),
        over(1),
        begin(2, "text", text="b"),
        over(2),
        end(),
        STOP,
    )
    assert [delta.key for delta in found if isinstance(delta, Text)] == ["text:0", "text:2"]


def test_a_stop_reason_is_enough_without_the_end_marker() -> None:
    assert output(START, end("stop_sequence")) == [Stopped("completed", "stop_sequence")]


def test_the_first_stop_reason_counts() -> None:
    assert output(START, end("max_tokens"), end("end_turn"), STOP) == [Stopped("max_output_tokens", "max_tokens")]


def test_an_unknown_stop_reason_is_a_normal_end() -> None:
    assert output(START, end("something_new"), STOP) == [Stopped("completed", "something_new")]


def test_an_end_marker_without_a_stop_reason_is_a_cut_answer() -> None:
    assert code(read(START, STOP)) == "upstream_truncated"


def test_an_end_inside_of_a_frame_is_a_reset() -> None:
    assert code(read(START, b'data: {"type":"content')) == "upstream_reset"


def test_an_end_inside_of_a_frame_behind_the_stop_reason_is_an_end() -> None:
    assert output(START, end(), b'data: {"type":"mess')[-1] == Stopped("completed", "end_turn")


def test_a_last_frame_without_its_blank_line_counts() -> None:
    assert output(START, b"data: " + msgspec.json.encode(end()))[-1] == Stopped("completed", "end_turn")


def test_an_end_marker_of_chat_is_no_error() -> None:
    assert output(START, end(), b"data: [DONE]\n\n") == [Stopped("completed", "end_turn")]


def test_nothing_at_all_is_a_protocol_error() -> None:
    assert code(read()) == "upstream_protocol_error"


def test_a_page_is_a_protocol_error() -> None:
    assert code(read(b"<html>")) == "upstream_protocol_error"
    assert code(read(b"x", kind="text/html")) == "upstream_protocol_error"


def test_a_frame_that_is_no_json_is_a_protocol_error() -> None:
    assert code(read(START, b"data: oops\n\n")) == "upstream_protocol_error"
    assert (
        code(read(START, {"type": "content_block_start", "index": 0, "content_block": 7})) == "upstream_protocol_error"
    )


def test_a_body_without_content_is_a_protocol_error() -> None:
    assert code(read(b'{"id":"x"}')) == "upstream_protocol_error"
    assert code(read(b'{"content":[7]}')) == "upstream_protocol_error"
    assert code(read(b"{")) == "upstream_protocol_error"


def test_a_body_without_a_stop_reason_is_a_cut_answer() -> None:
    assert code(read(b'{"content":[]}')) == "upstream_truncated"


def test_an_error_event_is_known_by_its_name_too() -> None:
    found = read(START, b'event: error\ndata: {"error":{"type":"rate_limit_error","message":"slow"}}\n\n')
    assert code(found) == "rate_limit_exceeded"


def test_a_frame_without_end_is_refused() -> None:
    assert code(read(START, b"data: " + b"x" * (9 * 1024 * 1024))) == "upstream_protocol_error"


def test_a_body_without_end_is_refused() -> None:
    decoder = Framing(AnthropicFrames(Expected(), TARGET), TARGET, content_type="application/json")
    found: list[Delta] = []
    for _ in range(33):
        found += decoder.feed(b"{" + b" " * (1024 * 1024))
    assert code(found) == "upstream_protocol_error"
    assert decoder.done


def test_what_comes_for_a_block_that_was_never_begun_is_skipped() -> None:
    assert output(START, piece(4, "text_delta", text="x"), over(4), end(), STOP) == [Stopped("completed", "end_turn")]


def test_a_block_that_begins_twice_is_ended_first() -> None:
    call = begin(0, "tool_use", id="c", name="f", input={})
    found = output(START, call, begin(0, "text", text="x"), over(0), end(), STOP)
    assert found[:3] == [CallOpened("call:0", "c", "f"), Closed("call:0"), Text("text:0", "x")]


def test_a_refusal_says_why_only_where_nothing_else_was_said() -> None:
    why = {"type": "refusal", "explanation": "No."}
    assert output(START, end("refusal", stop_details=why), STOP)[0] == Refusal("refusal", "No.")
    spoken = output(START, begin(0, "text", text="A"), over(0), end("refusal", stop_details=why), STOP)
    assert not any(isinstance(delta, Refusal) for delta in spoken)


def test_counts_that_cannot_be_read_say_nothing() -> None:
    odd = {"type": "message_start", "message": {"usage": {"input_tokens": "many"}}}
    negative = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": -1}}
    found = read(odd, negative, STOP)
    assert [delta for delta in found if isinstance(delta, UsageSeen)] == []


def test_a_search_that_was_cut_leaves_nothing_to_send_back() -> None:
    search = begin(0, "server_tool_use", id="s", name="web_search", input={})
    found = output(START, search, piece(0, "input_json_delta", partial_json='{"query":'), b"")
    assert found[0] == SearchOpened("search:s")
    assert not any(isinstance(delta, Seal | SearchDone) for delta in found)


def test_a_search_whose_input_is_broken_is_a_search_all_the_same() -> None:
    search = begin(0, "server_tool_use", id="s", name="web_search", input={})
    hits = begin(1, "web_search_tool_result", tool_use_id="s", content="?")
    found = output(START, search, piece(0, "input_json_delta", partial_json="{"), over(0), hits, over(1), end(), STOP)
    done = next(delta for delta in found if isinstance(delta, SearchDone))
    assert msgspec.json.decode(done.action) == {"type": "search", "query": ""}


def test_a_result_may_come_before_the_end_of_its_search() -> None:
    search = begin(0, "server_tool_use", id="s", name="web_search", input={"query": "q"})
    hits = begin(1, "web_search_tool_result", tool_use_id="s", content=[])
    late = piece(0, "input_json_delta", partial_json="{}")
    found = output(START, search, hits, late, over(0), over(1), end(), STOP)
    assert [type(delta) for delta in found] == [SearchOpened, SearchDone, Seal, Closed, Stopped]


def test_other_tools_of_the_vendor_go_back_as_they_came() -> None:
    call = begin(0, "server_tool_use", id="s", name="code_execution", input={"code": "1"})
    result = begin(1, "code_execution_tool_result", tool_use_id="s", content={"stdout": "1"})
    found = output(START, call, over(0), result, over(1), end(), STOP)
    assert [type(delta) for delta in found] == [Seal, Closed, Stopped]
    assert isinstance(found[0], Seal)
    blocks = msgspec.json.decode(found[0].payload)
    assert [block["type"] for block in blocks] == ["server_tool_use", "code_execution_tool_result"]


def test_a_result_of_nobody_is_skipped() -> None:
    result = begin(0, "web_search_tool_result", tool_use_id="?", content=[])
    assert output(START, result, over(0), end(), STOP) == [Stopped("completed", "end_turn")]


def test_a_block_of_a_new_type_goes_back_as_it_came_if_it_came_whole() -> None:
    whole = output(START, begin(0, "novelty", data="x"), over(0), end(), STOP)
    assert whole[0] == Seal("block:0", b'[{"type":"novelty","data":"x"}]')
    pieces = output(START, begin(0, "novelty"), piece(0, "novelty_delta", data="x"), over(0), end(), STOP)
    assert pieces == [Stopped("completed", "end_turn")]


def test_a_citation_of_a_document_is_no_annotation() -> None:
    cited = begin(0, "text", text="x", citations=[{"type": "page_location", "document_title": "D"}])
    assert not any(isinstance(delta, Annotation) for delta in output(START, cited, over(0), end(), STOP))


def test_citations_of_a_text_that_was_cut_are_kept() -> None:
    cite = {"type": "web_search_result_location", "url": "https://a.example", "title": None}
    found = output(START, begin(0, "text", text="abc"), piece(0, "citations_delta", citation=cite))
    assert isinstance(found[1], Annotation)
    assert msgspec.json.decode(found[1].annotation)["title"] == ""
    assert isinstance(found[2], Broke)


def test_the_answer_of_a_forced_tool_is_text() -> None:
    call = begin(0, "tool_use", id="c", name="answer", input={"a": 1})
    found = output(START, call, over(0), end("tool_use"), STOP, expected=Expected(answer_tool="answer"))
    assert found == [Text("text:0", '{"a":1}'), Stopped("completed", "tool_use")]


def test_a_client_of_the_same_dialect_gets_every_event_as_it_is() -> None:
    last = {
        "type": "message_delta",
        "delta": {"stop_reason": "pause_turn", "stop_sequence": None, "container": {"id": "c"}},
        "context_management": {"applied_edits": []},
        "usage": {"output_tokens": 5, "server_tool_use": {"web_search_requests": 1}},
    }
    found = read(START, last, STOP, expected=Expected(vendor=True))
    assert [msgspec.json.decode(delta.raw) for delta in found if isinstance(delta, Native)] == [START, last, STOP]
    opened, _, counted, stopped = (delta for delta in found if not isinstance(delta, Native))
    assert isinstance(opened, Opened)
    assert counted == UsageSeen(3, 5)
    assert stopped == Stopped("completed", "pause_turn")


def test_a_client_of_the_same_dialect_gets_nothing_that_is_no_text() -> None:
    whole = msgspec.json.encode({"type": "ping", "note": "é"})
    broken = whole.replace(b"\xa9", b"\x9b\x9b")
    found = read(START, b"data: %b\n\ndata: %b\n\n" % (whole, broken), expected=Expected(vendor=True))
    assert [bytes(delta.raw) for delta in found if isinstance(delta, Native)][1:] == [whole]
    assert isinstance(found[-1], Broke)
    assert found[-1].fault.code == "upstream_protocol_error"


def test_an_answer_in_one_piece_is_told_in_events_too() -> None:
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    encoded = msgspec.json.encode({**body, "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 1}})
    found = read(encoded, expected=Expected(vendor=True), kind="application/json")
    assert [msgspec.json.decode(delta.raw) for delta in found if isinstance(delta, Native)] == [
        {
            "type": "message_start",
            "message": {**body, "stop_reason": None, "content": [], "usage": {"input_tokens": 1}},
        },
        begin(0, "text", text="Hi"),
        over(0),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 1}},
    ]
    assert not [delta for delta in read(encoded, kind="application/json") if isinstance(delta, Native)]


def test_an_event_tells_how_many_seals_are_in_it() -> None:
    thought = [begin(0, "thinking", thinking=""), piece(0, "signature_delta", signature="E1"), over(0)]
    found = read(START, *thought, end(), STOP, expected=Expected(vendor=True))
    told = [delta.seals for delta in found if isinstance(delta, Native)]
    assert sum(told) == sum(isinstance(delta, Seal) for delta in found) == 1
