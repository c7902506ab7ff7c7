"""Parameters: what is sent to whom, and what is named when it is not."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.providers.base import Encoded
from antiphon.providers.chat import codec
from antiphon.providers.names import wire_name
from antiphon.providers.quirks.base import Quirks
from tests.helpers.requests import make_request
from tests.providers.corpus import SECRET, target_for
from tests.providers.script import CODEC

W = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
T = {"type": "function", "name": "get_time", "description": "", "strict": True}


def encode(model: str = "generic/m", **fields: Any) -> Encoded:
    return CODEC.encode(make_request(**fields), target_for(model), media={})


def body(model: str = "generic/m", **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(encode(model, **fields).body)
    for always in ("model", "messages"):
        del found[always]
    return found


def notes(model: str = "generic/m", **fields: Any) -> list[tuple[str, str, str, str]]:
    return [(note.where, note.kind, note.asked, note.became) for note in encode(model, **fields).notices]


def dropped(where: str) -> list[tuple[str, str, str, str]]:
    return [(where, "dropped", "", "")]


@pytest.fixture
def with_quirks(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(**changes: object) -> None:
        changed = msgspec.structs.replace(Quirks(name="generic"), **changes)
        monkeypatch.setattr(codec, "effective", lambda *_: changed)

    return use


def test_a_bare_request_is_sent_bare() -> None:
    assert body() == {}
    assert notes() == []


SENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("generic/m", {"max_output_tokens": 5}, {"max_tokens": 5}),
    ("openai/gpt-4.1", {"max_output_tokens": 5}, {"max_completion_tokens": 5}),
    ("generic/m", {"temperature": 0.5, "top_p": 0.25}, {"temperature": 0.5, "top_p": 0.25}),
    ("generic/m", {"presence_penalty": 1, "frequency_penalty": -1}, {"presence_penalty": 1, "frequency_penalty": -1}),
    ("vllm/m", {"top_k": 5, "min_p": 0.5}, {"top_k": 5, "min_p": 0.5}),
    ("generic/m", {"seed": 7}, {"seed": 7}),
    ("mistral/m", {"seed": 7}, {"random_seed": 7}),
    ("generic/m", {"stop": "x"}, {"stop": ["x"]}),
    ("generic/m", {"logit_bias": {"50256": -100, "1": 0.5}}, {"logit_bias": {"50256": -100, "1": 0.5}}),
    ("generic/m", {"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
    ("generic/m", {"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    ("openai/gpt-5.1", {"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    ("openai/gpt-4.1", {"service_tier": "flex", "safety_identifier": "s"}, {"service_tier": "flex", "safety_identifier": "s"}),
    ("openai/gpt-4.1", {"prompt_cache_key": "k", "user": "u"}, {"prompt_cache_key": "k", "user": "u"}),
    ("openai/gpt-5.1", {"reasoning": {"effort": "none"}, "temperature": 0.5}, {"reasoning_effort": "none", "temperature": 0.5}),
    ("openai/gpt-5.5", {"reasoning": {"effort": "none"}, "temperature": 0.5}, {"reasoning_effort": "none", "temperature": 0.5}),
    ("openrouter/x", {"reasoning": {"effort": "xhigh"}}, {"reasoning": {"effort": "xhigh"}}),
    ("deepseek/x", {"reasoning": {"effort": "high"}}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
    ("deepseek/x", {"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}),
    ("qwen/qwen3-max", {"reasoning": {"effort": "none"}}, {"enable_thinking": False}),
    ("vllm/m", {"reasoning": {"effort": "none"}}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    ("generic/m", {"reasoning": {"summary": "auto"}}, {}),
    ("generic/m", {"metadata": {"a": "b"}, "store": True, "truncation": "auto", "max_tool_calls": 3}, {}),
    ("generic/m", {"text": {"format": {"type": "text"}}}, {}),
    ("generic/m", {"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    ("groq/qwen/qwen3-32b", {}, {"reasoning_format": "parsed"}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "wanted"), SENT)
def test_parameters_are_sent_under_the_upstreams_names(
    model: str, fields: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert body(model, **fields) == wanted
    assert notes(model, **fields) == []


NOT_SENT: list[tuple[str, dict[str, Any], str]] = [
    ("openai/o3", {"temperature": 0.5}, "temperature"),
    ("openai/gpt-5.1", {"top_p": 0.5, "reasoning": {"effort": "low"}}, "top_p"),
    ("openai/gpt-5.5", {"top_p": 0.5}, "top_p"),
    ("generic/m", {"top_k": 5}, "top_k"),
    ("generic/m", {"min_p": 0.5}, "min_p"),
    ("anthropic/m", {"presence_penalty": 1}, "presence_penalty"),
    ("anthropic/m", {"frequency_penalty": 1}, "frequency_penalty"),
    ("anthropic/m", {"seed": 7}, "seed"),
    ("groq/m", {"logit_bias": {"1": 1}}, "logit_bias"),
    ("groq/m", {"top_logprobs": 3}, "top_logprobs"),
    ("generic/m", {"text": {"verbosity": "low"}}, "text.verbosity"),
    ("generic/m", {"service_tier": "flex"}, "service_tier"),
    ("generic/m", {"prompt_cache_key": "k"}, "prompt_cache_key"),
    ("generic/m", {"safety_identifier": "k"}, "safety_identifier"),
    ("generic/m", {"user": "k"}, "user"),
    ("generic/m", {"reasoning": {"effort": "low"}}, "reasoning.effort"),
    ("xai/grok-3-mini", {"reasoning": {"effort": "none"}}, "reasoning.effort"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "where"), NOT_SENT)
def test_what_an_upstream_lacks_is_left_out_and_named(model: str, fields: dict[str, Any], where: str) -> None:
    assert where.rpartition(".")[2] not in body(model, **fields)
    assert notes(model, **fields) == dropped(where)


def test_stop_sequences_that_an_upstream_lacks_are_not_sent() -> None:
    assert "stop" not in body("openai/o3", stop=["x"])
    assert notes("openai/o3", stop=["x"]) == [("stop", "emulated", "", "")]


APPROXIMATED: list[tuple[str, dict[str, Any], str, Any, tuple[str, str, str, str]]] = [
    ("anthropic/m", {"temperature": 1.5}, "temperature", 1.0, ("temperature", "approximated", "1.5", "1")),
    ("zhipu/m", {"stop": ["a", "b"]}, "stop", ["a"], ("stop", "emulated", "2", "1")),
    ("xai/grok-3-mini", {"reasoning": {"effort": "medium"}}, "reasoning_effort", "low", ("reasoning.effort", "approximated", "medium", "low")),
    ("qwen/q", {"reasoning": {"effort": "low"}}, "enable_thinking", True, ("reasoning.effort", "approximated", "low", "on")),
]  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "field", "value", "note"), APPROXIMATED)
def test_the_nearest_is_sent_where_the_wish_cannot_be_met(
    model: str, fields: dict[str, Any], field: str, value: object, note: tuple[str, str, str, str]
) -> None:
    assert body(model, **fields)[field] == value
    assert notes(model, **fields) == [note]


def test_tools_take_chats_nested_form_and_nothing_is_invented() -> None:
    nothing = {"type": "object", "properties": {}}
    assert body("openai/gpt-4.1", tools=[W, T])["tools"] == [
        {"type": "function", "function": {"name": "get_weather", "parameters": W["parameters"]}},
        {
            "type": "function",
            "function": {"name": "get_time", "description": "", "parameters": nothing, "strict": True},
        },
    ]
    assert "tool_choice" not in body(tools=[W])
    assert "parallel_tool_calls" not in body(tools=[W])


def test_strict_is_named_where_it_is_left_out() -> None:
    assert "strict" not in str(body(tools=[W, T]))
    assert notes(tools=[W, T]) == dropped("tools.strict")
    assert notes(tools=[W]) == []


def test_parameters_are_spliced_byte_for_byte() -> None:
    schema = b'{ "type":"object", "x": 1.0e2, "\\u00e4": [ ] }'
    request = make_request(tools=[W])
    tool = msgspec.structs.replace(request.tools[0], parameters=Raw(schema))
    encoded = CODEC.encode(msgspec.structs.replace(request, tools=(tool,)), target_for("generic/m"), media={})
    assert schema in encoded.body


CHOICES: list[tuple[Any, Any]] = [
    ("none", "none"),
    ("auto", None),
    ("required", "required"),
    ({"type": "function", "name": "get_time"}, {"type": "function", "function": {"name": "get_time"}}),
]


@pytest.mark.parametrize(("choice", "wanted"), CHOICES)
def test_tool_choices_have_their_form(choice: Any, wanted: Any) -> None:
    assert body(tools=[W, T], tool_choice=choice).get("tool_choice") == wanted


ALLOWED = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}


def test_allowed_tools_are_the_vendors_own_or_only_these_are_sent() -> None:
    native = body("openai/gpt-4.1", tools=[W, T], tool_choice=ALLOWED)
    named = [{"type": "function", "function": {"name": "get_time"}}]
    assert native["tool_choice"] == {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    assert len(native["tools"]) == 2
    other = body(tools=[W, T], tool_choice=ALLOWED)
    assert [tool["function"]["name"] for tool in other["tools"]] == ["get_time"]
    assert other["tool_choice"] == "required"


def test_without_tools_left_nothing_speaks_of_tools() -> None:
    none_left = {**ALLOWED, "mode": "auto", "tools": []}
    assert body(tools=[W], tool_choice=none_left, parallel_tool_calls=False) == {}
    assert body(tools=[], tool_choice="auto", parallel_tool_calls=False) == {}


def test_the_parallel_flag_is_sent_where_it_is_taken() -> None:
    assert body(tools=[W], parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert body("ollama/m", tools=[W], parallel_tool_calls=True) == {"tools": body(tools=[W])["tools"]}
    emulated = ("parallel_tool_calls", "emulated", "", "")  # by the engine
    assert notes("ollama/m", tools=[W], parallel_tool_calls=False) == [emulated]


def test_a_forced_call_is_approximated_where_it_cannot_be_forced() -> None:
    assert "tool_choice" not in body("moonshot/m", tools=[W], tool_choice="required")
    assert notes("moonshot/m", tools=[W], tool_choice="required") == [("tool_choice", "dropped", "required", "auto")]
    thinking = {"tools": [W], "tool_choice": "required", "reasoning": {"effort": "high"}}
    assert "tool_choice" not in body("deepseek/m", **thinking)
    assert body("deepseek/m", **{**thinking, "reasoning": {"effort": "none"}})["tool_choice"] == "required"


def test_a_forced_call_switches_thinking_off_where_nothing_was_said_about_it() -> None:
    found = body("deepseek/m", tools=[W], tool_choice="required")
    assert found["thinking"] == {"type": "disabled"}
    assert found["tool_choice"] == "required"
    assert notes("deepseek/m", tools=[W], tool_choice="required") == [("reasoning", "approximated", "", "none")]


def test_tools_are_refused_where_there_are_none(with_quirks: Any) -> None:
    with_quirks(tools=False)
    with pytest.raises(RequestFault) as caught:
        body(tools=[W])
    assert caught.value.param == "tools"
    assert body() == {}


SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": False, "description": "d"}


def test_structure_is_asked_for_in_the_strongest_form_there_is() -> None:
    wanted = {"name": "n", "schema": {"type": "object"}, "description": "d", "strict": False}
    assert body(text={"format": SCHEMA})["response_format"] == {"type": "json_schema", "json_schema": wanted}
    bare = {key: SCHEMA[key] for key in ("type", "name", "schema")}
    assert body(text={"format": bare})["response_format"]["json_schema"] == {"name": "n", "schema": {"type": "object"}}


def test_structure_that_is_unknown_is_asked_for_in_words() -> None:
    encoded = encode("deepseek/m", instructions="Be brief.", text={"format": SCHEMA})
    found = msgspec.json.decode(encoded.body)
    assert found["response_format"] == {"type": "json_object"}
    leading = found["messages"][0]["content"]
    assert leading.startswith("Be brief.\n\nAnswer with one JSON value")
    assert leading.endswith('{"type":"object"}')
    assert [(note.where, note.kind) for note in encoded.notices] == [("text.format", "emulated")]


def test_structure_without_any_form_is_words_alone() -> None:
    assert body("anthropic/m", text={"format": SCHEMA}) == {}
    found = msgspec.json.decode(encode("anthropic/m", text={"format": {"type": "json_object"}}).body)
    assert found["messages"][0]["role"] == "system"
    assert "JSON" in found["messages"][0]["content"]


def test_a_stream_asks_for_usage_where_that_is_taken() -> None:
    assert body(stream=True) == {"stream": True, "stream_options": {"include_usage": True}}
    assert body("mistral/m", stream=True) == {"stream": True}


@pytest.mark.parametrize(
    ("setting", "overlay", "asked", "wanted"),
    [
        ("auto", None, True, True),
        ("auto", None, False, False),
        ("always", None, False, True),
        ("never", None, True, False),
        ("always", b"false", True, False),
        ("never", b"true", False, True),
    ],
)
def test_who_decides_about_streaming(setting: str, overlay: bytes | None, asked: bool, wanted: bool) -> None:
    params = {"stream": Raw(overlay)} if overlay else {}
    encoded = CODEC.encode(make_request(stream=asked), target_for("generic/m", stream=setting, params=params), media={})
    assert encoded.stream is wanted
    assert encoded.headers["accept"] == ("text/event-stream" if wanted else "application/json")
    assert msgspec.json.decode(encoded.body).get("stream", False) is wanted


def test_a_model_that_only_streams_is_asked_to() -> None:
    assert encode("qwen/qwq-32b").stream
    assert not encode("qwen/qwen3-max").stream


def test_the_operators_fields_win() -> None:
    params = {"max_tokens": Raw(b"9"), "extra": Raw(b'{"a":1}'), "temperature": Raw(b"null")}
    target = target_for("generic/m", params=params)
    encoded = CODEC.encode(make_request(max_output_tokens=5, temperature=1), target, media={})
    found = msgspec.json.decode(encoded.body)
    assert (found["max_tokens"], found["extra"], found["temperature"]) == (9, {"a": 1}, None)


def test_the_key_travels_as_the_provider_wants() -> None:
    assert encode().headers["authorization"] == f"Bearer {SECRET}"
    azure = encode("azure/gpt-4.1")
    assert azure.headers["api-key"] == SECRET
    assert "authorization" not in azure.headers
    assert azure.url == "https://upstream.example/v1/chat/completions"
    bare = CODEC.encode(make_request(), target_for("generic/m", credential=None), media={})
    assert "authorization" not in bare.headers
    mine = target_for("generic/m", headers={"Authorization": "Token x", "X-Extra": "1"})
    headers = CODEC.encode(make_request(), mine, media={}).headers
    assert headers["authorization"] == "Token x"
    assert headers["x-extra"] == "1"
    assert headers["content-type"] == "application/json"


def test_safe_names_are_kept_and_others_map_both_ways() -> None:
    unsafe = ["a.b", "a/b", "n" * 65, "", "\u00e4", "a b"]
    names = [wire_name(name) for name in unsafe]
    assert len(set(names)) == len(unsafe)
    assert all(wire_name(name) == name for name in [*names, "get_weather", "A-1"])
