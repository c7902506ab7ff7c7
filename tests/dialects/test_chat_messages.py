"""Messages of every role and age become items; answers find their calls."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import decode_item
from tests.helpers.chat_requests import chat_request, wires

Json = dict[str, Any]

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
OTHER = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
CUSTOM = {"id": "c3", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}


def text(kind: str, said: str) -> Json:
    return {"type": kind, "text": said}


def message(role: str, *parts: Json) -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


def call(call_id: str, name: str, arguments: str) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, said: Any, kind: str = "function_call_output") -> Json:
    return {"type": kind, "call_id": call_id, "output": said}


def read(*messages: Json) -> list[Any]:
    return wires(chat_request(messages=list(messages)))


def test_roles_keep_their_names() -> None:
    roles = ("system", "developer", "user")
    assert read(*({"role": role, "content": "x"} for role in roles)) == [
        message(role, text("input_text", "x")) for role in roles
    ]
    assert read({"role": "assistant", "content": "x"}) == [
        message("assistant", {"type": "output_text", "text": "x", "annotations": []})
    ]


def test_parts_of_every_kind_are_read() -> None:
    parts = [
        {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
    ]
    assert read({"role": "user", "content": parts}) == [
        message(
            "user",
            text("input_text", "Look"),
            {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_file", "file_id": "file_1"},
            {"type": "input_video", "video_url": "https://a/b.mp4"},
        )
    ]


def test_an_assistants_turn_becomes_thought_words_and_calls() -> None:
    turn = {
        "role": "assistant",
        "content": "A moment.",
        "refusal": None,
        "reasoning_content": "Hm.",
        "tool_calls": [CALL, CUSTOM],
        "function_call": None,
    }
    results: list[Json] = [
        {"role": "tool", "tool_call_id": "c3", "content": "done"},
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
    ]
    assert read(turn, *results) == [
        {"type": "reasoning", "summary": [text("summary_text", "Hm.")]},
        message("assistant", {"type": "output_text", "text": "A moment.", "annotations": []}),
        call("c1", "f", '{"a":1}'),
        {"type": "custom_tool_call", "call_id": "c3", "name": "patch", "input": "*** Begin"},
        output("c3", "done", "custom_tool_call_output"),
        output("c1", "a\nb"),
    ]


@pytest.mark.parametrize("content", [None, "", []])
def test_an_assistant_that_only_calls_says_nothing(content: Any) -> None:
    assert read({"role": "assistant", "content": content, "tool_calls": [CALL]}) == [call("c1", "f", '{"a":1}')]


def test_refusals_are_parts_wherever_they_stand() -> None:
    inside = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    beside = {"role": "assistant", "content": None, "refusal": "No."}
    assert read(inside) == read(beside) == [message("assistant", {"type": "refusal", "refusal": "No."})]


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}], "reasoning": "Hm."},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Yes."},
            ]
        },
    ],
)
def test_thought_is_read_from_one_source(thought: Json) -> None:
    assert read({"role": "assistant", "content": "Yes.", **thought}) == [
        {"type": "reasoning", "summary": [text("summary_text", "Hm.")]},
        message("assistant", {"type": "output_text", "text": "Yes.", "annotations": []}),
    ]


def test_a_seal_comes_back_in_the_details() -> None:
    details = [{"type": "reasoning.encrypted", "data": "sealed", "id": "rs_1", "index": 0}]
    assert read({"role": "assistant", "content": None, "reasoning_content": "Hm.", "reasoning_details": details}) == [
        {"type": "reasoning", "summary": [text("summary_text", "Hm.")], "encrypted_content": "sealed"}
    ]


def test_each_seal_comes_back_as_a_thought_of_its_own() -> None:
    details = [{"type": "reasoning.encrypted", "data": seal, "index": at} for at, seal in enumerate(("one", "two"))]
    assert read({"role": "assistant", "content": "So.", "reasoning_content": "Hm.", "reasoning_details": details}) == [
        {"type": "reasoning", "summary": [text("summary_text", "Hm.")], "encrypted_content": "one"},
        {"type": "reasoning", "summary": [], "encrypted_content": "two"},
        message("assistant", {"type": "output_text", "text": "So.", "annotations": []}),
    ]


def test_the_predecessors_of_tools_find_each_other_by_name() -> None:
    assert read(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": None},
    ) == [call("call_0", "f", "{}"), output("call_0", "1"), call("call_2", "f", "{}"), output("call_2", "")]


def test_answers_without_ids_belong_to_the_calls_in_their_order() -> None:
    """Bug 22."""
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]}
    by_order = read(turn, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"})
    by_name = read(turn, {"role": "tool", "name": "g", "content": "2"}, {"role": "tool", "content": "1"})
    assert by_order[2:] == [output("c1", "1"), output("c2", "2")]
    assert by_name[2:] == [output("c2", "2"), output("c1", "1")]


def test_calls_without_ids_get_some() -> None:
    bare = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}]}
    assert read(bare, {"role": "tool", "content": "1"}) == [call("call_0_0", "f", '{"a":[1]}'), output("call_0_0", "1")]


def test_images_in_an_answer_of_a_tool_stay_parts() -> None:
    """Bug 39."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert read(turn, {"role": "tool", "tool_call_id": "c1", "content": [image]})[1] == output(
        "c1", [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]
    )


def test_names_of_speakers_are_only_told_to_who_can_hear_them() -> None:
    request = chat_request(
        messages=[
            {"role": "user", "name": "bob", "content": "x"},
            {"role": "tool", "name": "f", "tool_call_id": "c", "content": ""},
        ]
    )
    assert request.vendor_only == ("messages[0].name",)


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id", "missing_required_parameter"),
        ([{"role": "function", "name": "f", "content": "x"}], "messages[0].name", "invalid_value"),
        ([{"role": "function", "content": "x"}], "messages[0].name", "missing_required_parameter"),
        ([{"role": "assistant", "audio": {"id": "a"}}], "messages[0].audio", "unsupported_parameter"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "c"}]}],
            "messages[0].tool_calls[0].function",
            "missing_required_parameter",
        ),
        (
            [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}],
            "messages[0].tool_calls[0].custom",
            "missing_required_parameter",
        ),
        ([{"role": "robot", "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"content": "x"}], "messages[0].role", "missing_required_parameter"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "messages[0].content[0].type", "invalid_value"),
        ([{"role": "user", "content": 1}], "messages[0].content", "invalid_value"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(messages: list[Json], param: str, code: str) -> None:
    with pytest.raises(RequestFault) as caught:
        chat_request(messages=messages)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_every_item_is_one_that_the_responses_api_would_take() -> None:
    request = chat_request(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": "y", "reasoning": "z", "tool_calls": [CALL, CUSTOM]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c3", "content": None},
            {"role": "user", "content": [{"type": "image_url", "image_url": "data:,"}]},
        ]
    )
    for item in request.input:
        assert decode_item(item.raw, path=item.path) == item.value
        assert b"null" not in item.raw
        assert msgspec.json.decode(item.raw)["type"]
    assert [item.path for item in request.input] == [f"messages[{place}]" for place in (0, 1, 1, 1, 1, 2, 3, 4)]
