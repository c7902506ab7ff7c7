"""Every other field of a Chat Completions request: what it becomes, and what is refused."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import (
    CustomTool,
    FunctionTool,
    HostedTool,
    ReasoningConfig,
    TextConfig,
    TextFormat,
)
from tests.helpers.chat_requests import FUNCTION, HELLO, asked, chat_body, chat_request

Json = dict[str, Any]

CUSTOM: Json = {"type": "custom", "custom": {"name": "patch"}}
LARK = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}


def test_a_plain_request_has_the_defaults_of_this_api() -> None:
    request = chat_request()
    assert not request.store
    assert not request.stream
    assert request.dialect == "chat"
    assert request.body == chat_body()
    assert request.vendor_only == ()
    assert request.tool_choice.mode == "auto"
    assert (asked().n, asked().include_usage, asked().legacy) == (1, False, False)


@pytest.mark.parametrize(
    ("sent", "field", "becomes"),
    [
        ({"max_completion_tokens": 5}, "max_output_tokens", 5),
        ({"max_tokens": 5}, "max_output_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_output_tokens", 6),
        ({"stop": "a"}, "stop", ("a",)),
        ({"stop": ["a", "b"]}, "stop", ("a", "b")),
        ({"temperature": 0.5}, "temperature", 0.5),
        ({"top_p": 1}, "top_p", 1.0),
        ({"top_k": 3}, "top_k", 3),
        ({"seed": -4}, "seed", -4),
        ({"logit_bias": {"1": -100}}, "logit_bias", {"1": -100.0}),
        ({"presence_penalty": 1, "frequency_penalty": -1}, "frequency_penalty", -1.0),
        ({"logprobs": True}, "wants_logprobs", True),
        ({"logprobs": True, "top_logprobs": 3}, "top_logprobs", 3),
        ({"logprobs": False, "top_logprobs": 0}, "wants_logprobs", False),
        ({"reasoning_effort": "low"}, "reasoning", ReasoningConfig("low")),
        ({"reasoning": {"effort": "low"}}, "reasoning", ReasoningConfig("low", "auto")),
        ({"reasoning": {"enabled": False}}, "reasoning", ReasoningConfig("none")),
        ({"reasoning": {"exclude": True}}, "reasoning", ReasoningConfig()),
        ({"reasoning": {}}, "include", frozenset({"reasoning.encrypted_content"})),
        ({"verbosity": "low"}, "text", TextConfig(verbosity="low")),
        ({"response_format": {"type": "text"}}, "text", TextConfig()),
        ({"response_format": {"type": "json_object"}}, "text", TextConfig(TextFormat("json_object"))),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", False),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"store": True, "metadata": {"a": "b"}}, "metadata", {"a": "b"}),
        ({"user": "u"}, "user", "u"),
        ({"modalities": ["text"]}, "vendor_only", ()),
        ({"prediction": {"type": "content", "content": "x"}}, "vendor_only", ("prediction",)),
        ({"prompt_cache_retention": "24h", "zzz": 1}, "vendor_only", ("zzz", "prompt_cache_retention")),
        ({"reasoning": {"max_tokens": 9}}, "vendor_only", ("reasoning.max_tokens",)),
    ],
)
def test_fields_become_those_of_a_request(sent: Json, field: str, becomes: object) -> None:
    assert getattr(chat_request(**sent), field) == becomes


def test_null_is_the_same_as_nothing() -> None:
    fields = dict.fromkeys(("tools", "tool_choice", "n", "store", "stream_options", "stop", "reasoning_effort"))
    fields |= dict.fromkeys(("functions", "function_call", "modalities", "audio", "metadata", "input"))
    assert msgspec.structs.replace(chat_request(**fields), body=b"") == msgspec.structs.replace(
        chat_request(), body=b""
    )


def test_schemas_are_nested_here() -> None:
    schema = {"type": "object", "properties": {}}
    wanted = {"name": "n", "schema": schema, "strict": True, "description": "d"}
    found = chat_request(response_format={"type": "json_schema", "json_schema": wanted}).text.format
    assert (found.type, found.name, found.strict, found.description) == ("json_schema", "n", True, "d")
    assert msgspec.json.decode(found.schema) == schema


def test_tools_are_nested_here_and_flat_ones_are_understood() -> None:
    flat = {"type": "function", "name": "h", "parameters": {"type": "object"}}
    hosted = {"type": "web_search", "web_search": {"enable": True}}
    function, custom, other, own = chat_request(tools=[FUNCTION, CUSTOM, flat, hosted]).tools
    assert isinstance(function, FunctionTool)
    assert (function.name, function.description) == ("f", "d")
    assert isinstance(custom, CustomTool)
    assert custom.name == "patch"
    assert isinstance(other, FunctionTool)
    assert other.name == "h"
    assert isinstance(own, HostedTool)
    assert msgspec.json.decode(own.raw) == hosted


def test_grammars_are_flat_elsewhere() -> None:
    (tool,) = chat_request(tools=[{"type": "custom", "custom": {"name": "p", "format": LARK}}]).tools
    assert isinstance(tool, CustomTool)
    assert isinstance(tool.format, msgspec.Raw)
    assert msgspec.json.decode(tool.format) == {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}


def test_web_search_options_are_a_tool() -> None:
    place = {"type": "approximate", "approximate": {"city": "Oslo", "country": "NO"}}
    (tool,) = chat_request(web_search_options={"search_context_size": "low", "user_location": place}).tools
    assert isinstance(tool, HostedTool)
    assert msgspec.json.decode(tool.raw) == {
        "type": "web_search",
        "search_context_size": "low",
        "user_location": {"type": "approximate", "city": "Oslo", "country": "NO"},
    }
    assert [one.type for one in chat_request(web_search_options={}).tools if isinstance(one, HostedTool)] == [
        "web_search"
    ]


@pytest.mark.parametrize(
    ("choice", "raw"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "patch"}}, {"type": "custom", "name": "patch"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_choices_are_kept_in_the_canonical_form(choice: Any, raw: Any) -> None:
    assert msgspec.json.decode(chat_request(tools=[FUNCTION, CUSTOM], tool_choice=choice).tool_choice.raw) == raw


def test_allowed_tools_are_a_limit() -> None:
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "patch"}}]},
    }
    found = chat_request(tools=[FUNCTION, CUSTOM], tool_choice=choice).tool_choice
    assert found.allows("patch")
    assert not found.allows("f")


def test_the_predecessors_of_tools_still_work() -> None:
    functions = [{"name": "f", "description": "d", "parameters": {"type": "object"}}]
    forced = asked(functions=functions, function_call={"name": "f"})
    assert forced.legacy
    assert [tool.name for tool in forced.request.functions] == ["f"]
    assert (forced.request.tool_choice.mode, forced.request.tool_choice.name) == ("function", "f")
    assert forced.request.parallel_tool_calls is False
    assert asked(functions=functions, function_call="none").request.tool_choice.mode == "none"
    assert not asked(functions=functions, tools=[FUNCTION]).legacy


@pytest.mark.parametrize(
    ("sent", "param", "code"),
    [
        *(
            ({name: value}, name, "unsupported_parameter")
            for name, value in {
                "input": "x",
                "instructions": "x",
                "previous_response_id": "resp_1",
                "conversation": "conv_1",
                "background": True,
                "max_output_tokens": 5,
                "max_tool_calls": 1,
                "include": [],
                "text": {},
                "truncation": "auto",
                "prompt": "x",
                "moderation": {"model": "m"},
                "audio": {"voice": "alloy", "format": "wav"},
            }.items()
        ),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"n": 2, "web_search_options": {}}, "n", "unsupported_parameter"),
        ({"n": 9}, "n", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "missing_required_parameter"),
        ({"messages": "Hello"}, "messages", "invalid_value"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"reasoning_effort": "some"}, "reasoning_effort", "invalid_value"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": []}}},
            "response_format.json_schema.schema",
            "invalid_value",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom", "missing_required_parameter"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "p", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
            "missing_required_parameter",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]},
            "tools[0].function.parameters",
            "invalid_value",
        ),
        ({"functions": [{"name": ""}]}, "functions[0].name", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "some"}, "tool_choice", "invalid_value"),
        ({"tool_choice": 1}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name", "missing_required_parameter"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
            "invalid_value",
        ),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type", "unsupported_parameter"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools", "missing_required_parameter"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}},
            "tool_choice.allowed_tools.tools",
            "invalid_value",
        ),
        ({"function_call": "required"}, "function_call", "invalid_value"),
        ({"function_call": {"name": "x"}}, "function_call.name", "invalid_value"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_place(sent: Json, param: str, code: str) -> None:
    with pytest.raises(RequestFault) as caught:
        chat_request(**sent)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.status == 400


def test_fields_of_the_other_endpoint_are_refused_with_its_name() -> None:
    with pytest.raises(RequestFault, match="POST /v1/responses"):
        chat_request(previous_response_id="resp_1")


def test_the_body_is_kept_for_who_can_read_it() -> None:
    assert chat_request(messages=HELLO, zzz={"a": [1.0]}).body == chat_body(messages=HELLO, zzz={"a": [1.0]})
