"""Parameters that cannot be served: rows C6, C8 and C12, and rule R5b."""

import re
from typing import Any

import pytest

from antiphon.lib.clock import SystemIds
from antiphon.protocol.ids import ResponseId, response_id_text
from tests.edge.refusals import assert_refused, nothing_done
from tests.helpers.gateway import Gateway, add_key
from tests.helpers.stream import check_response
from tests.helpers.upstream import ThreadedUpstream

FUNCTION = {"type": "function", "name": "f", "parameters": {}}
USER = {"role": "user", "content": "Hi"}


def refuse(gateway: Gateway, upstream: ThreadedUpstream, body: dict[str, Any], *, code: str, param: str | None) -> None:
    with nothing_done(gateway, upstream):
        answer = gateway.request("POST", "/v1/responses", body={"model": "test/m", "input": "Hi", **body})
        assert_refused(answer, 400, code, param=param)
        streamed = gateway.request(
            "POST", "/v1/responses", body={"model": "test/m", "input": "Hi", "stream": True, **body}
        )
        assert_refused(streamed, 400, code, param=param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 257}, "model"),
        ({"input": 7}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [USER, {"role": "robot", "content": "Hi"}]}, "input[1].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 7}]}]}, "input[0].content[0].text"),
        ({"instructions": []}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"store": 1}, "store"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"seed": 2**64}, "seed"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 7}}, "metadata"),
        ({"truncation": "sometimes"}, "truncation"),
        ({"include": ["everything"]}, "include[0]"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 7}]}, "tools[0].parameters"),
        ({"tools": [FUNCTION], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_c6_wrong_types_and_ranges_are_refused_by_name(
    gateway: Gateway, upstream: ThreadedUpstream, body: dict[str, Any], param: str
) -> None:
    refuse(gateway, upstream, body, code="invalid_value", param=param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    ],
)
def test_c6_missing_parameters_are_named(
    gateway: Gateway, upstream: ThreadedUpstream, body: dict[str, Any], param: str
) -> None:
    refuse(gateway, upstream, body, code="missing_required_parameter", param=param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x", "connector_id": "connector_gmail"}]}, "tools[0].type"),
        ({"tools": [FUNCTION, {"type": "computer_use_preview"}]}, "tools[1].type"),
        ({"input": [USER, {"type": "computer_call_output", "call_id": "c"}]}, "input[1].type"),
    ],
)
def test_c6_what_would_change_the_meaning_is_refused_by_name(
    gateway: Gateway, upstream: ThreadedUpstream, body: dict[str, Any], param: str
) -> None:
    refuse(gateway, upstream, body, code="unsupported_parameter", param=param)


def test_c6_unknown_and_untransferable_fields_are_ignored_by_name(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    answer = gateway.create(
        input="Hi", no_such_field=1, client_metadata={}, stream_options={"include_obfuscation": True}
    )
    check_response(answer.json)
    assert set(answer.headers["x-antiphon-ignored"].split(",")) >= {"no_such_field", "client_metadata"}
    assert "no_such_field" not in upstream.requests[-1].json


def test_c6_names_in_the_ignored_header_are_encoded_and_bounded(gateway: Gateway) -> None:
    fields = {"a b\r\nx-evil: 1": 1, "é☃": 2, 'q"\0,;': 3} | {f"field_{number:04}": 1 for number in range(500)}
    answer = gateway.request("POST", "/v1/responses", body={"model": "test/m", "input": "Hi", **fields})
    check_response(answer.json)
    ignored = answer.headers["x-antiphon-ignored"]
    assert re.fullmatch(r"[A-Za-z0-9_.\[\],%~-]+", ignored)
    assert "a%20b%0D%0Ax-evil%3A%201" in ignored
    assert len(ignored) <= 1024
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("model", ["nobody/m", "nobody/" + "m" * 200, "ünknown/☃"])
def test_c6_a_model_that_nobody_serves_is_404(upstream: ThreadedUpstream, tmp_path_factory: Any, model: str) -> None:
    provider = {"base_url": upstream.url, "protocol": "chat", "api_key": "sk-upstream", "models": ["known"]}
    with Gateway(None, tmp_path_factory.mktemp("listed"), config={"providers": {"test": provider}}) as gateway:
        with nothing_done(gateway, upstream):
            answer = gateway.create(model=model, input="Hi")
        assert_refused(answer, 404, "model_not_found", param="model")
        near = gateway.create(model="knowm", input="Hi")
        assert "`known`" in assert_refused(near, 404, "model_not_found", param="model")


def unknown_ids(gateway: Gateway) -> list[str]:
    """One for each way of not being there: malformed, never made, deleted, another tenant's."""
    deleted = gateway.create(input="Hi").json["id"]
    assert gateway.request("DELETE", f"/v1/responses/{deleted}").status == 200
    stranger = add_key(gateway.settings.database_url, name="stranger", tenant="other")
    foreign = gateway.create(input="Hi", key=stranger).json["id"]
    never = response_id_text(ResponseId(SystemIds().new_response_id()))
    return ["", "resp_", "x", "resp_" + "g" * 32, never.upper(), never + "0", never, deleted, foreign]


def test_c8_no_unknown_previous_response_can_be_told_from_another(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    for name in unknown_ids(gateway):
        with nothing_done(gateway, upstream):
            answer = gateway.create(input="Go on", previous_response_id=name)
            streamed = gateway.create(input="Go on", previous_response_id=name, stream=True)
        for each in (answer, streamed):
            message = assert_refused(each, 400, "previous_response_not_found", param="previous_response_id")
            assert message == f"Previous response with id '{name}' not found."


@pytest.mark.parametrize(("method", "under"), [("GET", ""), ("GET", "/input_items"), ("DELETE", "")])
def test_c8_other_unknown_ids_are_404_all_alike(gateway: Gateway, method: str, under: str) -> None:
    for name in filter(None, unknown_ids(gateway)):
        answer = gateway.request(method, f"/v1/responses/{name}{under}")
        assert assert_refused(answer, 404, "response_not_found") == f"Response with id '{name}' not found."


def test_c8_unknown_references_are_404_all_alike(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    for name in unknown_ids(gateway):
        item = name.replace("resp_", "msg_") + "0000"
        with nothing_done(gateway, upstream):
            answer = gateway.create(input=[{"type": "item_reference", "id": item}])
        message = assert_refused(answer, 404, "item_not_found", param="input[0].id")
        assert message.startswith(f"Item with id '{item}' not found.")


def content(**part: Any) -> list[Any]:
    return [{"role": "user", "content": [{"type": "input_text", "text": "See"}, part]}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": content(type="input_file", file_id="file-1")}, "input[0].content[1].file_id"),
        ({"input": content(type="input_image", file_id="file-1")}, "input[0].content[1].file_id"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].type"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x", "connector_id": "connector_x"}]}, "tools[0].type"),
    ],
)
def test_c12_objects_of_the_operators_account_are_out_of_reach(
    gateway: Gateway, upstream: ThreadedUpstream, body: dict[str, Any], param: str
) -> None:
    refuse(gateway, upstream, body, code="unsupported_parameter", param=param)
