"""Items to contents: media, outputs, and what cannot be said."""

from typing import Any

import pytest
from msgspec import structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import ItemReference, ItemState
from antiphon.protocol.request import Request
from tests.helpers.requests import make_request
from tests.providers.corpus import GEMINI_URL
from tests.providers.gemini.script import CODEC, encode, encode_request, sent, target_for

PNG = "data:image/png;base64,iVBORw0KGgo="
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def parts(*given: dict[str, Any], model: str = "gemini-3.8-flash") -> Any:
    return sent(model, input=user(*given))["contents"][0]["parts"]


def test_neighbours_of_one_role_become_one() -> None:
    body = sent(
        input=[
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": "d"},
            {"role": "user", "content": ""},
            {"role": "user", "content": "e"},
        ]
    )
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
        {"role": "user", "parts": [{"text": "e"}]},
    ]


def test_a_conversation_that_the_model_began_gets_a_user_before_it() -> None:
    encoded = encode(input=[{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Yes?"}])
    assert b'"contents":[{"role":"user","parts":[{"text":"Continue."}]},{"role":"model"' in encoded.body
    assert [notice.reason for notice in encoded.notices] == ["first_message_must_be_user"]


def test_instructions_alone_get_something_to_answer() -> None:
    encoded = encode(input=[{"role": "system", "content": "Be brief."}])
    assert b'"contents":[{"role":"user","parts":[{"text":"Continue."}]}]' in encoded.body
    assert [notice.reason for notice in encoded.notices] == ["last_message_must_be_user"]


@pytest.mark.parametrize(
    ("part", "sent_as"),
    [
        ({"type": "input_file", "file_data": "JVBERi0=", "filename": "a.PDF"}, ("application/pdf", "JVBERi0=")),
        ({"type": "input_file", "file_data": "data:text/plain,hi%20you"}, "hi you"),
        (
            {"type": "input_file", "file_data": "data:application/json;charset=utf-8;base64,e30=", "filename": "x"},
            "x:\n{}",
        ),
        ({"type": "input_file", "file_data": "data:text/plain;base64,/w=="}, ("text/plain", "/w==")),
        ({"type": "input_image", "image_url": "DATA:image/PNG;base64,aGk="}, ("image/png", "aGk=")),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}, ("audio/mp3", "aGk=")),
        ({"type": "input_video", "video_url": "data:video/mp4;base64,aGk="}, ("video/mp4", "aGk=")),
    ],
)
def test_media_inside_the_request(part: dict[str, Any], sent_as: str | tuple[str, str]) -> None:
    (found,) = parts(part)
    if isinstance(sent_as, str):
        assert found == {"text": sent_as}
    else:
        kind, content = sent_as
        assert found == {"inlineData": {"mimeType": kind, "data": content}}


def url_request() -> Request:
    return make_request(
        input=[
            *user(
                {"type": "input_image", "image_url": "https://a.example/cat"},
                {"type": "input_image", "image_url": "https://a.example/cat.png"},
                {"type": "input_image", "image_url": "https://a.example/cat.png"},
                {"type": "input_file", "file_url": "https://a.example/a.pdf"},
                {"type": "input_video", "video_url": "https://youtu.be/x"},
            ),
            CALL,
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_image", "image_url": "https://a.example/out.png"}],
            },
        ],
        tools=[{"type": "function", "name": "f"}],
    )


def test_how_closely_to_look_at_an_image_cannot_be_said() -> None:
    (notice,) = encode(input=user({"type": "input_image", "image_url": PNG, "detail": "low"})).notices
    assert notice.where == "input[0].content[0].detail"


def test_what_google_cannot_fetch_or_must_not_is_fetched_here() -> None:
    assert CODEC.media_urls(url_request(), target_for("gemini/gemini-3.8-flash")) == (
        "https://a.example/cat",
        "https://a.example/out.png",
    )
    everything = (
        "https://a.example/cat",
        "https://a.example/cat.png",
        "https://a.example/a.pdf",
        "https://a.example/out.png",
    )
    elsewhere = (*everything[:3], "https://youtu.be/x", everything[3])
    assert CODEC.media_urls(url_request(), target_for("gemini/gemini-3.8-flash", fetches_urls=False)) == everything
    assert CODEC.media_urls(url_request(), target_for("gemini/gemini-2.0-flash")) == everything
    relay = target_for("gemini/gemini-3.8-flash", fetches_urls=False, base_url="https://relay.example/v1beta")
    assert CODEC.media_urls(url_request(), relay) == elsewhere


def test_what_was_fetched_is_sent_inside_the_request() -> None:
    request, target = url_request(), target_for("gemini/gemini-3.8-flash", fetches_urls=False)
    media = dict.fromkeys(CODEC.media_urls(request, target), PNG)
    body = CODEC.encode(request, target, media=media).body
    assert body.count(b'"inlineData"') == 5
    assert b"https://a.example" not in body
    assert b'{"fileUri":"https://youtu.be/x"}' in body


@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        ({"type": "input_image"}, ".image_url", "missing_required_parameter"),
        ({"type": "input_file"}, ".file_data", "missing_required_parameter"),
        ({"type": "input_image", "file_id": "files/1"}, ".file_id", "unsupported_parameter"),
        ({"type": "input_image", "image_url": "ftp://a.example/x"}, ".image_url", "invalid_value"),
        ({"type": "input_image", "image_url": "https://a.example/unknown"}, ".image_url", "unsupported_parameter"),
        ({"type": "input_image", "image_url": "https://[/x.png"}, ".image_url", "unsupported_parameter"),
        ({"type": "input_image", "image_url": "data:image/png;base64"}, ".image_url", "invalid_value"),
        ({"type": "input_file", "file_data": "aGk="}, ".file_data", "invalid_value"),
        ({"type": "input_file", "file_data": "aGk=", "filename": "a.unknown"}, ".file_data", "invalid_value"),
    ],
)
def test_media_that_cannot_be_sent_is_refused(part: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(RequestFault) as refused:
        parts(part)
    assert refused.value.param == f"input[0].content[0]{param}"
    assert refused.value.code == code


def test_files_at_the_operators_account_may_be_allowed() -> None:
    request = make_request(
        input=user({"type": "input_file", "file_id": "files/1"}, {"type": "input_image", "file_id": "gs://b/x.png"})
    )
    body = CODEC.encode(request, target_for("gemini/m", upstream_ids="allow"), media={}).body
    assert b'{"fileData":{"fileUri":"%b/files/1"}}' % GEMINI_URL.encode() in body
    assert b'{"fileData":{"fileUri":"gs://b/x.png"}}' in body


def test_media_in_outputs_that_functions_cannot_answer_with_go_behind_them() -> None:
    wav = {"type": "input_file", "file_data": "data:audio/wav;base64,aGk="}
    text = {"type": "input_file", "file_data": "data:text/plain;base64,aGk="}
    output = {
        "type": "function_call_output",
        "call_id": "c",
        "output": [wav, {"type": "input_image", "image_url": PNG}, text],
    }
    contents = sent(input=[*user({"type": "input_text", "text": "Go"}), CALL, output])["contents"]
    answer = contents[2]["parts"][0]["functionResponse"]
    assert answer["response"] == {"output": "[attachment 1: see the user message that follows]\nhi"}
    assert [part["inlineData"]["mimeType"] for part in answer["parts"]] == ["image/png"]
    assert contents[3]["parts"][1] == {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}


def test_what_follows_lifted_media_is_still_the_same_turn() -> None:
    output = {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}],
    }
    contents = sent(input=[*user({"type": "input_text", "text": "Go"}), CALL, output])["contents"]
    assert contents[1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"


def test_outputs_without_a_call_are_refused() -> None:
    with pytest.raises(RequestFault, match="No tool call found") as refused:
        encode(
            input=[*user({"type": "input_text", "text": "x"}), {**CALL, "type": "function_call_output", "output": "1"}]
        )
    assert refused.value.param == "input[1]"


def test_instructions_hold_text_only() -> None:
    with pytest.raises(RequestFault) as refused:
        encode(input=[{"role": "system", "content": [{"type": "input_image", "image_url": PNG}]}])
    assert refused.value.param == "input[0].content[0]"


def test_references_must_have_been_resolved() -> None:
    request = make_request()
    item = structs.replace(request.input[0], value=ItemReference("msg_1"))
    with pytest.raises(RequestFault):
        encode_request(structs.replace(request, input=(item,)))


def test_traces_of_hosted_tools_are_left_out_by_name() -> None:
    trace = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": []}
    encoded = encode(
        input=[*user({"type": "input_text", "text": "x"}), trace, *user({"type": "input_text", "text": "y"})]
    )
    assert [notice.where for notice in encoded.notices] == ["input[1]"]


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'{"signature":5}', b"\xff", b'{"marks":[[1,2]]}'])
def test_state_that_cannot_be_read_is_left_out_by_name(payload: bytes) -> None:
    request = make_request(
        input=[
            *user({"type": "input_text", "text": "x"}),
            CALL,
            {**CALL, "type": "function_call_output", "output": "1"},
        ]
    )
    signed = structs.replace(request.input[1], state=ItemState(payload), provider="gemini")
    encoded = encode_request(structs.replace(request, input=(request.input[0], signed, request.input[2])))
    assert [(notice.where, notice.reason) for notice in encoded.notices] == [("input[1]", "unreadable_state")]
    assert b"skip_thought_signature_validator" in encoded.body


def test_older_models_get_no_ids_and_no_signatures_of_ours() -> None:
    body = encode(
        "gemini-2.5-flash",
        input=[
            *user({"type": "input_text", "text": "x"}),
            CALL,
            {**CALL, "type": "function_call_output", "output": None},
        ],
    ).body
    assert b'"id"' not in body
    assert b"thoughtSignature" not in body
    assert b'"response":{"output":""}' in body
