"""What chunks mean: thought, text, citations, log probabilities, usage, the reason to stop."""

import msgspec
import pytest

from antiphon.protocol.deltas import (
    Annotation,
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Opened,
    Reasoning,
    Refusal,
    Stopped,
    StopReason,
    Text,
    UsageSeen,
)
from tests.providers.script import DONE, HI, STOP, broke, chunk, read


def test_sources_of_reasoning_go_by_rank_one_to_a_chunk() -> None:
    details = [{"type": "reasoning.text", "text": "d"}, {"type": "reasoning.encrypted", "data": "x"}]
    found = read(
        chunk({"reasoning_details": details, "reasoning": "r", "reasoning_content": "c"}),
        chunk({"reasoning_details": details[1:], "reasoning": "r", "reasoning_content": "c"}),
        chunk({"reasoning": "", "reasoning_content": "c"}),
        chunk(
            {"content": [{"type": "thinking", "thinking": "t"}, {"type": "reference"}, {"type": "text", "text": "Hi"}]}
        ),
        STOP,
    )
    assert [delta.text for delta in found if isinstance(delta, Reasoning)] == ["d", "r", "c", "t"]
    assert found[-2:] == HI


def test_reasoning_of_a_wrong_shape_is_the_last_that_is_read() -> None:
    found = read(chunk({"reasoning_details": 1, "content": "x"}), STOP)
    assert [type(delta).__name__ for delta in found][-1] == "Broke"


def test_a_new_reasoning_block_is_a_new_part() -> None:
    steps = [(0, "a"), (0, "b"), (1, "c"), (None, "d"), (2, "e")]
    found = read(*(chunk({"reasoning_details": [{"summary": text, "index": index}]}) for index, text in steps), STOP)
    assert [(delta.part, delta.text) for delta in found if isinstance(delta, Reasoning)] == [
        (0, "a"), (0, "b"), (1, "c"), (1, "d"), (2, "e"),
    ]  # fmt: skip


THINK = [
    (["<think>a</think>b"], ["+a", "-b"]),
    (["<th", "ink>", "\n", "a", "</", "think", ">\n\n", "b"], ["+a", "-b"]),
    (["a</think>b"], ["+a", "-b"]),
    (["a<", "b</thi", "nk"], ["+a", "+<b", "+</think", "-a<b</think"]),
    (["  ", "plain"], ["+  plain", "-  plain"]),
    (["<think></think>b"], ["-b"]),
    (["<think>a"], ["+a"]),
    (["<think>a</think>b<think>c</think>"], ["+a", "-b<think>c</think>"]),
    (["<thi"], ["-<thi"]),
    ([" "], ["- "]),
]


@pytest.mark.parametrize(("pieces", "wanted"), THINK)
def test_tags_split_thought_from_text(pieces: list[str], wanted: list[str]) -> None:
    found = read(*(chunk({"content": piece}) for piece in pieces), STOP, think_tags=True)
    marks = [
        ("+" if isinstance(delta, Reasoning) else "-") + delta.text
        for delta in found
        if isinstance(delta, Text | Reasoning)
    ]
    assert marks == wanted


def test_thoughts_without_tags_are_not_repeated_when_the_answer_was_cut() -> None:
    found = read(chunk({"content": "long thought"}, "length"), think_tags=True)
    assert [type(delta) for delta in found] == [Reasoning, Stopped]


def test_tags_are_left_alone_where_the_server_takes_thoughts_apart() -> None:
    found = read(
        chunk({"reasoning": "r"}), chunk({"content": "<think>"}), chunk({"content": "x"}), STOP, think_tags=True
    )
    assert [delta.text for delta in found if isinstance(delta, Text)] == ["<think>", "x"]


def test_tags_are_text_where_nothing_says_otherwise() -> None:
    assert read(chunk({"content": "<think>"}), STOP)[0] == Text("text", "<think>")


def half(content: str, field: str = "content") -> bytes:
    return b'data: {"choices":[{"delta":{"%b":"%b"}}]}\n\n' % (field.encode(), content.encode())


def test_halves_of_a_pair_are_joined_over_frames_and_lone_ones_replaced() -> None:
    found = read(half(r"a\ud83d"), half(r"\ude00b\ude00"), half(r"\\ud83d \ud83d\ude00 \ud83d"), STOP)
    assert (
        "".join(delta.text for delta in found if isinstance(delta, Text))
        == "a\U0001f600b\ufffd\\ud83d \U0001f600 \ufffd"
    )


def test_a_half_waits_for_its_own_block_only() -> None:
    found = read(half(r"a\ud83d", "reasoning"), half(r"\ude00", "content"), half(r"x\ud83d", "refusal"), STOP)
    assert found[:5] == [
        Reasoning("reasoning", "a"),
        Reasoning("reasoning", "\ufffd"),
        Text("text", "\ufffd"),
        Refusal("text", "x"),
        Refusal("text", "\ufffd"),
    ]


def test_halves_in_arguments_are_settled_when_the_call_ends() -> None:
    arguments = rb'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"\ud83d"}}]}}]}'
    found = read(arguments + b"\n\n", chunk({}, "tool_calls"))
    assert found == [
        CallOpened("call-0", "a", "f"),
        CallArguments("call-0", "\ufffd"),
        Closed("call-0"),
        Stopped("completed", "tool_calls"),
    ]


def test_a_half_after_the_finish_is_settled_at_the_end() -> None:
    found = read(half("a"), STOP, half(r"\ud83d"), DONE)
    assert found[-1] == Text("text", "\ufffd")


def test_raw_surrogate_bytes_are_read_like_escapes() -> None:
    found = read(b'data: {"choices":[{"delta":{"content":"a\xed\xa0\xbd"}}]}\n\n', half(r"\ude00"), STOP)
    assert [delta.text for delta in found if isinstance(delta, Text)] == ["a", "\U0001f600"]


def test_genuine_characters_of_the_stand_ins_range_survive() -> None:
    crowd = "\U0010fff0\U0010f000"
    found = read(half(crowd + r"\ud83d"), half(r"\ude00"), half("\U0010fff0"), STOP)
    assert [delta.text for delta in found if isinstance(delta, Text)] == [crowd, "\U0001f600", "\U0010fff0"]
    crowd += "\U000fff00"
    assert read(half(crowd + r"\ud83d"), STOP)[0] == Text("text", crowd + "\ufffd")


def test_arguments_as_json_that_is_no_unicode_are_a_fault() -> None:
    call = b'{"index":0,"function":{"name":"f","arguments":{"a":"\xff"}}}'
    assert broke(read(b'data: {"choices":[{"delta":{"tool_calls":[%b]}}]}\n\n' % call)) == "upstream_protocol_error"


def test_broken_json_with_a_lone_surrogate_is_still_broken() -> None:
    assert broke(read(rb'data: {"choices":[{"delta":{"content":"\ud83d"}' + b"\n\n")) == "upstream_protocol_error"


def test_halves_in_thoughts_between_tags_and_in_late_names_are_joined() -> None:
    found = read(half(r"<think>a\ud83d"), half(r"\ude00</think>b"), STOP, think_tags=True)
    assert found[:3] == [Reasoning("reasoning", "a"), Reasoning("reasoning", "\U0001f600"), Text("text", "b")]
    early = rb'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\ud83d"}}]}}]}' + b"\n\n"
    found = read(early, chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x"}}]}), STOP)
    assert found[:2] == [CallOpened("call-0", "", "f"), CallArguments("call-0", "\ufffdx")]


def test_tokens_with_half_a_pair_are_replaced() -> None:
    entries = rb'"logprobs":{"content":[{"token":"\ud83d","logprob":0,"bytes":[1],"top_logprobs":[]}]}'
    found = read(rb'data: {"choices":[{"delta":{"content":"a"},' + entries + b"}]}\n\n", STOP, logprobs=True)
    assert isinstance(found[0], Text)
    assert msgspec.json.decode(found[0].logprobs[0])["token"] == "\ufffd"


def test_nul_is_kept() -> None:
    assert read(half(r"a\u0000b"), STOP)[0] == Text("text", "a\x00b")


ENTRY = {"token": "Hi", "logprob": -1, "bytes": [1], "top_logprobs": [{"token": "Hi", "logprob": None}]}


def logprob_chunk(entries: object, **delta: object) -> dict[str, object]:
    return {"choices": [{"delta": delta, "logprobs": entries}]}


def test_logprobs_are_given_only_when_asked_for() -> None:
    frame = logprob_chunk({"content": [ENTRY]}, content="Hi")
    assert read(frame, STOP) == HI
    (text, _) = read(frame, STOP, logprobs=True)
    assert isinstance(text, Text)
    assert [msgspec.json.decode(entry) for entry in text.logprobs] == [
        {
            "token": "Hi",
            "logprob": -1,
            "bytes": [1],
            "top_logprobs": [{"token": "Hi", "logprob": -9999, "bytes": [72, 105]}],
        }
    ]


def test_logprobs_of_thoughts_and_calls_do_not_stick_to_the_text() -> None:
    found = read(
        logprob_chunk({"content": [ENTRY]}, reasoning="Hm"),
        logprob_chunk({"content": [ENTRY]}, tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}]),
        logprob_chunk(None, content="Hi"),
        STOP,
        logprobs=True,
    )
    assert Text("text", "Hi") in found


def test_logprobs_of_the_wrong_shape_are_a_fault_only_when_asked_for() -> None:
    frame = logprob_chunk(-0.5, content="Hi")
    assert read(frame, STOP) == HI
    assert [type(delta) for delta in read(frame, STOP, logprobs=True)] == [Broke]


def test_citations_are_flattened_and_others_left_out() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://a.example", "start_index": 1.0}}
    found = read(chunk({"content": "Hi", "annotations": [cited, {"type": "file"}, {"url_citation": {}}]}), STOP)
    assert [msgspec.json.decode(delta.annotation) for delta in found if isinstance(delta, Annotation)] == [
        {"type": "url_citation", "start_index": 1, "end_index": 0, "url": "https://a.example", "title": ""}
    ]


USAGES = [
    ({"prompt_tokens": 3, "completion_tokens": 2}, UsageSeen(3, 2)),
    ({"prompt_tokens": 3.0, "completion_tokens": -1}, UsageSeen(3)),
    ({"input_tokens": 3, "output_tokens": 2}, UsageSeen(3, 2)),
    ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 1}, UsageSeen(3, 2, 1)),
    ({"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1}, UsageSeen(3, 2, 1)),
    (
        {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
        UsageSeen(9, None, 4, 2),
    ),
    (
        {"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}},
        UsageSeen(None, 5, reasoning_tokens=3),
    ),
    (
        {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 9, "reasoning_tokens": 3},
        UsageSeen(1, 8, reasoning_tokens=3),
    ),
    (
        {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6, "reasoning_tokens": 3},
        UsageSeen(1, 5, reasoning_tokens=3),
    ),
    ({"completion_tokens": 5, "reasoning_tokens": 30}, UsageSeen(None, 35, reasoning_tokens=30)),
]


@pytest.mark.parametrize(("counts", "wanted"), USAGES)
def test_usage_is_read_in_every_spelling(counts: dict[str, object], wanted: UsageSeen) -> None:
    assert read(chunk({"content": "Hi"}), STOP, {"choices": [], "usage": counts})[-1] == wanted
    in_choice = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": counts}]}
    assert read(chunk({"content": "Hi"}), in_choice)[-1] == wanted


def test_equal_usage_is_said_once() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 2}
    found = read(chunk({"content": "Hi"}, usage=counts), chunk({}, "stop", usage=counts))
    assert sum(isinstance(delta, UsageSeen) for delta in found) == 1


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("stop", "completed"), ("tool_calls", "completed"), ("function_call", "completed"), ("end_turn", "completed"),
        ("eos", "completed"), ("whatever", "completed"), ("length", "max_output_tokens"),
        ("max_tokens", "max_output_tokens"), ("MAX_TOKENS", "max_output_tokens"),
        ("model_length", "max_output_tokens"), ("content_filter", "content_filter"), ("safety", "content_filter"),
        ("SAFETY", "content_filter"), ("sensitive", "content_filter"),
    ],
)  # fmt: skip
def test_finish_reasons_have_their_meaning(native: str, reason: StopReason) -> None:
    assert read(chunk({"content": "Hi"}, native))[-1] == Stopped(reason, native)


@pytest.mark.parametrize("native", ["error", "network_error", "insufficient_system_resource", "abort", "ABORT"])
def test_finish_reasons_that_are_failures_are_faults(native: str) -> None:
    assert broke(read(chunk({"content": "Hi"}, native))) == "upstream_error"


def test_only_the_first_finish_counts_and_late_text_is_delivered() -> None:
    found = read(chunk({"content": "a"}), STOP, chunk({"content": "b"}, "length"), STOP, DONE)
    assert found == [Text("text", "a"), Stopped("completed", "stop"), Text("text", "b")]


def test_calls_repeated_after_the_finish_are_ignored_and_longer_ones_are_a_fault() -> None:
    call = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]})
    assert len(read(call, STOP, call, DONE)) == 4
    longer = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}, {"index": 1}], "function_call": {}})
    assert broke(read(call, STOP, longer)) == "upstream_protocol_error"


def test_a_message_in_a_stream_counts_only_while_nothing_was_said() -> None:
    message = {"choices": [{"message": {"content": "Hi", "tool_calls": []}, "finish_reason": "stop"}]}
    assert read(message) == HI
    assert read(chunk({"content": "Hi"}), message) == HI


def test_calls_of_a_whole_message_are_apart_whatever_their_indexes() -> None:
    calls = [{"index": 0, "id": "", "function": {"name": "f", "arguments": "{}"}}] * 2
    found = read(msgspec.json.encode({"choices": [{"message": {"tool_calls": calls}, "finish_reason": "stop"}]}))
    assert [delta for delta in found if isinstance(delta, CallOpened)] == [
        CallOpened("call-0", "", "f"),
        CallOpened("call-1", "", "f"),
    ]


def test_arguments_as_json_become_text() -> None:
    frame = (
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":7,"function":{"name":"f","arguments":{"a":1.50}}}]}}]}\n\n'
    )
    assert read(frame, STOP)[:2] == [CallOpened("call-0", "7", "f"), CallArguments("call-0", '{"a":1.50}')]


def test_opened_waits_for_a_chunk_that_says_who_answers() -> None:
    found = read(chunk({}, id="", model=""), chunk({"content": "Hi"}, id=5, system_fingerprint=6), STOP)
    assert found[0] == Opened("5", None, None, "6")
