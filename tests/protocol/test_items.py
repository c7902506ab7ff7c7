"""Input items: decoding, what may be left out, and errors that point at the place."""

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Item,
    ItemReference,
    Message,
    OtherItem,
    OutputText,
    PlainText,
    Reasoning,
    ReasoningText,
    Refusal,
    SummaryText,
    decode_item,
)
from tests.helpers.stream import Json


def decode(item: object) -> Item | None:
    return decode_item(msgspec.json.encode(item), path="input[3]")


ITEMS: list[tuple[Json, Item]] = [
    ({"role": "user", "content": "a"}, Message("user", "a")),
    ({"type": "message", "role": "developer", "content": "a", "id": "msg_x"}, Message("developer", "a", "msg_x")),
    ({"role": "assistant", "content": None}, Message("assistant", None)),
    ({"role": "assistant"}, Message("assistant", None)),
    ({"role": "user", "content": []}, Message("user", [])),
    ({"role": "user", "content": [{"type": "text", "text": "a"}]}, Message("user", [PlainText("a")])),
    (
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
        Message("assistant", [OutputText("a"), Refusal("b")]),
    ),
    (
        {"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": "low", "x": 1}]},
        Message("user", [InputImage("u", detail="low")]),
    ),
    (
        {"role": "user", "content": [{"type": "input_file", "file_data": "d", "filename": "f", "detail": "high"}]},
        Message("user", [InputFile("d", filename="f")]),
    ),
    ({"id": "msg_x"}, ItemReference("msg_x")),
    ({"id": "msg_x", "type": None}, ItemReference("msg_x")),
    ({"type": "item_reference", "id": "msg_x"}, ItemReference("msg_x")),
    ({"type": "function_call", "call_id": "c", "name": "f"}, FunctionCall("c", "f")),
    (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{oops", "id": "fc_1", "status": "completed"},
        FunctionCall("c", "f", "{oops", "fc_1"),
    ),
    ({"type": "function_call_output", "call_id": "c", "output": "a"}, FunctionCallOutput("c", "a")),
    ({"type": "function_call_output", "call_id": "c", "output": None}, FunctionCallOutput("c")),
    (
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
        FunctionCallOutput("c", [InputText("a")]),
    ),
    ({"type": "reasoning", "id": "rs_1", "summary": []}, Reasoning([], id="rs_1")),
    (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}], "content": None, "encrypted_content": "e"},
        Reasoning([SummaryText("a")], None, "e"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "item"), ITEMS, ids=[str(sent)[:60] for sent, _ in ITEMS])
def test_item_is_decoded(sent: Json, item: Item) -> None:
    assert decode(sent) == item


@pytest.mark.parametrize("kind", ["web_search_call", "computer_call", "compaction", "additional_tools", "x" * 5000])
def test_other_types_are_kept_for_those_who_know_them(kind: str) -> None:
    assert decode({"type": kind, "id": "x", "anything": [1]}) == OtherItem(kind, "x")
    assert decode({"type": kind}) == OtherItem(kind)


#: What is wrong, where the error points to, and what its message says.
FAULTS: list[tuple[object, str, str]] = [
    (7, "input[3]", "object"),
    ([], "input[3]", "object"),
    (None, "input[3]", "object"),
    ({}, "input[3].role", "missing"),
    ({"type": "message"}, "input[3].role", "missing"),
    ({"type": None, "role": "user"}, "input[3].type", "str"),
    ({"type": 7, "role": "user"}, "input[3].type", "str"),
    ({"role": "tool", "content": "a"}, "input[3].role", "Accepted: 'assistant', 'developer', 'system', 'user'"),
    ({"role": "user", "content": 7}, "input[3].content", "str"),
    ({"role": "user", "content": ["a"]}, "input[3].content[0]", "object"),
    ({"role": "user", "content": [{"text": "a"}]}, "input[3].content[0].type", "missing"),
    ({"role": "user", "content": [{"type": "input_text"}]}, "input[3].content[0].text", "missing"),
    ({"role": "user", "content": [{"type": "image_url"}]}, "input[3].content[0].type", "'input_image'"),
    ({"role": "user", "content": [{"type": "input_text", "text": None}]}, "input[3].content[0].text", "str"),
    ({"role": "user", "content": [{"type": "input_image", "detail": "x"}]}, "input[3].content[0].detail", "'original'"),
    ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}, "input[3].content[0].input_audio.format", "missing"),
    ({"role": "user", "content": [{"type": "input_text", "text": ""}, {"type": "input_text", "text": 7}]}, "input[3].content[1].text", "str"),
    ({"type": "function_call", "name": "f"}, "input[3].call_id", "missing"),
    ({"type": "function_call", "call_id": "c"}, "input[3].name", "missing"),
    ({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}, "input[3].arguments", "str"),
    ({"type": "function_call_output"}, "input[3].call_id", "missing"),
    ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, "input[3].output", "str"),
    ({"type": "function_call_output", "call_id": "c", "output": [{"type": "x"}]}, "input[3].output[0].type", "'input_image'"),
    ({"type": "reasoning", "summary": "a"}, "input[3].summary", "array"),
    ({"type": "reasoning", "content": [{"type": "text", "text": ""}]}, "input[3].content[0].type", "Accepted: 'reasoning_text'"),
    ({"type": "item_reference"}, "input[3].id", "missing"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "param", "words"), FAULTS, ids=[str(sent)[:60] for sent, _, _ in FAULTS])
def test_fault_points_at_the_place(sent: object, param: str, words: str) -> None:
    with pytest.raises(RequestFault) as caught:
        decode(sent)
    fault = caught.value
    assert (fault.status, fault.param) == (400, param)
    assert param in fault.message
    assert words in fault.message
    assert fault.code == ("missing_required_parameter" if words == "missing" else "invalid_value")


def test_message_has_parts_however_it_was_written() -> None:
    assert Message("user", "a").parts() == [InputText("a")]
    assert Message("user", [PlainText("a")]).parts() == [PlainText("a")]
    assert Message("user", "").parts() == Message("user", None).parts() == []


def test_text_of_reasoning_is_the_raw_one_where_there_is_one() -> None:
    summary = [SummaryText("a"), SummaryText("b")]
    assert Reasoning(summary).text() == "a\n\nb"
    assert Reasoning(summary, [ReasoningText("raw")]).text() == "raw"
    assert Reasoning().text() == ""
