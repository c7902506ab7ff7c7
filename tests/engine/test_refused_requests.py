"""What is refused before anything reaches a provider: by the field that is at fault, with what would be accepted."""

from typing import Any

import pytest

from tests.engine.stage import Stage, user
from tests.helpers.upstream import answer, chat_json

Json = dict[str, Any]
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}

#: What is sent, the code and the field of the refusal.
REFUSED: list[tuple[Json, str, str]] = [
    ({"temperature": 2.1}, "invalid_value", "temperature"),
    ({"temperature": "warm"}, "invalid_value", "temperature"),
    ({"temperature": True}, "invalid_value", "temperature"),
    ({"top_p": -0.1}, "invalid_value", "top_p"),
    ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
    ({"presence_penalty": 3}, "invalid_value", "presence_penalty"),
    ({"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
    ({"max_output_tokens": 1.5}, "invalid_value", "max_output_tokens"),
    ({"stream": "yes"}, "invalid_value", "stream"),
    ({"store": 1}, "invalid_value", "store"),
    ({"truncation": "some"}, "invalid_value", "truncation"),
    ({"instructions": ["a"]}, "invalid_value", "instructions"),
    ({"reasoning": {"effort": "extreme"}}, "invalid_value", "reasoning.effort"),
    ({"reasoning": {"summary": "long"}}, "invalid_value", "reasoning.summary"),
    ({"text": {"verbosity": "loud"}}, "invalid_value", "text.verbosity"),
    ({"text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "missing_required_parameter", "text.format.schema"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "missing_required_parameter", "text.format.name"),
    ({"metadata": {"k": "v" * 513}}, "invalid_value", "metadata"),
    ({"metadata": {"k" * 65: "v"}}, "invalid_value", "metadata"),
    ({"metadata": {f"k{n}": "" for n in range(17)}}, "invalid_value", "metadata"),
    ({"metadata": {"k": 1}}, "invalid_value", "metadata"),
    ({"include": ["everything"]}, "invalid_value", "include[0]"),
    ({"background": True}, "unsupported_parameter", "background"),
    ({"conversation": "conv_1"}, "unsupported_parameter", "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
    ({"n": 2}, "unsupported_parameter", "n"),
    ({"tools": [{"type": "code_interpreter"}]}, "unsupported_parameter", "tools[0].type"),
    ({"tools": [FUNCTION, {"type": "mcp", "server_label": "x"}]}, "unsupported_parameter", "tools[1].type"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
    ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "invalid_value", "tools[0].parameters"),
    ({"tools": {"type": "function"}}, "invalid_value", "tools"),
    ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    ({"tool_choice": "sometimes"}, "invalid_value", "tool_choice"),
    ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "invalid_value", "tool_choice.name"),
    ({"tool_choice": {"type": "file_search"}}, "unsupported_parameter", "tool_choice.type"),
]

#: Input items, and where the refusal points.
BAD_ITEMS: list[tuple[Any, str]] = [
    ({"role": "robot", "content": "x"}, ".role"),
    ({"role": "user", "content": 7}, ".content"),
    ({"role": "user", "content": [{"type": "input_smell"}]}, ".content[0].type"),
    ({"role": "user", "content": [{"type": "input_text"}]}, ".content[0].text"),
    ({"role": "user", "content": [{"type": "input_image"}]}, ".content[0].image_url"),
    ({"role": "user", "content": [{"type": "input_video", "video_url": "https://a.example"}]}, ".content[0]"),
    ({"type": "function_call", "call_id": "c", "arguments": "{}"}, ".name"),
    ({"type": "function_call_output", "output": "x"}, ".call_id"),
    ({"type": "computer_call"}, ".type"),
    ("a string", ""),
    (7, ""),
]


@pytest.mark.parametrize(("body", "code", "param"), REFUSED)
@pytest.mark.parametrize("stream", [False, True])
def test_a_field_that_cannot_be_served_is_named(
    stage: Stage, body: Json, code: str, *, param: str, stream: bool
) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    problem = model.refuse(**{"stream": stream, **body})
    assert (problem["type"], problem["code"], problem["param"]) == ("invalid_request_error", code, param)
    assert not model.requests


@pytest.mark.parametrize(("item", "where"), BAD_ITEMS)
def test_an_item_that_cannot_be_read_is_named_by_its_place(stage: Stage, item: Any, where: str) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    problem = model.refuse([user("Hello"), item])
    assert problem["param"] == f"input[1]{where}"
    assert not model.requests


@pytest.mark.parametrize("body", [{"input": "Hello"}, {"model": "test/m"}, {"model": None, "input": "x"}, {}])
def test_model_and_input_are_needed(stage: Stage, body: Json) -> None:
    got = stage.gateway.request("POST", "/v1/responses", body=body)
    assert got.status == 400
    assert got.json["error"]["code"] == "missing_required_parameter"
    assert got.json["error"]["param"] in ("model", "input")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b'{"model":"m","input":NaN}', b"\xff\xfe{}"])
def test_what_is_no_object_is_refused(stage: Stage, body: bytes) -> None:
    got = stage.gateway.request("POST", "/v1/responses", body=body, headers={"content-type": "application/json"})
    assert got.status == 400
    assert set(got.json["error"]) == {"message", "type", "param", "code"}


def test_nothing_is_refused_for_being_null(stage: Stage) -> None:
    names = [
        *("instructions", "previous_response_id", "stream", "store", "include", "metadata", "tools", "tool_choice"),
        *("parallel_tool_calls", "max_tool_calls", "max_output_tokens", "temperature", "top_p", "top_logprobs", "text"),
        *("reasoning", "truncation", "service_tier", "prompt_cache_key", "safety_identifier", "user", "background"),
        *("conversation", "prompt", "moderation", "stream_options", "n", "seed", "stop", "logit_bias"),
    ]
    model = stage.model(answer(chat_json("Yes.")))
    got = model.send("Hello", **dict.fromkeys(names))
    assert got.status == 200, got.body
    assert "x-antiphon-ignored" not in got.headers


def test_a_function_may_have_a_name_that_providers_do_not_take(stage: Stage) -> None:
    name = "files.read/all of it"
    call = {"type": "function", "name": name, "parameters": {"type": "object"}}
    model = stage.model(lambda request: _calls_first(request.json["tools"][0]["function"]["name"]))
    response = model.ask(tools=[call], tool_choice={"type": "function", "name": name})
    assert response["output"][0]["name"] == name
    sent = model.requests[0].json
    wire = sent["tools"][0]["function"]["name"]
    assert wire.replace("_", "").replace("-", "").isalnum()
    assert sent["tool_choice"] == {"type": "function", "function": {"name": wire}}
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    model.ask([output], previous_response_id=response["id"], tools=[call])
    assert model.heard()[1]["tool_calls"][0]["function"]["name"] == wire


def _calls_first(name: str) -> Any:
    return answer(chat_json(None, tool_calls=[{"id": "c", "name": name, "arguments": "{}"}]))
