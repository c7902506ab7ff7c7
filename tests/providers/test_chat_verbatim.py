"""A chat client before a chat upstream: the body goes on as it came, but for what must differ."""

import os
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from msgspec import structs

from antiphon.dialects.chat import parse_chat
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, ItemState
from antiphon.protocol.request import Notice
from antiphon.protocol.target import Target
from antiphon.providers.base import Encoded
from antiphon.providers.chat.codec import ChatCodec
from tests.helpers.chat_bent import bent_bodies
from tests.helpers.chat_requests import FUNCTION, HELLO, asked

Json = dict[str, Any]

CUSTOM: Json = {"type": "custom", "custom": {"name": "patch"}}
PICTURE: Json = {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}

#: All that an OpenAI model of the older kind takes, and much that only the client's own words can say.
EVERYTHING: Json = {
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "user", "name": "bob", "content": [{"type": "text", "text": "Hello"}]},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{ "a" : 1.0 }'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42", "cache_control": {"x": 1}}]},
        {"role": "user", "content": "And?", "new_field": [1.50]},
    ],
    "tools": [FUNCTION],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "temperature": 1,
    "top_p": 0.90,
    "presence_penalty": 0,
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": 50,
    "seed": 7,
    "stop": "END",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    },
    "prediction": {"type": "content", "content": "x"},
    "modalities": ["text"],
    "service_tier": "auto",
    "web_search_options": {"search_context_size": "low"},
    "zzz": {"deep": [None, 1e3]},
}


def target(quirks: str = "generic", model: str = "up-model", **fields: Any) -> Target:
    return Target("up", model, "chat", quirks, "http://up/v1", **fields)


def encode(to: Target | None = None, **fields: Any) -> Encoded:
    return ChatCodec().encode(asked(**fields).request, to or target(), media={})


def sent(to: Target | None = None, **fields: Any) -> Json:
    body: Json = msgspec.json.decode(encode(to, **fields).body)
    return body


@pytest.mark.parametrize("to", [target(), target("openai", "gpt-4o")], ids=["unknown", "openai"])
def test_nothing_is_lost_and_nothing_is_written_anew(to: Target) -> None:
    written = encode(to, **EVERYTHING)
    assert msgspec.json.decode(written.body) == {**EVERYTHING, "model": to.model}
    for piece in (rb'"{ \"a\" : 1.0 }"', b'"top_p":0.9', b'"temperature":1,', b'"name":"boss"'):
        assert piece in written.body
    assert written.notices == ()


def test_bytes_of_values_stay_as_they_were() -> None:
    body = b'{"model":"m", "messages":[ {"role":"user","content":"\\u0041"} ], "zzz": 1.00}'
    request = structs.replace(asked().request, body=body)
    written = ChatCodec().encode(request, target(), media={}).body
    assert b'[ {"role":"user","content":"\\u0041"} ]' in written
    assert b"1.00" in written


def test_a_stream_always_tells_its_usage() -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    body = sent(stream=True, stream_options=options)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert sent(target("mistral"), stream=True, stream_options={"include_usage": True}).get("stream_options") is None
    assert sent(stream=False)["stream"] is False
    assert "stream_options" not in sent(stream=False, stream_options=None)


def test_what_is_the_gateways_stays_here() -> None:
    body = sent(n=3, store=True, metadata={"a": "b"})
    assert body == {"model": "up-model", "messages": HELLO}


def test_fields_that_lead_elsewhere_are_left_out_by_name() -> None:
    written = encode(models=["expensive"], route="fallback", api_base="http://x", provider={"order": ["a"]})
    assert msgspec.json.decode(written.body) == {"model": "up-model", "messages": HELLO, "provider": {"order": ["a"]}}
    assert [notice.where for notice in written.notices] == ["models", "route", "api_base"]


def test_identifiers_are_those_that_the_engine_made_of_them() -> None:
    request = structs.replace(asked(user="bob", safety_identifier="s", prompt_cache_key="k").request, user="hashed")
    body = msgspec.json.decode(ChatCodec().encode(request, target("openai", "gpt-4o"), media={}).body)
    assert (body["user"], body["safety_identifier"], body["prompt_cache_key"]) == ("hashed", "s", "k")


def test_an_upstreams_own_settings_win() -> None:
    body = sent(target(params={"temperature": msgspec.Raw(b"0"), "top_k": msgspec.Raw(b"5")}), temperature=1)
    assert (body["temperature"], body["top_k"]) == (0, 5)


@pytest.mark.parametrize(
    ("quirks", "given", "becomes"),
    [
        ("mistral", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("mistral", {"seed": 5}, {"random_seed": 5}),
        ("deepseek", {"seed": 5}, {}),
        ("deepseek", {"reasoning_effort": "high"}, {"reasoning_effort": "high", "thinking": {"type": "enabled"}}),
        ("deepseek", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ("openrouter", {"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
        ("openrouter", {"reasoning": {"max_tokens": 9}}, {"reasoning": {"max_tokens": 9}}),
        ("openai", {"reasoning": {"effort": "high", "max_tokens": 9}}, {"reasoning_effort": "high"}),
        ("generic", {"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high"}}),
        ("generic", {"functions": [{"name": "f"}], "function_call": "auto"}, {"functions": [{"name": "f"}], "function_call": "auto"}),
    ],
)  # fmt: skip
def test_what_a_provider_wants_otherwise_is_written_for_it(quirks: str, given: Json, becomes: Json) -> None:
    body = sent(target(quirks, "o9-new"), **given)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == becomes


def test_the_predecessors_of_tools_are_translated_for_who_never_had_them() -> None:
    body = sent(target("deepseek"), functions=[{"name": "f"}], function_call={"name": "f"})
    assert "functions" not in body
    assert "function_call" not in body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_messages_are_written_anew_only_where_they_must_differ() -> None:
    told = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": "bob"}]
    assert sent(messages=told)["messages"] == told
    written = encode(target("mistral"), messages=told)
    assert msgspec.json.decode(written.body)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert Notice("messages[1].name", "dropped", "not_supported_by_upstream") in written.notices
    assert sent(target("mistral"), messages=told[1:])["messages"] == told[1:]


def test_thoughts_go_back_where_they_are_known_to_be_wanted() -> None:
    turn = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    told = [*HELLO, turn, {"role": "user", "content": "Sure?"}]
    assert sent(messages=told)["messages"] == told
    assert "reasoning_content" not in sent(target("openai", "gpt-4o"), messages=told)["messages"][1]


def test_what_the_engine_added_is_told() -> None:
    request = asked(
        messages=[*HELLO, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Sure?"}]
    ).request
    first = request.input[0]
    items = (InputItem(first.value, first.raw, first.path, state=ItemState(b"{}")), *request.input[1:])
    written = ChatCodec().encode(structs.replace(request, input=items), target(), media={})
    assert [message["content"] for message in msgspec.json.decode(written.body)["messages"]] == [
        "Hello",
        "Yes.",
        "Sure?",
    ]


def test_urls_are_never_left_to_who_must_not_fetch() -> None:
    request = asked(messages=[{"role": "user", "content": [PICTURE]}]).request
    codec, closed = ChatCodec(), target()
    assert codec.media_urls(request, closed) == ("https://a/b.png",)
    with pytest.raises(RequestFault, match="inline"):
        codec.encode(request, closed, media={})
    body = msgspec.json.decode(
        codec.encode(request, closed, media={"https://a/b.png": "data:image/png;base64,AA=="}).body
    )
    assert body["messages"][0]["content"][0]["image_url"] == {"url": "data:image/png;base64,AA==", "detail": "low"}
    assert sent(target(fetches_urls=True), messages=[{"role": "user", "content": [PICTURE]}])["messages"][0][
        "content"
    ] == [PICTURE]


def test_files_at_the_shared_account_are_refused() -> None:
    """C12."""
    told = [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file_1"}}]}]
    with pytest.raises(RequestFault):
        encode(messages=told)
    assert sent(target(upstream_ids="allow"), messages=told)["messages"] == told


def test_custom_tools_are_wrapped_where_they_are_not_known() -> None:
    body = sent(tools=[FUNCTION, CUSTOM, {"type": "web_search", "web_search": {"enable": True}}])
    assert [tool["type"] for tool in body["tools"]] == ["function", "function", "web_search"]
    assert sent(target("openai", "gpt-4o"), tools=[FUNCTION, CUSTOM])["tools"] == [FUNCTION, CUSTOM]


def test_names_that_no_upstream_takes_are_changed_everywhere() -> None:
    body = sent(tools=[{"type": "function", "function": {"name": "my.tool"}}])
    assert body["tools"][0]["function"]["name"].startswith("my_tool_")


def test_other_dialects_do_not_get_their_bodies_sent_on() -> None:
    request = structs.replace(asked(zzz=1).request, dialect="responses")
    written = ChatCodec().encode(request, target(), media={})
    assert b"zzz" not in written.body
    assert [notice.where for notice in written.notices] == ["zzz"]


@pytest.mark.parametrize("quirks", ["generic", "openai", "mistral", "deepseek", "openrouter", "llamacpp"])
def test_bent_bodies_are_sent_on_or_refused(quirks: str) -> None:
    count = int(os.environ.get("ANTIPHON_FUZZ_N", "3000")) // 6
    sent_on = 0
    for body in bent_bodies(len(quirks), count):
        with suppress(RequestFault):
            written = ChatCodec().encode(parse_chat(body).request, target(quirks), media={})
            assert msgspec.json.decode(written.body)["model"] == "up-model"
            sent_on += 1
    assert sent_on > count // 20
