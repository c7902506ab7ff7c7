"""Answers in all the ways in which servers and proxies give them."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.deltas import (
    Broke,
    CallOpened,
    Closed,
    Delta,
    Reasoning,
    SearchDone,
    SearchOpened,
    Stopped,
    Text,
    UsageSeen,
)
from tests.providers.corpus import replay
from tests.providers.gemini.script import (
    CODEC,
    arguments,
    broke,
    chunk,
    citations,
    decoder,
    read,
    sealed,
    spoken,
    target_for,
)

HI = {"text": "Hi"}
EMPTY = {"text": "", "thoughtSignature": "ZW1wdHk="}


def fc(**fields: Any) -> dict[str, Any]:
    return {"functionCall": fields}


def grounded(*supports: dict[str, Any], chunks: int = 1) -> dict[str, Any]:
    sources = [{"web": {"uri": f"https://{number}.example/", "title": f"t{number}"}} for number in range(chunks)]
    return {"groundingMetadata": {"groundingChunks": sources, "groundingSupports": list(supports)}}


def support(text: str | None, start: int, end: int, *, part: int | None = None, index: int = 0) -> dict[str, Any]:
    segment: dict[str, Any] = {"endIndex": end}
    if start:
        segment["startIndex"] = start
    if part is not None:
        segment["partIndex"] = part
    if text is not None:
        segment["text"] = text
    return {"segment": segment, "groundingChunkIndices": [index]}


def cited(deltas: list[Delta]) -> list[str]:
    text = spoken(deltas)
    return [text[one["start_index"] : one["end_index"]] for one in citations(deltas)]


def test_offsets_are_bytes_of_a_part_of_one_body() -> None:
    """Bug 53: emoji and CJK in two parts, a citation in the second."""
    first, second = "\U0001f600 \u6771\u4eac. ", "\u5927\u962a \U0001f1ef\U0001f1f5 is west."
    start = second.encode().index(b"is")
    body = msgspec.json.encode(
        chunk(
            {"text": first},
            {"text": second},
            finish="STOP",
            **grounded(support("is west", start, start + 7, part=1), support(None, 0, 4)),
        )
    )
    deltas = replay(decoder("application/json"), [body])
    assert cited(deltas) == ["is west", "\U0001f600"]


def test_parts_of_a_stream_are_counted_as_in_one_piece() -> None:
    thought = {"text": "Hm", "thought": True}
    words = "Z\u00fcrich hat viele."
    deltas = read(
        chunk(thought),
        chunk(thought),
        chunk({"text": words[:3]}),
        chunk({"text": words[3:]}),
        chunk(EMPTY, finish="STOP", **grounded(support("hat", 8, 11, part=1))),
    )
    assert cited(deltas) == ["hat"]


@pytest.mark.parametrize("part", [None, 0, 1, 7])
def test_the_text_of_a_segment_decides_where_it_stands(part: int | None) -> None:
    """Servers do not agree on how the parts of a stream are numbered, or on what the offsets begin with."""
    deltas = read(
        chunk({"text": "Thinking", "thought": True}),
        chunk({"text": "Berlin ist gro\u00df. "}),
        chunk({"text": "M\u00fcnchen auch."}, finish="STOP", **grounded(support("M\u00fcnchen", 17, 25, part=part))),
    )
    assert cited(deltas) == ["M\u00fcnchen"]


@pytest.mark.parametrize(
    "wrong",
    [
        support("Rome", 0, 4),
        support(None, 0, 999),
        support(None, 5, 5),
        support(None, 4, 2),
        support("Hi", 0, 2, index=9),
    ],
)
def test_a_citation_of_nothing_is_no_citation(wrong: dict[str, Any]) -> None:
    assert not citations(read(chunk(HI, finish="STOP", **grounded(wrong))))


def test_a_citation_is_told_once() -> None:
    twice = support("Hi", 0, 2)
    assert len(citations(read(chunk(HI, finish="STOP", **grounded(twice, twice))))) == 1


def test_only_the_message_that_is_open_can_be_cited() -> None:
    deltas = read(chunk(HI, fc(name="f", args={}), finish="STOP", **grounded(support("Hi", 0, 2))))
    assert not citations(deltas)
    assert [type(delta) for delta in deltas][-3:] == [SearchOpened, SearchDone, Stopped]


def test_text_behind_a_call_is_another_message() -> None:
    deltas = read(
        chunk(HI, fc(name="f", args={"a": 1}), {"text": "Bye"}, finish="STOP", **grounded(support("Bye", 0, 3)))
    )
    texts = [delta for delta in deltas if isinstance(delta, Text)]
    assert texts[0].key != texts[1].key
    (citation,) = citations(deltas)
    assert (citation["start_index"], citation["end_index"]) == (0, 3)


def test_a_search_at_google_is_shown_once_and_kept() -> None:
    call = {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["a", 5, "b"]}}}
    response = {"toolResponse": {"id": "other", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}}
    deltas = read(chunk(call, response, HI, finish="STOP", groundingMetadata={"webSearchQueries": ["a"]}))
    assert [type(delta) for delta in deltas if not isinstance(delta, UsageSeen)][:3] == [SearchOpened, SearchDone, Text]
    done = next(delta for delta in deltas if isinstance(delta, SearchDone))
    assert msgspec.json.decode(done.action)["queries"] == ["a", "b"]
    assert sum(isinstance(delta, SearchOpened) for delta in deltas) == 1
    assert sealed(deltas) == [{"before": [call, response]}]


def test_other_tools_at_google_are_kept_unseen() -> None:
    call = {"toolCall": {"id": "t", "toolType": "FILE_SEARCH"}, "thoughtSignature": "c2ln"}
    deltas = read(chunk(HI), chunk(call, finish="STOP"))
    assert not any(isinstance(delta, SearchOpened) for delta in deltas)
    assert sealed(deltas) == [{"after": [call]}]


def test_a_response_of_a_tool_that_was_not_called_changes_nothing() -> None:
    deltas = read(chunk({"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB"}}, HI, finish="STOP"))
    assert not any(isinstance(delta, SearchDone) for delta in deltas)
    assert spoken(deltas) == "Hi"


def test_signatures_stay_where_they_stood() -> None:
    deltas = read(
        chunk({"text": "Hel", "thoughtSignature": "YQ=="}),
        chunk({"text": "lo"}),
        chunk({**EMPTY}, finish="STOP"),
    )
    assert sealed(deltas) == [{"marks": [[0, 3, "YQ=="], [5, 5, "ZW1wdHk="]]}]


def test_a_signature_with_nothing_before_it_is_kept_in_a_thought() -> None:
    deltas = read(chunk(EMPTY), chunk(fc(name="f", args={}), finish="STOP"))
    assert sealed(deltas) == [{"after": [EMPTY]}]
    assert isinstance(deltas[1], CallOpened)


def test_a_signature_on_a_thought_without_words() -> None:
    deltas = read(
        chunk({"thought": True, "thoughtSignature": "YQ=="}), chunk({"thought": True}), chunk(HI, finish="STOP")
    )
    assert sealed(deltas) == [{"signature": "YQ=="}]
    assert not any(isinstance(delta, Reasoning) for delta in deltas)


def test_an_id_that_two_calls_share_is_no_id() -> None:
    deltas = read(chunk(fc(name="f", id="x", args={}), fc(name="f", id="x", args={}), finish="STOP"))
    assert [delta.call_id for delta in deltas if isinstance(delta, CallOpened)] == ["x", ""]


@pytest.mark.parametrize("args", [{}, None, {"a": 1}])
def test_calls_in_a_row_are_calls_of_their_own(args: object) -> None:
    deltas = read(chunk(fc(name="f", args=args), fc(name="f", args=args)), chunk(fc(name="g"), finish="STOP"))
    assert [name for name, _ in arguments(deltas)] == ["f", "f", "g"]
    assert sum(isinstance(delta, Closed) for delta in deltas) == 3


def test_a_name_that_is_repeated_with_every_piece_is_one_call() -> None:
    piece = {"jsonPath": "$.text", "stringValue": "Hel"}
    deltas = read(
        chunk(fc(name="f", partialArgs=[piece])),
        chunk(fc(name="f", partialArgs=[{**piece, "stringValue": "lo"}])),
        chunk(finish="STOP"),
    )
    assert arguments(deltas) == [("f", '{"text":"Hello"}')]


def test_pieces_end_when_it_is_said_so() -> None:
    piece = {"jsonPath": "$.a", "numberValue": 1}
    deltas = read(
        chunk(fc(name="f", willContinue=True)),
        chunk(fc(args={"b": 2}, partialArgs=[piece], willContinue=False)),
        chunk(fc(), finish="STOP"),
    )
    assert arguments(deltas) == [("f", '{"b":2,"a":1}')]


def test_pieces_of_a_call_that_is_left_out_are_left_out_too() -> None:
    deltas = read(
        chunk(fc(name="f", args={"a": 1}), fc(name="g", willContinue=True)),
        chunk(fc(partialArgs=[{"jsonPath": "$.a", "stringValue": "x"}]), fc(), {"text": "Bye"}, finish="STOP"),
        one_call=True,
    )
    assert arguments(deltas) == [("f", '{"a":1}')]
    assert spoken(deltas) == "Bye"


@pytest.mark.parametrize(
    "part",
    [
        fc(args={"a": 1}),
        fc(partialArgs=[{"jsonPath": "$.a", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "a", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$[0]", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$.a[*]", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$.a[5000]", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a.b", "stringValue": "x"}]),
        fc(name="f", partialArgs=[{"jsonPath": "$" + ".a" * 65, "stringValue": "x"}]),
        fc(name="f", args=[1]),
        fc(name="f", args="x"),
        {"text": 5},
    ],
)
def test_what_cannot_be_made_into_calls_breaks_the_answer(part: dict[str, Any]) -> None:
    assert broke(read(chunk(part, finish="STOP"))) == "upstream_protocol_error"


def test_empty_calls_are_nothing() -> None:
    deltas = read(chunk(fc(), fc(args={}), HI, fc(), finish="STOP"))
    assert spoken(deltas) == "Hi"
    assert not arguments(deltas)


@pytest.mark.parametrize("reason", ["STOP", "SOMETHING_NEW", "OTHER"])
def test_a_normal_end(reason: str) -> None:
    assert read(chunk(HI, finish=reason))[-1] == Stopped("completed", reason)


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [("MAX_TOKENS", "max_output_tokens")]
    + [
        (word, "content_filter")
        for word in (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
        )
    ],
)  # fmt: skip
def test_an_end_before_the_end(reason: str, wanted: str) -> None:
    last = read(chunk(HI, finish=reason))[-1]
    assert isinstance(last, Stopped)
    assert last.reason == wanted


def test_an_interruption_can_be_gone_on_from_where_there_is_something_to_go_on_with() -> None:
    assert read(chunk(HI, finish="CONTINUATION"))[-1] == Stopped("completed", "CONTINUATION", paused=b"")
    called = {"functionCall": {"name": "f", "args": {}}}
    assert read(chunk(called, finish="CONTINUATION"))[-1] == Stopped("max_output_tokens", "CONTINUATION")
    assert read(chunk(finish="CONTINUATION"))[-1] == Stopped("max_output_tokens", "CONTINUATION")


@pytest.mark.parametrize(
    "reason",
    ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"],
)  # fmt: skip
def test_a_failure_of_the_model_is_worth_another_try(reason: str) -> None:
    last = read(chunk(HI, finish=reason))[-1]
    assert isinstance(last, Broke)
    assert last.fault.retryable
    assert last.fault.code == "upstream_error"


def test_no_reason_is_no_end() -> None:
    assert broke(read(chunk(HI, finish="FINISH_REASON_UNSPECIFIED"))) == "upstream_truncated"


def test_only_the_first_finish_counts_and_text_behind_it_is_text() -> None:
    late = {
        "candidates": [{"content": {"parts": [HI]}, "finishReason": "SAFETY"}],
        "usageMetadata": {"promptTokenCount": 3},
    }
    deltas = read(chunk(HI, finish="STOP"), late)
    assert spoken(deltas) == "HiHi"
    assert [delta for delta in deltas if isinstance(delta, Stopped)] == [Stopped("completed", "STOP")]
    assert UsageSeen(input_tokens=3) in deltas


def test_a_block_behind_output_is_no_block_of_the_prompt() -> None:
    deltas = read(chunk(HI), {"promptFeedback": {"blockReason": "OTHER"}}, chunk(finish="STOP"))
    assert deltas[-1] == Stopped("completed", "STOP")


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ({"promptTokenCount": 5}, UsageSeen(input_tokens=5)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 2}, UsageSeen(input_tokens=7)),
        ({"thoughtsTokenCount": 5}, UsageSeen(output_tokens=5, reasoning_tokens=5)),
        ({"candidatesTokenCount": 2.0, "thoughtsTokenCount": 0}, UsageSeen(output_tokens=2, reasoning_tokens=0)),
        ({"cachedContentTokenCount": 9}, UsageSeen(cached_tokens=9)),
        ({"promptTokenCount": -1}, None),
    ],
)
def test_counts_of_tokens(counts: dict[str, float], wanted: UsageSeen | None) -> None:
    seen = [
        delta for delta in read({"usageMetadata": counts}, chunk(HI, finish="STOP")) if isinstance(delta, UsageSeen)
    ]
    assert seen == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "upstream_protocol_error"),
        ([b"  \n\n"], "upstream_protocol_error"),
        ([b"<html>busy</html>"], "upstream_protocol_error"),
        ([b"data: nonsense\n\n"], "upstream_protocol_error"),
        ([b"data: {}\n\n"], "upstream_protocol_error"),
        ([b'data: {"object":"chat.completion.chunk"}\n\n'], "upstream_protocol_error"),
        ([{"usageMetadata": {"promptTokenCount": 1}}], "upstream_protocol_error"),
        ([{"candidates": []}], "upstream_protocol_error"),
        ([chunk(HI)], "upstream_truncated"),
        ([chunk(HI), b"data: [DONE]\n\n"], "upstream_truncated"),
        ([chunk(HI), b'data: {"candidates"'], "upstream_reset"),
        ([b'[{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]},{"cand'], "upstream_reset"),
        ([b'[{"candidates":[]} nonsense'], "upstream_protocol_error"),
        ([b"event: error\ndata: gone\n\n"], "upstream_error"),
        ([b'data: {"message":"no such thing","code":503}\n\n'], "upstream_overloaded"),
        ([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}], "rate_limit_exceeded"),
        ([{"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid."}}], None),
        ([{"error": "broken"}], "upstream_error"),
        ([{"error": 5}], "upstream_error"),
    ],
)
def test_what_is_no_answer(frames: list[object], code: str | None) -> None:
    deltas = read(*frames)
    if code is not None:
        assert broke(deltas) == code
    assert isinstance(deltas[-1], Broke)


def test_content_types_that_are_no_answer_are_not_read() -> None:
    assert broke(read(chunk(HI, finish="STOP"), content_type="text/html")) == "upstream_protocol_error"
    assert not isinstance(read(chunk(HI, finish="STOP"), content_type="application/problem+json")[-1], Broke)


def test_a_frame_without_end_is_given_up() -> None:
    made = decoder()
    found: list[Delta] = made.feed(b"data: " + b"x" * 5)
    while not made.done:
        found += made.feed(b"x" * 1_000_000)
    assert broke(found) == "upstream_protocol_error"
    assert made.feed(b"more") == made.eof() == []


def test_an_object_without_end_is_given_up() -> None:
    made = decoder()
    found: list[Delta] = made.feed(b'[{"a":"')
    while not made.done:
        found += made.feed(b"x" * 1_000_000)
    assert broke(found) == "upstream_protocol_error"


def test_log_probabilities_that_were_not_asked_for_are_not_given() -> None:
    probable = {"logprobsResult": {"chosenCandidates": [{"token": "Hi", "logProbability": -0.5}]}}
    (text,) = [delta for delta in read(chunk(HI, finish="STOP", **probable)) if isinstance(delta, Text)]
    assert text.logprobs == ()


def test_log_probabilities_wait_for_text_and_are_dropped_with_thoughts() -> None:
    def probable(token: str) -> dict[str, Any]:
        return {"logprobsResult": {"chosenCandidates": [{"token": token, "logProbability": -0.5}]}}

    deltas = read(
        chunk({"text": "Hm", "thought": True}, **probable("Hm")),
        chunk(**probable("H")),
        chunk(HI, **probable("i")),
        chunk(finish="STOP", logprobsResult=None),
        logprobs=True,
    )
    (text,) = [delta for delta in deltas if isinstance(delta, Text)]
    assert [msgspec.json.decode(entry)["token"] for entry in text.logprobs] == ["H", "i"]


def test_log_probabilities_that_cannot_be_read_break_the_answer() -> None:
    assert broke(read(chunk(HI, finish="STOP", logprobsResult=[5]), logprobs=True)) == "upstream_protocol_error"


def test_errors_whose_details_are_odd_are_explained_all_the_same() -> None:
    for body in (b'{"error":{"details":5,"message":"x"}}', b"[]", b"[5]", b"nonsense", b""):
        fault = CODEC.fault(400, {}, body=body, target=target_for("gemini/m"))
        assert fault.status == 400
