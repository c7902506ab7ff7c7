"""The request that goes upstream, field by field: edited from the client's own, or written from what was asked."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, ItemState, decode_item
from antiphon.protocol.request import Request
from antiphon.providers.base import Encoded
from tests.providers.responses.script import CODEC, target_for

Json = dict[str, Any]

FUNCTION: Json = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def request(**fields: Any) -> Request:
    return parse_create(msgspec.json.encode({"model": "m", "input": "Hi", **fields}))


def encode(asked: Request, model: str = "openai/gpt-5", **target: Any) -> Encoded:
    media = {"http://example.com/a.png": "data:image/png;base64,AA==", "http://example.com/a.pdf": "data:x;base64,AA=="}
    return CODEC.encode(asked, target_for(model, **target), media=media)


def sent(model: str = "openai/gpt-5", **fields: Any) -> Json:
    return msgspec.json.decode(encode(request(**fields), model).body)  # type: ignore[no-any-return]  # JSON


def from_chat(model: str = "openai/gpt-5", **changes: Any) -> tuple[Json, Encoded]:
    """The same asked in another dialect, which the codec cannot send on."""
    asked = structs.replace(request(), dialect="chat", body=b'{"messages":[]}', **changes)
    encoded = encode(asked, model)
    return msgspec.json.decode(encoded.body), encoded


def dropped(encoded: Encoded) -> list[str]:
    return [notice.where for notice in encoded.notices if notice.kind == "dropped"]


def test_a_plain_question_stays_a_plain_question() -> None:
    assert sent() == {"model": "gpt-5", "input": "Hi", "store": False, "include": ["reasoning.encrypted_content"]}


def test_numbers_and_escapes_are_not_written_anew() -> None:
    body = b'{"model":"m","x":1.500,"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{\\u0022a\\u0022: 1e2}"},'
    body += b'{"type":"function_call_output","call_id":"c","output":"\\/"}]}'
    found = CODEC.encode(parse_create(body), target_for("openai/gpt-5"), media={}).body
    assert b'"x":1.500' in found
    assert b'"arguments":"{\\u0022a\\u0022: 1e2}"' in found
    assert b'"output":"\\/"' in found


def test_null_is_never_sent_in_items() -> None:
    items = [{"role": "assistant", "content": "x", "id": None, "phase": None}, {"role": "user", "content": "y"}]
    assert sent(input=items)["input"] == [{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}]


def test_chats_spelling_becomes_the_apis() -> None:
    found = sent(
        input=[
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        ],
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        max_tokens=50,
        text={"verbosity": "concise"},
    )
    assert [item["content"][0]["type"] for item in found["input"]] == ["input_text", "output_text"]
    assert found["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    assert found["tool_choice"] == {"type": "function", "name": "f"}
    assert found["max_output_tokens"] == 50
    assert "max_tokens" not in found
    assert found["text"] == {"verbosity": "low"}


def test_tuning_that_the_api_does_not_have_is_left_out_by_name() -> None:
    tuning: Json = {"top_k": 3, "seed": 1, "stop": ["x"], "min_p": None, "presence_penalty": 1}
    encoded = encode(request(**tuning))
    assert dropped(encoded) == ["top_k", "seed", "presence_penalty"]
    assert [notice.where for notice in encoded.notices if notice.kind == "emulated"] == ["stop"]
    assert not tuning.keys() & msgspec.json.decode(encoded.body).keys()
    assert sent("openrouter/x", top_k=3)["top_k"] == 3
    assert sent("llamacpp/x", seed=7)["seed"] == 7


@pytest.mark.parametrize(
    ("model", "asked", "wanted"),
    [
        ("openai/gpt-5", ["file_search_call.results"], ["file_search_call.results", "reasoning.encrypted_content"]),
        ("openai/gpt-5", ["reasoning.encrypted_content"], ["reasoning.encrypted_content"]),
        ("openai/gpt-4.1", ["reasoning.encrypted_content"], None),
        ("openai/gpt-4.1", ["message.output_text.logprobs"], ["message.output_text.logprobs"]),
        ("openai/gpt-4.1", ["antiphon.fidelity"], None),
        ("llamacpp/x", None, None),
    ],
)
def test_sealed_thought_is_asked_of_models_that_think(model: str, asked: Any, wanted: Any) -> None:
    assert sent(model, include=asked).get("include") == wanted


def test_the_operators_overlay_wins_and_decides_about_streaming() -> None:
    asked = request(stream=True, stream_options={"include_obfuscation": False})
    encoded = encode(asked, params={"temperature": Raw(b"0.5"), "stream": Raw(b"false")})
    body = msgspec.json.decode(encoded.body)
    assert (body["temperature"], body["stream"], encoded.stream) == (0.5, False, False)
    assert "stream_options" not in body
    assert encode(request(), stream="always").stream
    assert encode(request()).headers["accept"] == "application/json"


def test_urls_go_only_to_upstreams_that_may_fetch() -> None:
    parts = [
        {"type": "input_image", "image_url": "http://example.com/a.png", "detail": "low"},
        {"type": "input_file", "file_url": "http://example.com/a.pdf"},
        {"type": "input_image", "image_url": "data:image/png;base64,BB=="},
    ]
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    asked = request(
        input=[
            {"role": "user", "content": parts},
            call,
            {"type": "function_call_output", "call_id": "c", "output": parts[:1]},
        ]
    )
    inside = target_for("openai/gpt-5", fetches_urls=False)
    assert CODEC.media_urls(asked, inside) == ("http://example.com/a.png", "http://example.com/a.pdf")
    assert CODEC.media_urls(asked, target_for("openai/gpt-5")) == ()
    body = msgspec.json.decode(encode(asked, fetches_urls=False).body)
    assert body["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "file_data": "data:x;base64,AA==", "filename": "document"},
        parts[2],
    ]
    assert body["input"][2]["output"][0]["image_url"].startswith("data:")
    assert msgspec.json.decode(encode(asked).body)["input"][0]["content"] == parts
    for url in ("file:///etc/passwd", "http://example.com/unknown"):
        with pytest.raises(RequestFault) as caught:
            encode(request(input=[{"role": "user", "content": [{**parts[0], "image_url": url}]}]), fetches_urls=False)
        assert caught.value.param == "input[0].content[0].image_url"


def test_objects_at_the_account_go_where_the_operator_allows_it() -> None:
    tools = [{"type": "file_search", "vector_store_ids": ["vs_1"]}]
    files = [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]
    body = msgspec.json.decode(encode(request(tools=tools, input=files), upstream_ids="allow").body)
    assert (body["tools"], body["input"]) == (tools, files)
    with pytest.raises(RequestFault):
        encode(request(tools=tools))


def thinking(**changes: Any) -> Request:
    raw = msgspec.json.encode(
        {"type": "reasoning", "id": "rs_ours", "summary": [{"type": "summary_text", "text": "S"}],
         "content": [{"type": "reasoning_text", "text": "T"}], "encrypted_content": "ours", "status": "completed"}
    )  # fmt: skip
    item = structs.replace(InputItem(decode_item(raw, path="input[0]"), raw, "input[0]"), **changes)
    return structs.replace(request(), input=(item, *request().input))


def test_thought_goes_home_under_the_upstreams_own_id() -> None:
    state = ItemState(b'{"id":"rs_up","encrypted_content":"g\\u003d"}')
    encoded = encode(thinking(provider="openai", state=state))
    body = msgspec.json.decode(encoded.body)
    assert body["input"][0] == {
        "type": "reasoning", "id": "rs_up", "summary": [{"type": "summary_text", "text": "S"}], "encrypted_content": "g=",
    }  # fmt: skip
    assert b'"g\\u003d"' in encoded.body


@pytest.mark.parametrize("payload", [b"", b"nonsense", b'{"id":1}', b'{"id":"x","encrypted_content":"\\ud800"}'])
def test_a_state_that_cannot_be_read_is_left_out(payload: bytes) -> None:
    body = msgspec.json.decode(encode(thinking(provider="openai", state=ItemState(payload))).body)
    assert [item["type"] for item in body["input"]] == ["message"]


@pytest.mark.parametrize("provider", ["", "elsewhere"])
def test_thought_of_others_stays_here(provider: str) -> None:
    for model in ("openai/gpt-5", "deepseek/x", "llamacpp/x"):
        body = msgspec.json.decode(encode(thinking(provider=provider), model).body)
        assert [item["type"] for item in body["input"]] == ["message"]


def test_servers_that_think_in_clear_get_the_text_back() -> None:
    for model in ("deepseek/x", "llamacpp/x"):
        body = msgspec.json.decode(encode(thinking(provider=model.partition("/")[0]), model).body)
        thought = body["input"][0]
        assert thought.pop("id").startswith("rs_")
        assert thought == {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "T"}]}


def test_what_was_asked_in_another_dialect_is_written_in_full() -> None:
    source = request(
        instructions="Be brief.",
        tools=[FUNCTION, {**FUNCTION, "name": "g", "strict": True}],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=99,
        top_logprobs=2,
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"},
        service_tier="flex",
        safety_identifier="s",
        truncation="auto",
        metadata={"a": "b"},
    )
    asked = structs.replace(source, dialect="chat", body=b"{}", vendor_only=("logit_processors",))
    encoded = encode(asked)
    body = msgspec.json.decode(encoded.body)
    assert dropped(encoded) == ["logit_processors"]
    assert body["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]
    assert body["tools"] == [{**FUNCTION, "strict": False}, {**FUNCTION, "name": "g", "strict": True}]
    assert body["text"]["format"] == {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    kept = ("instructions", "tool_choice", "parallel_tool_calls", "max_output_tokens", "service_tier", "truncation")
    assert [body[name] for name in kept] == ["Be brief.", "required", False, 99, "flex", "auto"]
    assert body["safety_identifier"] == "s"
    assert body["store"] is False
    assert "metadata" not in body


def test_searches_of_other_dialects_show_their_sources() -> None:
    hosted = request(tools=[{"type": "web_search"}]).tools
    assert from_chat(tools=hosted)[0]["include"] == ["web_search_call.action.sources", "reasoning.encrypted_content"]
    assert sent(tools=[{"type": "web_search"}])["include"] == ["reasoning.encrypted_content"]


def test_a_limit_below_what_the_server_takes_is_raised() -> None:
    body, encoded = from_chat(max_output_tokens=5)
    assert body["max_output_tokens"] == 16
    assert [(notice.where, notice.became) for notice in encoded.notices] == [("max_output_tokens", "16")]
    assert sent(max_output_tokens=5)["max_output_tokens"] == 5


def test_sampling_goes_to_models_that_sample() -> None:
    body, encoded = from_chat("openai/gpt-5", temperature=0.5, seed=3)
    assert "temperature" not in body
    assert dropped(encoded) == ["temperature", "seed"]
    body, encoded = from_chat("openai/gpt-4.1", temperature=0.5, top_p=0.1)
    assert (body["temperature"], body["top_p"]) == (0.5, 0.1)
    assert dropped(encoded) == []


def test_efforts_that_a_model_lacks_become_the_nearest() -> None:
    body, encoded = from_chat("openai/o3", reasoning=structs.replace(request().reasoning, effort="xhigh"))
    assert body["reasoning"] == {"effort": "high"}
    assert [notice.became for notice in encoded.notices] == ["high"]


def test_json_objects_and_verbosity_are_asked_for() -> None:
    text = request(text={"format": {"type": "json_object"}, "verbosity": "high"}).text
    assert from_chat(text=text)[0]["text"] == {"format": {"type": "json_object"}, "verbosity": "high"}


def test_bare_servers_get_functions_only() -> None:
    tools = [{"type": "custom", "name": "p"}, FUNCTION, {"type": "web_search"}]
    encoded = encode(request(tools=tools, tool_choice={"type": "custom", "name": "p"}), "llamacpp/x")
    body = msgspec.json.decode(encoded.body)
    assert [tool["type"] for tool in body["tools"]] == ["function", "function"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "p"}}
    assert dropped(encoded) == ["tools[2].web_search"]
    for choice, wire in (("none", "none"), ("required", "required"), ("auto", None)):
        found = sent("llamacpp/x", tools=[FUNCTION], tool_choice=choice)
        assert found.get("tool_choice") == wire
    with pytest.raises(RequestFault) as caught:
        encode(request(tools=[{"type": "image_generation"}]), "llamacpp/x")
    assert caught.value.param == "tools[0].type"


def test_bare_servers_get_every_item_spelled_out() -> None:
    body = sent(
        "llamacpp/x",
        instructions="A",
        input=[
            {"role": "system", "content": "B"},
            {"role": "user", "content": "C"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "D"}, {"type": "refusal", "refusal": "E"}],
            },
            {"role": "assistant", "content": ""},
        ],
    )
    assert body["instructions"] == "A\n\nB"
    assert [(item["role"], item["content"][0]["text"]) for item in body["input"]] == [
        ("user", "C"),
        ("assistant", "D\n\nE"),
    ]


def test_a_bare_server_asked_in_another_dialect() -> None:
    body, _ = from_chat("llamacpp/x", max_output_tokens=5, top_k=2)
    assert (body["max_output_tokens"], body["top_k"], body["input"][0]["role"]) == (5, 2, "user")


def test_servers_that_think_in_clear_get_a_text_that_the_client_lost_back() -> None:
    item = thinking(provider="deepseek").input[0]
    lost = decode_item(b'{"type":"reasoning","summary":[]}', path="input[0]")
    asked = request(include=["reasoning.encrypted_content"])
    for payload, wanted in ((b'{"text":"T"}', "T"), (b'{"id":"\xff', None), (b"[]", None)):
        kept = structs.replace(item, value=lost, raw=b"{}", state=ItemState(payload, "x", "main"))
        body = msgspec.json.decode(encode(structs.replace(asked, input=(kept,)), "deepseek/x").body)
        texts = [part["text"] for thought in body["input"] for part in thought["content"]]
        assert texts == ([wanted] if wanted else [])


def test_a_function_is_chosen_as_the_server_has_it() -> None:
    asked: Json = {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}}
    assert sent("deepseek/x", **asked)["tool_choice"] == {"type": "function", "name": "f"}
    assert sent("llamacpp/x", **asked)["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_a_role_that_would_vanish_becomes_one_that_does_not() -> None:
    items = [{"role": "developer", "content": "Rules."}, {"role": "user", "content": "Hi"}]
    assert [item["role"] for item in sent("ollama/x", input=items)["input"]] == ["system", "user"]
    assert [item["role"] for item in sent("openai/gpt-5", input=items)["input"]] == ["developer", "user"]


def test_strict_servers_get_what_was_said_with_all_its_fields() -> None:
    items = [
        {"role": "assistant", "content": "x"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "y"},
    ]
    said, asked = sent("vllm/x", input=items)["input"]
    assert said.pop("id").startswith("msg_")
    content = [{"type": "output_text", "text": "x", "annotations": []}]
    assert said == {"type": "message", "role": "assistant", "status": "completed", "content": content}
    assert asked == {"role": "user", "content": "y"}
