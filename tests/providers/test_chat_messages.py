"""Items to messages: roles, grouping, media, reasoning, names and ids."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import ItemReference
from antiphon.providers.base import Encoded
from antiphon.providers.chat import codec
from antiphon.providers.registry import effective
from tests.helpers.requests import make_request
from tests.providers.corpus import target_for
from tests.providers.script import CODEC

PNG = "data:image/png;base64,iVBORw0="
URL = "https://pictures.example/cat.png"


def encode(model: str = "generic/m", *, media: dict[str, str] | None = None, **fields: Any) -> Encoded:
    return CODEC.encode(make_request(**fields), target_for(model), media=media or {})


def messages(*items: object, model: str = "generic/m", media: dict[str, str] | None = None, **fields: Any) -> list[Any]:
    body = msgspec.json.decode(encode(model, media=media, input=list(items), **fields).body)
    return list(body["messages"])


def refused(*items: object, model: str = "generic/m") -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        messages(*items, model=model)
    assert caught.value.status == 400
    return caught.value


def user(content: object = "Hi") -> dict[str, object]:
    return {"role": "user", "content": content}


def says(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": [{"type": "output_text", "text": text}]}


def call(call_id: str = "c1", name: str = "f", arguments: str = "{}") -> dict[str, object]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str = "c1", value: object = "ok") -> dict[str, object]:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def thinks(text: str) -> dict[str, object]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}


def roles(found: list[Any]) -> list[str]:
    return [message["role"] for message in found]


def image(url: str = PNG, **more: object) -> dict[str, object]:
    return {"type": "input_image", "image_url": url, **more}


def test_a_string_is_a_user_message() -> None:
    assert msgspec.json.decode(encode(input="Hi").body)["messages"] == [{"role": "user", "content": "Hi"}]


def test_texts_stay_strings_and_several_parts_a_list() -> None:
    part = {"type": "input_text", "text": "a"}
    plain = {"type": "text", "text": "b"}
    assert messages(user([part])) == [user("a")]
    assert messages(user([part, plain])) == [user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])]
    assert messages(user(None)) == [user("")]
    assert messages(user([])) == [user("")]


def test_strict_templates_get_one_leading_system_message() -> None:
    found = messages(
        {"role": "developer", "content": "B"},
        user(),
        {"role": "system", "content": [{"type": "input_text", "text": "C"}, {"type": "input_text", "text": "D"}]},
        {"role": "system", "content": None},
        model="vllm/m",
        instructions="A",
    )
    assert found == [{"role": "system", "content": "A\n\nB\n\nC\n\nD"}, user()]


@pytest.mark.parametrize(("model", "role"), [("openai/gpt-5.1", "developer"), ("groq/m", "system")])
def test_other_instructions_stay_where_they_are(model: str, role: str) -> None:
    found = messages(
        user(), {"role": "developer", "content": "B"}, {"role": "system", "content": "C"}, model=model, instructions="A"
    )
    assert found == [
        {"role": role, "content": "A"},
        user(),
        {"role": role, "content": "B"},
        {"role": "system", "content": "C"},
    ]


def test_instructions_hold_text_only() -> None:
    fault = refused(user(), {"role": "system", "content": [image()]})
    assert fault.param == "input[1].content[0]"
    assert (
        refused(user(), {"role": "assistant", "content": [image()]}, model="openai/gpt-4.1").param
        == "input[1].content[0]"
    )


def test_a_turn_is_one_assistant_message_and_its_outputs_follow_it() -> None:
    found = messages(
        user(), thinks("t"), says("Let me"), call("a"), says("see."), call("b"), output("b"), output("a"), says("Done")
    )
    assert roles(found) == ["user", "assistant", "tool", "tool", "assistant"]
    assert found[1]["content"] == "Let me\n\nsee."
    assert [entry["id"] for entry in found[1]["tool_calls"]] == ["a", "b"]
    assert [message["tool_call_id"] for message in found[2:4]] == ["b", "a"]


def test_outputs_are_collected_behind_their_call_wherever_they_stand() -> None:
    found = messages(user(), call("a"), call("b"), output("a"), user("Hurry"), thinks("t"), output("b"), says("Done"))
    assert roles(found) == ["user", "assistant", "tool", "tool", "user", "assistant"]


def test_calls_one_after_the_other_are_turns_of_their_own() -> None:
    found = messages(user(), call("a"), output("a"), call("b"), output("b"))
    assert roles(found) == ["user", "assistant", "tool", "assistant", "tool"]


def test_an_id_that_comes_again_means_the_latest_call() -> None:
    found = messages(user(), call("a"), output("a", "one"), call("a"), output("a", "two"))
    assert [message.get("content") for message in found] == ["Hi", None, "one", None, "two"]


def test_an_output_without_its_call_is_refused() -> None:
    fault = refused(user(), output("c9"))
    assert fault.param == "input[1]"
    assert "c9" in fault.message


def test_empty_turns_are_left_out() -> None:
    assert (
        roles(messages(user(), thinks("t"), user(), says(""), user(), {"role": "assistant", "content": None}))
        == ["user"] * 3
    )


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("plain", "plain"),
        ('{"a": 1}', '{"a": 1}'),
        (None, ""),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb"),
    ],
)
def test_outputs_are_text(value: object, content: str) -> None:
    assert messages(user(), call(), output("c1", value))[2]["content"] == content


def test_images_of_outputs_follow_the_last_output_in_one_user_message() -> None:
    found = messages(
        user(),
        call("a"),
        call("b"),
        output("a", [{"type": "input_text", "text": "shot"}, image()]),
        output("b", [image(), {"type": "input_text", "text": "end"}]),
        user("Next"),
    )
    assert roles(found) == ["user", "assistant", "tool", "tool", "user", "user"]
    assert found[2]["content"] == "shot\n[attachment 1: see the user message that follows]"
    assert found[3]["content"] == "[attachment 2: see the user message that follows]\nend"
    assert [part["type"] for part in found[4]["content"]] == ["text", "image_url", "text", "image_url"]
    assert "tool call a" in found[4]["content"][0]["text"]
    assert PNG not in str(found[2:4])


def test_images_stay_in_outputs_where_the_upstream_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = msgspec.structs.replace(effective("generic", "m"), image_in_tool_output=True)
    monkeypatch.setattr(codec, "effective", lambda *_: roomy)
    found = messages(user(), call(), output("c1", [image(), {"type": "input_text", "text": "x"}]))
    assert [part["type"] for part in found[2]["content"]] == ["image_url", "text"]


def test_text_files_in_outputs_become_text() -> None:
    found = messages(user(), call(), output("c1", [{"type": "input_file", "file_data": "data:text/plain;base64,SGk="}]))
    assert found[2]["content"] == "Hi"


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("deepseek/m", {"reasoning_content": "t"}),
        ("groq/m", {"reasoning": "t"}),
        ("openrouter/m", {"reasoning": "t"}),
        ("openai/gpt-5.1", {}),
    ],
)
def test_reasoning_comes_back_on_the_message_with_the_calls(model: str, fields: dict[str, str]) -> None:
    found = messages(user(), thinks("t"), call(), output(), model=model)
    assert roles(found) == ["user", "assistant", "tool"]
    assert {name: value for name, value in found[1].items() if name.startswith("reasoning")} == fields


def test_reasoning_outside_tool_turns_comes_back_only_where_it_is_wanted() -> None:
    items = (user(), thinks("t"), says("x"), user())
    assert messages(*items, model="vllm/m")[1] == {"role": "assistant", "content": "x"}
    assert messages(*items, model="deepseek/m")[1]["reasoning_content"] == "t"  # it may belong to calls before
    assert messages(*items, model="openrouter/m")[1]["reasoning"] == "t"
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}
    assert messages(*items, model="mistral/m")[1]["content"] == [thinking, {"type": "text", "text": "x"}]
    alone = messages(user(), thinks("t"), call(), output(), model="mistral/m")[1]
    assert alone["content"] == [thinking]


def test_lost_reasoning_is_sent_empty_where_the_field_is_required() -> None:
    assert messages(user(), call(), output(), model="deepseek/m")[1]["reasoning_content"] == ""
    assert messages(user(), says("x"), user(), model="deepseek/m")[1]["reasoning_content"] == ""
    assert "reasoning_content" not in messages(user(), says("x"), user(), model="moonshot/kimi-k3")[1]
    assert messages(user(), call(), output(), model="moonshot/kimi-k3")[1]["reasoning_content"] == ""
    assert "reasoning_content" not in messages(user(), call(), output(), model="sglang/m")[1]


def test_glm_at_cerebras_reads_its_thoughts_between_tags() -> None:
    found = messages(user(), thinks("t"), says("x"), call(), output(), model="cerebras/zai-glm-4.7")[1]
    assert found["content"] == "<think>t</think>x"
    assert messages(user(), thinks("t"), call(), output(), model="cerebras/gpt-oss-120b")[1]["content"] is None


def test_reasoning_of_another_provider_is_dropped() -> None:
    request = make_request(input=[user(), thinks("t"), call(), output()])
    for provider, wanted in (("groq", "t"), ("openai", None), (None, "t")):
        items = tuple(msgspec.structs.replace(item, provider=provider) for item in request.input)
        encoded = CODEC.encode(msgspec.structs.replace(request, input=items), target_for("groq/m"), media={})
        assert msgspec.json.decode(encoded.body)["messages"][1].get("reasoning") == wanted


def test_raw_reasoning_is_preferred_to_its_summary_and_empty_reasoning_is_none() -> None:
    both = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "r"}],
    }
    assert messages(user(), both, call(), output(), model="groq/m")[1]["reasoning"] == "r"
    assert (
        "reasoning" not in messages(user(), {"type": "reasoning", "summary": []}, call(), output(), model="groq/m")[1]
    )


REFUSAL = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}


def test_refusals_are_a_field_or_text() -> None:
    assert messages(user(), REFUSAL, user(), model="openai/gpt-4.1")[1] == {
        "role": "assistant",
        "content": "",
        "refusal": "No.",
    }
    assert messages(user(), REFUSAL, user())[1] == {"role": "assistant", "content": "No."}


def test_null_content_is_sent_only_beside_calls_and_only_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert messages(user(), call(), output())[1]["content"] is None
    strict = msgspec.structs.replace(effective("generic", "m"), empty_content_with_calls="empty")
    monkeypatch.setattr(codec, "effective", lambda *_: strict)
    assert messages(user(), call(), output())[1]["content"] == ""


def test_call_ids_fit_the_upstream_and_still_link() -> None:
    long = "chatcmpl-tool-0123456789abcdef0123456789abcdef"
    found = messages(user(), call(long), output(long))
    assert found[1]["tool_calls"][0]["id"] == found[2]["tool_call_id"]
    assert len(found[2]["tool_call_id"]) <= 40
    nine = messages(user(), call("call_1"), call("abcDEF123"), output("call_1"), output("abcDEF123"), model="mistral/m")
    ids = [entry["id"] for entry in nine[1]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in nine[2:]]
    assert ids[1] == "abcDEF123"
    assert len(ids[0]) == 9
    assert ids[0].isalnum()


def test_names_that_no_upstream_takes_are_shortened_and_namespaces_are_part_of_them() -> None:
    found = messages(user(), call(name="mcp.tool/x"), output())
    name = found[1]["tool_calls"][0]["function"]["name"]
    assert name.startswith("mcp_tool_x_")
    spaced = messages(user(), {**call(), "namespace": "ns"}, output())
    assert spaced[1]["tool_calls"][0]["function"]["name"] == "ns__f"


def test_arguments_are_kept_as_they_are_and_missing_ones_are_an_object() -> None:
    found = messages(user(), call(arguments="{not json"), call("c2", arguments=""), output(), output("c2"))
    assert [entry["function"]["arguments"] for entry in found[1]["tool_calls"]] == ["{not json", "{}"]


def test_the_conversation_ends_as_the_upstream_wants() -> None:
    assert messages(user(), says("x"))[-1]["role"] == "assistant"
    assert messages(user(), says("x"), model="mistral/m")[-1] == {"role": "assistant", "content": "x", "prefix": True}
    encoded = encode("perplexity/sonar", input=[user(), says("x")])
    assert msgspec.json.decode(encoded.body)["messages"][-1]["role"] == "user"
    assert [notice.where for notice in encoded.notices] == ["input"]
    dangling = messages(user(), call(), model="mistral/m")
    assert roles(dangling) == ["user", "assistant", "user"]


def test_images_carry_their_detail() -> None:
    (found,) = messages(user([image(), image(detail="low"), image(detail="original")]))
    assert [part["image_url"] for part in found["content"]] == [
        {"url": PNG},
        {"url": PNG, "detail": "low"},
        {"url": PNG, "detail": "high"},
    ]


def test_urls_are_left_to_vendors_and_fetched_for_all_others() -> None:
    assert CODEC.media_urls(make_request(input=[user([image(URL)])]), target_for("openai/gpt-4.1")) == ()
    (found,) = messages(user([image(URL)]), model="openai/gpt-4.1")
    assert found["content"][0]["image_url"]["url"] == URL
    request = make_request(
        input=[user([image(URL), image(URL), image()]), call(), output("c1", [image("http://b/c")]), says("x"), user()]
    )
    assert CODEC.media_urls(request, target_for("vllm/m")) == (URL, "http://b/c")
    (found,) = messages(user([image(URL)]), model="vllm/m", media={URL: PNG})
    assert found["content"][0]["image_url"]["url"] == PNG


def test_documents_by_url_are_always_fetched() -> None:
    part = {"type": "input_file", "file_url": "https://a.example/a.pdf"}
    pdf = "data:application/pdf;base64,JVBERi0="
    assert CODEC.media_urls(make_request(input=[user([part])]), target_for("openai/gpt-4.1")) == (
        "https://a.example/a.pdf",
    )
    (found,) = messages(user([part]), model="openai/gpt-4.1", media={"https://a.example/a.pdf": pdf})
    assert found["content"][0] == {"type": "file", "file": {"filename": "document.pdf", "file_data": pdf}}
    (other,) = messages(
        user([{"type": "input_file", "file_data": "data:text/csv;base64,YQ=="}]), model="openai/gpt-4.1"
    )
    assert other["content"][0]["file"]["filename"] == "document"


def test_text_documents_become_text_where_files_are_unknown() -> None:
    part = {"type": "input_file", "filename": "a.md", "file_data": "data:text/markdown;base64,SGk="}
    (found,) = messages(user([part, {"type": "input_file", "file_url": "data:application/json;base64,e30="}]))
    assert [piece["text"] for piece in found["content"]] == ["a.md:\nHi", "{}"]


def test_speech_is_passed_on_where_it_is_understood() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    (found,) = messages(user([part]), model="openai/gpt-audio")
    assert found["content"] == [part]


UNSAYABLE = [
    ({"type": "input_image", "file_id": "file-1"}, "generic/m", "content[0].file_id"),
    ({"type": "input_image"}, "generic/m", "content[0].image_url"),
    (image("ftp://a/b"), "generic/m", "content[0].image_url"),
    (image("file:///etc/passwd"), "openai/gpt-4.1", "content[0].image_url"),
    (image(URL), "generic/m", "content[0].image_url"),
    ({"type": "input_file", "file_id": "file-1"}, "openai/gpt-4.1", "content[0].file_id"),
    ({"type": "input_file"}, "openai/gpt-4.1", "content[0].file_data"),
    ({"type": "input_file", "file_url": "https://a.example/a.pdf"}, "generic/m", "content[0].file_url"),
    ({"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="}, "generic/m", "content[0]"),
    ({"type": "input_file", "file_data": "data:text/plain;base64,%%%"}, "generic/m", "content[0]"),
    ({"type": "input_file", "file_data": "data:text/plain;base64,/w=="}, "generic/m", "content[0]"),
    ({"type": "input_file", "file_data": "data:text/plain,hi"}, "generic/m", "content[0]"),
    ({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}, "generic/m", "content[0]"),
    ({"type": "input_video", "video_url": "https://a.example/v"}, "openai/gpt-4.1", "content[0]"),
]


@pytest.mark.parametrize(("part", "model", "param"), UNSAYABLE)
def test_what_cannot_be_said_is_refused_and_named(part: dict[str, object], model: str, param: str) -> None:
    assert refused(user(), user([part]), model=model).param == f"input[1].{param}"


def test_images_are_refused_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = msgspec.structs.replace(effective("generic", "m"), images=False)
    monkeypatch.setattr(codec, "effective", lambda *_: blind)
    assert refused(user(), user([image()])).param == "input[1].content[0]"
    assert CODEC.media_urls(make_request(input=[user([image(URL)])]), target_for("generic/m")) == ()


def test_parts_of_history_have_no_place_in_the_request() -> None:
    request = make_request(input=[user([{"type": "input_image", "file_id": "x"}])])
    item = msgspec.structs.replace(request.input[0], path="previous_response_id")
    with pytest.raises(RequestFault) as caught:
        CODEC.encode(msgspec.structs.replace(request, input=(item,)), target_for("generic/m"), media={})
    assert caught.value.param == "previous_response_id.file_id"


def test_references_that_nobody_resolved_are_refused() -> None:
    request = make_request()
    item = msgspec.structs.replace(request.input[0], value=ItemReference("msg_1"), path="input[0]")
    with pytest.raises(RequestFault) as caught:
        CODEC.encode(msgspec.structs.replace(request, input=(item,)), target_for("generic/m"), media={})
    assert caught.value.param == "input[0].id"
