"""Events as chunks and as one answer: legal by the official types, and the same answer either way."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.dialects.chat import ChatAnswer, ChatStream, Head
from antiphon.protocol import deltas, events
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.faults import ServerFault, UpstreamFault
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage
from tests.helpers.chat_stream import CheckedChat, check_chat_answer, check_chat_stream
from tests.helpers.requests import RESPONSE_ID, begun, make_assembler

Json = dict[str, Any]

USAGE = Usage(5, 3, 8, InputDetails(2, 1), OutputDetails(1))
DONE = Outcome("completed", USAGE, completed_at=1)


def cite(start: int, end: int) -> Raw:
    cited = {"type": "url_citation", "start_index": start, "end_index": end, "url": "https://a", "title": "A"}
    return Raw(msgspec.json.encode(cited))


def stream_of(
    *reads: list[deltas.Delta],
    outcome: Outcome = DONE,
    assembler: Assembler | None = None,
    **options: Any,
) -> bytes:
    """What a client gets when an upstream's answer comes in these reads."""
    assembler = assembler or make_assembler()
    encoder = ChatStream(Head(), **options)
    told = encoder.encode(assembler.open())
    for read in reads:
        output: list[Any] = []
        for delta in read:
            if isinstance(delta, deltas.OutcomeDelta):
                encoder.see(delta)
            else:
                output.append(delta)
        caused = assembler.feed(output)
        told += encoder.encode(caused) if caused else b""
    closing, terminal = assembler.finish(outcome)
    return told + encoder.heartbeat + encoder.end([*closing, terminal])


def answer_of(*reads: list[deltas.Delta], outcome: Outcome = DONE, **options: Any) -> Json:
    """The same in one piece."""
    assembler = make_assembler()
    encoder = ChatAnswer(**options)
    for read in reads:
        for delta in read:
            if isinstance(delta, deltas.OutcomeDelta):
                encoder.see(delta)
            else:
                assembler.feed([delta])
    _, terminal = assembler.finish(outcome)
    return check_chat_answer(msgspec.json.decode(encoder.encode(terminal.response)))


def both(*reads: list[deltas.Delta], outcome: Outcome = DONE, **options: Any) -> CheckedChat:
    """The stream, once it was compared with the answer in one piece."""
    checked = check_chat_stream(stream_of(*reads, outcome=outcome, include_usage=True, **options), usage=True)
    whole = answer_of(*reads, outcome=outcome, **options)
    assert as_one(checked.answer) == as_one(whole)
    return checked


def as_one(answer: Json) -> Json:
    for choice in answer["choices"]:
        choice["message"]["content"] = choice["message"]["content"] or None
    return answer


def test_text_is_told_in_chunks_of_the_documented_form() -> None:
    told = stream_of([deltas.Text("t", "Hel")], [deltas.Text("t", "lo")])
    head = {"id": f"chatcmpl-{RESPONSE_ID.hex()}", "object": "chat.completion.chunk", "created": 1764000000}
    deltas_told = [{"role": "assistant", "content": "", "refusal": None}, {"content": "Hel"}, {"content": "lo"}, {}]
    assert check_chat_stream(told).chunks == [
        {
            **head,
            "model": "test-model",
            "choices": [
                {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"},
            ],
        }
        for delta in deltas_told
    ]
    assert told.endswith(b": keep-alive\n\n" + told.split(b": keep-alive\n\n")[1])
    assert told.endswith(b"data: [DONE]\n\n")


def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    checked = both([deltas.Text("t", "Hi")])
    assert checked.chunks[-1]["choices"] == []
    assert checked.chunks[-1]["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


def test_calls_are_numbered_in_their_own_order() -> None:
    """Bugs 13 and 28: neither all zero, nor the place among the items."""
    checked = both(
        [deltas.Reasoning("r", "Hm.")],
        [deltas.Text("t", "A moment.")],
        [deltas.CallOpened(0, "c1", "f"), deltas.CallOpened(1, "c2", "g", kind="custom")],
        [deltas.CallArguments(1, "plain"), deltas.CallArguments(0, '{"a"'), deltas.CallArguments(0, ":1}")],
    )
    assert checked.finish == "tool_calls"
    assert checked.message == {
        "role": "assistant",
        "content": "A moment.",
        "refusal": None,
        "annotations": [],
        "reasoning_content": "Hm.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "plain"}},
        ],
    }


def test_calls_alone_leave_the_content_null() -> None:
    checked = both([deltas.CallOpened(0, "c1", "f")])
    assert checked.message["content"] is None
    assert checked.message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_calls_are_told_the_old_way_to_who_asked_the_old_way() -> None:
    opened: list[deltas.Delta] = [deltas.CallOpened(0, "c1", "f"), deltas.CallArguments(0, "{}")]
    checked = both([*opened, deltas.CallOpened(1, "c2", "g"), deltas.CallArguments(1, "{}")], legacy=True)
    assert checked.finish == "function_call"
    assert checked.message["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in checked.message


@pytest.mark.parametrize(
    ("outcome", "finish"),
    [
        (Outcome("incomplete", USAGE, "max_output_tokens"), "length"),
        (Outcome("incomplete", USAGE, "content_filter"), "content_filter"),
        (DONE, "stop"),
    ],
)
def test_why_it_ended_is_told(outcome: Outcome, finish: str) -> None:
    assert both([deltas.Text("t", "Hi")], outcome=outcome).finish == finish
    assert both(outcome=outcome).finish == finish


def test_a_call_that_was_cut_is_not_told_as_a_call_to_make() -> None:
    cut: list[deltas.Delta] = [deltas.CallOpened(0, "c1", "f"), deltas.CallArguments(0, '{"a"')]
    assert both(cut, outcome=Outcome("incomplete", USAGE, "max_output_tokens")).finish == "length"


def test_refusals_have_their_field() -> None:
    checked = both([deltas.Refusal("t", "I can")], [deltas.Refusal("t", "not.")])
    assert checked.message["refusal"] == "I cannot."
    assert not checked.message["content"]


def test_thoughts_in_parts_are_told_as_one_text() -> None:
    checked = both(
        [deltas.Reasoning("a", "One"), deltas.Reasoning("a", ".")],
        [deltas.Reasoning("a", "Two.", part=1)],
        [deltas.Text("t", "Hi")],
        [deltas.Reasoning("b", "Three.", kind="raw")],
    )
    assert checked.message["reasoning_content"] == "One.\n\nTwo.\n\nThree."
    assert checked.message["content"] == "Hi"


def test_what_the_provider_wants_back_is_told_in_the_details() -> None:
    assembler = Assembler(begun(), owner=RESPONSE_ID, new_call_id=lambda: "c", seal=lambda payload: payload.decode())
    told = stream_of([deltas.Reasoning("r", "Hm."), deltas.Seal("r", b"sealed")], assembler=assembler)
    (detail,) = check_chat_stream(told).message["reasoning_details"]
    assert (detail["type"], detail["data"], detail["index"]) == ("reasoning.encrypted", "sealed", 0)


def test_citations_count_from_the_beginning_of_the_message() -> None:
    checked = both(
        [deltas.Text("t", "😀 one. "), deltas.Annotation("t", cite(2, 5))],
        [deltas.SearchOpened("s"), deltas.SearchDone("s", Raw(b'{"type":"search","query":"q"}'))],
        [deltas.Text("u", "Two."), deltas.Annotation("u", cite(0, 3))],
    )
    content = checked.message["content"]
    spans = [one["url_citation"] for one in checked.message["annotations"]]
    assert [content[span["start_index"] : span["end_index"]] for span in spans] == ["one", "Two"]


def test_citations_of_kinds_that_chat_lacks_are_left_out() -> None:
    file = Raw(b'{"type":"file_citation","file_id":"f","index":0,"filename":"n"}')
    assert both([deltas.Text("t", "Hi"), deltas.Annotation("t", file)]).message["annotations"] == []


def test_log_probabilities_stand_beside_their_text() -> None:
    entry = Raw(b'{"token":"Hi","logprob":-0.1,"bytes":[72,105],"top_logprobs":[]}')
    checked = both([deltas.Text("t", "Hi", (entry,))], [deltas.Text("t", "!")])
    assert checked.answer["choices"][0]["logprobs"]["content"][0]["token"] == "Hi"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (UpstreamFault("Reset.", code="upstream_reset"), ("server_error", "upstream_reset")),
        (UpstreamFault("Slow down.", code="rate_limit_exceeded", status=429), ("rate_limit_error", "rate_limit_exceeded")),
        (ServerFault("Too long.", code="context_length_exceeded", status=400), ("invalid_request_error", "context_length_exceeded")),
    ],
)  # fmt: skip
def test_a_failure_in_the_middle_is_one_error_and_the_end(fault: Any, told: tuple[str, str]) -> None:
    stream = stream_of([deltas.Text("t", "Hel")], outcome=Outcome("failed", USAGE, fault=fault))
    checked = check_chat_stream(stream)
    assert checked.error is not None
    assert (checked.error["type"], checked.error["code"]) == told
    assert checked.error["message"] == fault.message
    assert b"[DONE]" not in stream
    assert checked.answer["choices"][0]["message"]["content"] == "Hel"


def test_what_the_upstream_said_in_this_dialect_is_told_again() -> None:
    first = Raw(b'{"system_fingerprint":"fp_1","service_tier":"default","provider":"acme"}')
    last = Raw(b'{"provider":"acme","choices":[{"native_finish_reason":"eos","message":{"audio":null}}]}')
    usage = Raw(b'{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"queue_time":0.5}')
    reads: list[list[deltas.Delta]] = [
        [deltas.Opened("up_1", "m", vendor=first), deltas.Text("t", "Hi")],
        [deltas.Stopped("completed", "stop", last), deltas.UsageSeen(1, 2, vendor=usage)],
    ]
    checked = check_chat_stream(stream_of(*reads, include_usage=True), usage=True)
    assert {chunk["system_fingerprint"] for chunk in checked.chunks} == {"fp_1"}
    assert {chunk["service_tier"] for chunk in checked.chunks} == {"default"}
    assert [chunk.get("provider") for chunk in checked.chunks] == ["acme", None, "acme", None]
    assert checked.chunks[-2]["choices"][0]["native_finish_reason"] == "eos"
    assert checked.chunks[-1]["usage"]["queue_time"] == 0.5
    whole = answer_of(*reads)
    assert (whole["provider"], whole["system_fingerprint"], whole["usage"]["queue_time"]) == ("acme", "fp_1", 0.5)
    assert whole["choices"][0]["native_finish_reason"] == "eos"


@pytest.mark.parametrize(
    "vendor",
    [
        {"service_tier": "gold", "system_fingerprint": 5},
        {"service_tier": None, "system_fingerprint": None},
        {"id": "x", "object": "y", "created": "z", "model": 1, "choices": [], "usage": 1, "error": {}},
    ],
)
def test_what_strict_clients_cannot_read_is_not_told(vendor: Json) -> None:
    opened = deltas.Opened("up", "m", vendor=Raw(msgspec.json.encode(vendor)))
    bad = deltas.UsageSeen(5, 3, vendor=Raw(b'{"prompt_tokens":"many"}'))
    told: list[deltas.Delta] = [opened, deltas.Text("t", "Hi"), bad]
    answer_of(told)
    assert check_chat_stream(stream_of(told, include_usage=True), usage=True).chunks[-1]["usage"]["prompt_tokens"] == 5


def test_choices_share_their_head() -> None:
    head = Head()
    encoders = [ChatStream(head, index=index, include_usage=True) for index in range(2)]
    told = b""
    for number, encoder in enumerate(encoders):
        assembler = make_assembler(model=f"m{number}")
        encoder.see(deltas.Opened(fingerprint=f"fp_{number}"))
        encoder.encode(assembler.open())
        told += encoder.encode(assembler.feed([deltas.Text("t", f"text {number}")]))
        closing, terminal = assembler.finish(DONE)
        told += encoder.finish([*closing, terminal])
    told += encoders[0].close(USAGE, several=True) + b"data: [DONE]\n\n"
    checked = check_chat_stream(told, usage=True, choices=2)
    assert [choice["message"]["content"] for choice in checked.answer["choices"]] == ["text 0", "text 1"]
    assert {(chunk["model"], chunk["system_fingerprint"]) for chunk in checked.chunks} == {("m0", "fp_0")}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEY = st.integers(0, 3)
DELTA = st.one_of(
    st.builds(deltas.Text, KEY, TEXT),
    st.builds(deltas.Refusal, KEY, TEXT),
    st.builds(deltas.Annotation, KEY, st.builds(cite, st.integers(0, 3), st.integers(3, 9))),
    st.builds(deltas.Reasoning, KEY, TEXT, st.integers(0, 2), st.sampled_from(["summary", "raw"])),
    st.builds(deltas.CallOpened, KEY, TEXT, st.just("f"), st.sampled_from(["function", "custom"])),
    st.builds(deltas.CallArguments, KEY, TEXT),
    st.builds(deltas.Closed, KEY),
    st.builds(deltas.SearchOpened, KEY),
    st.builds(deltas.SearchDone, KEY, st.just(Raw(b'{"type":"search","query":"q"}'))),
    st.builds(deltas.Seal, KEY, st.binary(max_size=4)),
)


@given(st.lists(st.lists(DELTA, min_size=1, max_size=4), max_size=8))
def test_any_answer_is_legal_and_in_chunks_the_same_as_in_one_piece(reads: list[list[Any]]) -> None:
    told = stream_of(*reads, include_usage=True)
    checked = check_chat_stream(told, usage=True)
    whole = answer_of(*reads)
    found, wanted = (as_one(answer)["choices"][0] for answer in (checked.answer, whole))
    for message in (found["message"], wanted["message"]):
        # In a whole answer thoughts stand by themselves; in chunks empty parts leave only their blank lines.
        message["reasoning_content"] = "".join((message.get("reasoning_content") or "").split())
        message["refusal"] = message["refusal"] or None
        message["annotations"] = []
    assert found["finish_reason"] == wanted["finish_reason"]
    assert found["message"]["content"] == wanted["message"]["content"]
    assert found["message"].get("tool_calls") == wanted["message"].get("tool_calls")
    assert found["message"]["refusal"] == wanted["message"]["refusal"]


def test_events_that_this_dialect_has_no_word_for_are_not_told() -> None:
    encoder = ChatStream(Head())
    assert encoder.encode([events.SearchInProgress(1, "ws_1", 0)]) == b""
