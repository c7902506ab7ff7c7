"""Items to messages, where the corpus has no example."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import ItemState
from antiphon.protocol.request import Notice
from tests.helpers.requests import make_request
from tests.providers.anthropic.script import CODEC, target_for
from tests.providers.corpus import with_state

MODEL = "anthropic/claude-opus-5"
PNG = "data:image/png;base64,iVBORw0KGgo="


def encode(
    *items: Any, states: dict[str, Raw] | None = None, **changes: Any
) -> tuple[dict[str, Any], tuple[Notice, ...]]:
    media = changes.pop("media", {})
    request = with_state(make_request(model=MODEL, input=list(items)), states or {})
    encoded = CODEC.encode(request, target_for(MODEL, **changes), media=media)
    return msgspec.json.decode(encoded.body), encoded.notices


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}


def result(call_id: str, output: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **fields}


def refused(*items: Any, **changes: Any) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        encode(*items, **changes)
    return caught.value


def test_a_thought_stays_in_front_of_what_it_belongs_to() -> None:
    thought = Raw(b'[{"type":"thinking","thinking":"t","signature":"s"}]')
    body, _ = encode(
        {"role": "user", "content": "x"},
        {"type": "reasoning", "summary": []},
        call("a"),
        call("b"),
        {"role": "assistant", "content": "said late"},
        result("b"),
        result("a"),
        states={"1": thought},
    )
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == ["b", "a"]


def test_every_signature_goes_back_as_it_came() -> None:
    block = '{"type":"thinking","thinking":"a\\u00e9\\/ \\" \\n","signature":"Eq+/=="}'
    request = make_request(model=MODEL, input=[{"role": "user", "content": "x"}, {"type": "reasoning", "summary": []}])
    items = list(request.input)
    items[1] = structs.replace(items[1], state=ItemState(f"[{block}]".encode()), provider="anthropic")
    encoded = CODEC.encode(structs.replace(request, input=tuple(items)), target_for(MODEL), media={})
    assert block.encode() in encoded.body


def test_a_state_that_cannot_be_read_is_dropped_with_a_notice() -> None:
    body, notices = encode(
        {"role": "user", "content": "x"}, {"type": "reasoning", "summary": []}, states={"1": Raw(b"7")}
    )
    assert body["messages"] == [{"role": "user", "content": "x"}]
    assert notices == (Notice("input[1]", "dropped", "unreadable_state"),)


def test_a_result_that_failed_says_so() -> None:
    body, _ = encode(call("a"), result("a", "no such file", is_error=True))
    assert body["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "no such file", "is_error": True}
    ]


def test_an_empty_result_is_a_result() -> None:
    body, _ = encode(call("a"), result("a", []))
    assert body["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_a_result_of_no_call_is_refused() -> None:
    assert refused(result("a")).param == "input[0]"


@given(st.text(max_size=20) | st.recursive(st.integers() | st.text(max_size=3), st.lists, max_leaves=4).map(str))
def test_arguments_that_are_no_object_survive(arguments: str) -> None:
    body, _ = encode(call("a", arguments), result("a"))
    given = body["messages"][1]["content"][0]["input"]
    assert isinstance(given, dict)
    assert given in ({"_raw": arguments}, {}) or msgspec.json.decode(arguments) == given


@pytest.mark.parametrize("call_id", ["call_1", "a.b:c", "x" * 200, "ü", "", "a b"])
def test_ids_of_calls_fit_and_match(call_id: str) -> None:
    body, _ = encode(call(call_id), result(call_id))
    made, found = body["messages"][1]["content"][0]["id"], body["messages"][2]["content"][0]["tool_use_id"]
    assert made == found
    assert 0 < len(made) <= 64
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in made)


def test_what_the_vendors_search_left_behind_is_no_loss() -> None:
    request = make_request(
        model=MODEL, input=[{"role": "user", "content": "x"}, {"type": "web_search_call", "id": "ws_1"}]
    )
    items = list(request.input)
    items[1] = structs.replace(items[1], provider="anthropic")
    own = CODEC.encode(structs.replace(request, input=tuple(items)), target_for(MODEL), media={})
    assert own.notices == ()
    foreign = CODEC.encode(request, target_for(MODEL), media={})
    assert [notice.kind for notice in foreign.notices] == ["dropped"]


def test_an_unknown_item_and_a_reference_are_refused() -> None:
    assert refused({"type": "computer_call", "id": "c"}).param == "input[0].type"
    assert refused({"type": "item_reference", "id": "msg_1"}).param == "input[0].id"


def test_urls_are_fetched_for_upstreams_that_must_not() -> None:
    image = {"type": "input_image", "image_url": "http://a.example/i.png"}
    page = {"type": "input_file", "file_url": "https://a.example/t.txt", "filename": "t"}
    request = make_request(model=MODEL, input=[user(image, page), call("c"), result("c", [image])])
    assert CODEC.media_urls(request, target_for(MODEL, fetches_urls=False)) == (image["image_url"], page["file_url"])
    assert CODEC.media_urls(request, target_for(MODEL)) == (page["file_url"],)
    media = {image["image_url"]: PNG, page["file_url"]: "data:text/plain;base64,SGk="}
    body, _ = encode(user(image, page), fetches_urls=False, media=media)
    assert [block["source"]["type"] for block in body["messages"][0]["content"]] == ["base64", "text"]


def test_files_by_id_need_the_operators_leave() -> None:
    part = {"type": "input_file", "file_id": "file_1", "filename": "a.pdf"}
    assert refused(user(part)).param == "input[0].content[0].file_id"
    request = make_request(model=MODEL, input=[user(part, {"type": "input_image", "file_id": "file_2"})])
    encoded = CODEC.encode(request, target_for(MODEL, upstream_ids="allow"), media={})
    assert msgspec.json.decode(encoded.body)["messages"][0]["content"] == [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "a.pdf"},
        {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
    ]
    assert encoded.headers["anthropic-beta"] == "files-api-2025-04-14"


def test_a_file_may_be_an_image_or_empty() -> None:
    body, _ = encode(
        user(
            {"type": "input_file", "file_data": PNG},
            {"type": "input_file", "file_data": "data:text/plain;base64,"},
            {"type": "input_file", "file_data": "JVBERg=="},
        )
    )
    assert [block["type"] for block in body["messages"][0]["content"]] == ["image", "document"]


@pytest.mark.parametrize(
    ("part", "field", "code"),
    [
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "", "unsupported_parameter"),
        ({"type": "input_video", "video_url": "https://a.example"}, "", "unsupported_parameter"),
        ({"type": "input_image"}, ".image_url", "missing_required_parameter"),
        ({"type": "input_image", "image_url": "data:image/png,x"}, ".image_url", "invalid_value"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, ".image_url", "invalid_value"),
        ({"type": "input_file", "file_url": "https://a.example/x"}, ".file_url", "unsupported_parameter"),
        ({"type": "input_file"}, ".file_data", "missing_required_parameter"),
        (
            {"type": "input_file", "file_data": "data:application/zip;base64,AA=="},
            ".file_data",
            "unsupported_parameter",
        ),
        ({"type": "input_file", "file_data": "data:text/plain;base64,//8="}, ".file_data", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_said_is_refused_where_it_stands(part: dict[str, Any], field: str, code: str) -> None:
    fault = refused(user({"type": "input_text", "text": "x"}, part))
    assert (fault.param, fault.code, fault.status) == (f"input[0].content[1]{field}", code, 400)


def test_a_refusal_of_the_model_is_text() -> None:
    body, _ = encode(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "y"},
    )
    assert body["messages"][1] == {"role": "assistant", "content": "No."}
