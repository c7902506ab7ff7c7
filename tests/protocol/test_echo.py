"""The response as it begins: strict in shape, whatever was asked, with the defaults that apply."""

from typing import Any

import msgspec
import pytest

from antiphon.dialects.responses import encode_response
from antiphon.protocol.ids import parse_response_id
from antiphon.protocol.response import Response
from tests.helpers.requests import CREATED_AT, RESPONSE_ID, begun
from tests.helpers.stream import Json, check_response

FLAT = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
NESTED = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object", "z": 1, "a": 2}, "strict": True}


def as_json(response: Response) -> Json:
    return check_response(msgspec.json.decode(encode_response(response)))


def echoed(**fields: Any) -> Json:
    return as_json(begun(**fields))


def test_defaults_are_told() -> None:
    response = echoed()
    assert parse_response_id(response["id"]) == RESPONSE_ID
    expected = {
        "object": "response",
        "created_at": CREATED_AT,
        "status": "in_progress",
        "model": "test-model",
        "output": [],
        "instructions": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "store": True,
        "background": False,
        "service_tier": "default",
        "metadata": {},
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
    }
    assert {key: response[key] for key in expected} == expected
    assert "user" not in response


#: What was asked, and what the response says: canonical form, never a changed meaning.
ECHOES: list[tuple[Json, Json]] = [
    ({"instructions": "Be kind.\x00"}, {"instructions": "Be kind.\x00"}),
    ({"temperature": 0}, {"temperature": 0.0}),
    ({"top_p": 0}, {"top_p": 0.0}),
    ({"presence_penalty": -2, "frequency_penalty": 2}, {"presence_penalty": -2.0, "frequency_penalty": 2.0}),
    ({"max_tokens": 5}, {"max_output_tokens": 5}),
    ({"max_tokens": 5, "max_output_tokens": 7}, {"max_output_tokens": 7}),
    ({"max_tool_calls": 3}, {"max_tool_calls": 3}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ({"store": False}, {"store": False}),
    ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
    ({"user": "u"}, {"user": "u"}),
    ({"prompt_cache_key": "k", "safety_identifier": "s"}, {"prompt_cache_key": "k", "safety_identifier": "s"}),
    ({"truncation": "auto"}, {"truncation": "auto"}),
    ({"top_logprobs": 5}, {"top_logprobs": 5}),
    ({"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high", "summary": None}}),
    ({"reasoning": {"generate_summary": "auto"}}, {"reasoning": {"effort": None, "summary": "auto"}}),
    ({"text": {"verbosity": "concise"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
    ({"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}),
    ({"text": {"format": SCHEMA}}, {"text": {"format": {**SCHEMA, "description": None}}}),
    ({"tools": [FLAT]}, {"tools": [FLAT]}),
    ({"tools": [NESTED]}, {"tools": [FLAT]}),
    ({"tools": [{"type": "function", "name": "f"}]}, {"tools": [{"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}]}),
    ({"tools": [FLAT], "tool_choice": "required"}, {"tool_choice": "required"}),
    ({"tools": [FLAT], "tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": {"type": "function", "name": "f"}}),
    (
        {"tools": [FLAT], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}},
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}},
    ),
    ({"tools": [FLAT, {"type": "web_search", "filters": None}]}, {"tools": [FLAT, {"type": "web_search", "filters": None}]}),
    ({"tools": [NESTED, {"type": "custom", "name": "c", "x": 1}]}, {"tools": [FLAT, {"type": "custom", "name": "c", "description": None}]}),
    ({"tools": [{**NESTED, "defer_loading": True}]}, {"tools": [{**FLAT, "defer_loading": True}]}),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [NESTED, {"type": "custom", "name": "c", "format": {"type": "text"}}]}]},
        {"tools": [{"type": "namespace", "name": "n", "description": "", "tools": [FLAT, {"type": "custom", "name": "c", "description": None, "format": {"type": "text"}}]}]},
    ),
    ({"tools": [FLAT], "input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "g"}]}]}, {"tools": [FLAT]}),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [FLAT]}], "tool_choice": {"type": "function", "name": "f"}}, {"tool_choice": {"type": "function", "name": "f", "namespace": "n"}}),
    (
        {"tools": [FLAT], "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": [{"type": "function", "name": "f"}]}},
        {"tool_choice": "none"},
    ),
    ({"previous_response_id": "resp_019361d47bf7700080000123456789ab"}, {"previous_response_id": "resp_019361d47bf7700080000123456789ab"}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "told"), ECHOES, ids=[str(sorted(asked)) for asked, _ in ECHOES])
def test_echo_is_canonical(asked: Json, told: Json) -> None:
    response = echoed(**asked)
    assert {key: response[key] for key in told} == told


def test_schema_keeps_the_order_of_its_keys() -> None:
    wire = encode_response(begun(text={"format": SCHEMA}))
    assert b'{"type":"object","z":1,"a":2}' in wire


@pytest.mark.parametrize(
    "fields", [{"max_output_tokens": 2**53 - 1}, {"max_tool_calls": 2**53 - 1}, {"metadata": {"k" * 64: "v" * 512}}]
)
def test_largest_accepted_values_can_be_written_back(fields: Json) -> None:
    response = echoed(**fields)
    assert {key: response[key] for key in fields} == fields
