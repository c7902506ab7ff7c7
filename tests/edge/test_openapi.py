"""The API description: valid, complete, and in step with the code that it describes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import antiphon
from antiphon.dialects.responses import parse_create
from antiphon.dialects.responses.params import CreateParams
from antiphon.edge.openapi import ENDPOINTS, ERROR_CODES, build_document
from antiphon.edge.routes import ROUTES
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, OtherItem, decode_item
from antiphon.protocol.request import Notice
from antiphon.providers.hosted import drop_item
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, echo_brain, tool_brain

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(build_document()))
SCHEMAS = DOCUMENT["components"]["schemas"]
FIELDS = SCHEMAS["CreateResponse"]["properties"]

#: A value for each parameter whose treatment shows in how it is parsed.
SAMPLES: dict[str, object] = {
    "model": "other",
    "input": "Hello",
    "instructions": "Be brief.",
    "fallback_models": ["other"],
    "fallback_timeout": 1500,
    "fallback_enabled": True,
    "previous_response_id": "resp_" + "0" * 32,
    "stream": True,
    "store": False,
    "include": ["message.output_text.logprobs"],
    "metadata": {"a": "b"},
    "tools": [{"type": "function", "name": "f"}],
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "stop": ["x"],
    "web_content_length": "full",
    "logit_bias": {"1": 2},
    "text": {"verbosity": "concise"},
    "reasoning": {"effort": "low", "summary": "auto", "generate_summary": "auto"},
    "truncation": "auto",
    "service_tier": "flex",
    "background": True,
    "n": 2,
    "prompt_cache_retention": "24h",
}

#: The parts of OpenAPI 3.1 that this document uses, as the specification has them.
DESCRIBED = {"type": "object", "required": ["description"]}
RESPONSE = {
    "if": {"required": ["$ref"]},
    "then": {"properties": {"$ref": {"pattern": "^#/components/responses/"}}, "additionalProperties": False},
    "else": {
        "required": ["description"],
        "properties": {
            "description": {"type": "string"},
            "headers": {"type": "object"},
            "content": {"additionalProperties": {"required": ["schema"]}},
            "links": {"type": "object"},
        },
        "additionalProperties": False,
    },
}
OPERATION = {
    "type": "object",
    "required": ["operationId", "responses", "tags", "summary", "description"],
    "properties": {
        "operationId": {"type": "string", "pattern": "^[a-z][A-Za-z]+$"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "summary": {"type": "string"},
        "description": {"type": "string"},
        "security": {"const": []},
        "parameters": {
            "type": "array",
            "items": {
                "required": ["name", "in", "description", "schema"],
                "properties": {"in": {"enum": ["path", "query"]}, "required": {"type": "boolean"}},
                "if": {"properties": {"in": {"const": "path"}}},
                "then": {"properties": {"required": {"const": True}}},
            },
        },
        "requestBody": {"required": ["content"], "properties": {"content": {"minProperties": 1}}},
        "responses": {
            "minProperties": 1,
            "propertyNames": {"pattern": "^[1-5][0-9][0-9]$"},
            "additionalProperties": RESPONSE,
        },
    },
    "additionalProperties": False,
}
RULES = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"},
        "info": {
            "required": ["title", "version"],
            "properties": {"license": {"required": ["name"]}},
        },
        "servers": {"items": {"required": ["url"]}},
        "tags": {"items": {"required": ["name"]}},
        "paths": {
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "propertyNames": {"enum": ["get", "put", "post", "delete", "options", "head", "patch", "trace"]},
                "additionalProperties": OPERATION,
            },
        },
        "components": {
            "propertyNames": {"enum": ["schemas", "responses", "headers", "securitySchemes"]},
            "additionalProperties": {"propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"}},
            "properties": {
                "responses": {"additionalProperties": RESPONSE},
                "headers": {"additionalProperties": {"required": ["description", "schema"]}},
                "securitySchemes": {
                    "additionalProperties": {
                        "required": ["type"],
                        "properties": {"type": {"enum": ["http", "apiKey"]}},
                    }
                },
            },
        },
    },
    "patternProperties": {"^x-": {}},
}
OPERATIONS = [
    (method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def validator(pointer: str) -> jsonschema.Draft202012Validator:
    """Checks values against a schema of the document."""
    return jsonschema.Draft202012Validator({**DOCUMENT, "$ref": pointer})


def accepts(name: str, value: object) -> bool:
    return validator(f"#/components/schemas/{name}").is_valid(value)


def test_document_has_the_structure_that_openapi_demands() -> None:
    jsonschema.Draft202012Validator(RULES).validate(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    for node in walk(DOCUMENT):
        pointer = node.get("$ref")
        if isinstance(pointer, str):
            target: Any = DOCUMENT
            for step in pointer.removeprefix("#/").split("/"):
                target = target[step]


def test_every_schema_is_a_json_schema() -> None:
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), name


def test_every_component_is_used() -> None:
    pointers = {node["$ref"] for node in walk(DOCUMENT) if isinstance(node.get("$ref"), str)}
    used = {pointer.removeprefix("#/components/") for pointer in pointers}
    for kind in ("schemas", "responses", "headers"):
        assert {f"{kind}/{name}" for name in DOCUMENT["components"][kind]} <= used


def test_every_route_is_described_and_nothing_else() -> None:
    routes = {(route.method, route.path.replace(":path}", "}"), route.public) for route in ROUTES}
    described = {(method.upper(), path, "security" in operation) for method, path, operation in OPERATIONS}
    assert described == routes
    assert {(one.method, one.path, one.public) for one in ENDPOINTS} == routes


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_path_parameters_are_those_in_the_path() -> None:
    for _, path, operation in OPERATIONS:
        named = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
        assert named == re.findall(r"\{(\w+)\}", path)


def test_links_name_operations_and_their_parameters() -> None:
    by_id = {operation["operationId"]: operation for *_, operation in OPERATIONS}
    links = DOCUMENT["paths"]["/v1/responses"]["post"]["responses"]["200"]["links"]
    assert set(links) == {"getResponse", "deleteResponse", "listInputItems", "getRun"}
    for link in links.values():
        known = {one["name"] for one in by_id[link["operationId"]]["parameters"]}
        assert set(link["parameters"]) <= known


def test_routes_with_a_key_tell_how_a_missing_key_is_answered() -> None:
    assert [list(one) for one in DOCUMENT["security"]] == [["bearer"], ["apiKey"]]
    for _, _, operation in OPERATIONS:
        assert ("401" in operation["responses"]) == ("security" not in operation)


def test_every_answer_tells_its_request_id() -> None:
    answers = [answer for *_, one in OPERATIONS for answer in one["responses"].values() if "$ref" not in answer]
    for answer in (*answers, *DOCUMENT["components"]["responses"].values()):
        assert "x-request-id" in answer["headers"]


def test_every_field_has_a_description() -> None:
    for name, schema in SCHEMAS.items():
        assert schema.get("description") or "oneOf" in schema or "anyOf" in schema, name
        for field, one in schema.get("properties", {}).items():
            assert one.get("description") or (field == "type" and "const" in one), f"{name}.{field}"


def test_request_has_the_fields_that_are_parsed() -> None:
    assert list(FIELDS) == list(CreateParams.__struct_fields__)
    assert SCHEMAS["CreateResponse"]["required"] == ["model"]


@pytest.mark.parametrize("name", FIELDS)
def test_parameter_is_treated_as_described(name: str) -> None:
    field = FIELDS[name]
    sample = SAMPLES.get(name, {} if name not in CreateParams.__annotations__ else 1)
    if name in ("prompt_cache_key", "safety_identifier", "user"):
        sample = "someone"
    elif name not in SAMPLES and field["x-antiphon-treatment"] in ("ignored", "refused"):
        sample = {"any": "thing"}
    body = msgspec.json.encode({"model": "m", "input": "Hi", name: sample})
    if field["x-antiphon-treatment"] == "refused":
        with pytest.raises(RequestFault) as caught:
            parse_create(body)
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)
        assert not accepts("CreateResponse", {"model": "m", "input": "Hi", name: sample})
    else:
        request = parse_create(body)
        named = [*(notice.where for notice in request.notices), *request.vendor_only]
        assert named == ([name] if field["x-antiphon-treatment"] == "ignored" else [])


BODIES: list[tuple[bool, dict[str, object]]] = [
    (True, {"model": "m", "input": "Hi"}),
    (True, {"model": "m", "previous_response_id": "resp_" + "0" * 32}),
    (False, {"model": "m"}),
    (False, {"input": "Hi"}),
    (False, {"model": "m", "input": None}),
    (True, {"model": "m", "input": None, "previous_response_id": "resp_" + "0" * 32}),
    (True, {"model": "m", "input": []}),
    (True, {"model": "m", "input": [{"role": "user", "content": "Hi"}]}),
    (True, {"model": "m", "input": [{"type": "message", "role": "user", "content": None}]}),
    (True, {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]}),
    (False, {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
    (False, {"model": "m", "input": [{"role": "robot", "content": "Hi"}]}),
    (True, {"model": "m", "input": [{"id": "msg_1"}]}),
    (True, {"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}]}),
    (True, {"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}),
    (False, {"model": "m", "input": [{"type": "function_call", "call_id": "c"}]}),
    (True, {"model": "m", "input": [{"type": "reasoning", "summary": []}]}),
    (True, {"model": "m", "input": [{"type": "reasoning", "summary": [{"text": "No `type`: nothing else fits."}]}]}),
    (False, {"model": "m", "input": [{"type": "reasoning", "summary": [{"type": "summary_text"}]}]}),
    (False, {"model": "m", "input": [{"type": "reasoning", "content": [{"type": "text", "text": "Another one."}]}]}),
    (True, {"model": "m", "input": [{"type": "unheard_of"}]}),
    (True, {"model": "m", "input": [{"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"}]}),
    (False, {"model": "m", "input": [{"type": "custom_tool_call", "call_id": "c"}]}),
    (False, {"model": "m", "input": 5}),
    (True, {"model": "m", "input": "Hi", "temperature": None, "max_output_tokens": None}),
    (False, {"model": "m", "input": "Hi", "temperature": 2.1}),
    (False, {"model": "m", "input": "Hi", "max_output_tokens": 0}),
    (False, {"model": "m", "input": "Hi", "top_logprobs": 21}),
    (False, {"model": "m", "input": "Hi", "metadata": {"a": 1}}),
    (False, {"model": "m", "input": "Hi", "metadata": {"k" * 65: "v"}}),
    (False, {"model": "m", "input": "Hi", "metadata": {str(number): "v" for number in range(17)}}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": {}}]}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "web_search_preview"}]}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "code_interpreter"}]}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "custom", "name": "f"}]}),
    (False, {"model": "m", "input": "Hi", "tools": [{"type": "custom"}]}),
    (True, {"model": "m", "input": "Hi", "tools": [{"type": "namespace", "name": "n", "tools": []}]}),
    (False, {"model": "m", "input": "Hi", "tools": [{"type": "namespace", "name": "n"}]}),
    (False, {"model": "m", "input": "Hi", "tools": [{"type": "function"}]}),
    (False, {"model": "m", "input": "Hi", "tool_choice": "sometimes"}),
    (False, {"model": "m", "input": "Hi", "tool_choice": 3}),
    (True, {"model": "m", "input": "Hi", "include": ["reasoning.encrypted_content"]}),
    (False, {"model": "m", "input": "Hi", "include": ["everything"]}),
    (True, {"model": "m", "input": "Hi", "text": {"format": {"type": "json_object"}, "verbosity": "normal"}}),
    (False, {"model": "m", "input": "Hi", "text": {"format": {"type": "yaml"}}}),
    (True, {"model": "m", "input": "Hi", "reasoning": {"effort": "minimal"}}),
    (False, {"model": "m", "input": "Hi", "reasoning": {"effort": "huge"}}),
    (True, {"model": "m", "input": "Hi", "background": False, "n": 1, "unknown": 1}),
]


@pytest.mark.parametrize(("valid", "body"), BODIES)
def test_request_schema_and_parser_agree(valid: bool, body: dict[str, object]) -> None:
    assert accepts("CreateResponse", body) is valid
    if valid:
        parse_create(msgspec.json.encode(body))
    else:
        with pytest.raises(RequestFault):
            parse_create(msgspec.json.encode(body))


def test_examples_fit_the_schema_and_are_parsed() -> None:
    content = DOCUMENT["paths"]["/v1/responses"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        validator("#/components/schemas/CreateResponse").validate(example["value"])
        parse_create(msgspec.json.encode(example["value"]))


def test_hosted_tool_items_are_left_out_as_described() -> None:
    for kind in SCHEMAS["HostedToolItem"]["properties"]["type"]["enum"]:
        item = InputItem(OtherItem(kind), b"{}", "input[0]")
        assert decode_item(msgspec.json.encode({"type": kind}), path="input[0]") == item.value
        assert drop_item(item, OtherItem(kind)) == Notice("input[0]", "dropped", "hosted_tool_item")


def test_every_error_code_in_the_code_is_in_the_table() -> None:
    known = {one.code for one in ERROR_CODES}
    root = Path(antiphon.__file__).parent
    for file in root.rglob("*.py"):
        if file.relative_to(root).parts[0] in ("cli", "config", "store"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                assert node.value.value in known, f"{file.name}:{node.value.lineno}"


def test_error_table_is_sorted_and_has_no_code_twice_in_a_status() -> None:
    lines = [(one.status, one.code) for one in ERROR_CODES]
    assert len(set(lines)) == len(lines)
    assert [status for status, _ in lines] == sorted(status for status, _ in lines)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway whose only model calls a function when it is given one."""

    def brain(request: Seen) -> Reply:
        return tool_brain(request) if request.json.get("tools") else echo_brain(request)

    with ThreadedUpstream(brain) as upstream, Gateway(upstream.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def check_answer(answer: Answer, name: str, status: int = 200) -> None:
    """The answer is one that the description has."""
    assert answer.status == status, answer.body
    validator(f"#/components/schemas/{name}").validate(answer.json)
    assert "x-request-id" in answer.headers


TOOLS = [{"type": "function", "name": "lookup", "parameters": {"type": "object"}}]


def test_answers_are_as_described(gateway: Gateway) -> None:
    created = gateway.create(input="Hi", tools=TOOLS, text={"verbosity": "normal"}, reasoning={"effort": "low"})
    check_answer(created, "Response")
    path = f"/v1/responses/{created.json['id']}"
    check_answer(gateway.request("GET", path), "Response")
    check_answer(gateway.request("GET", f"{path}/input_items"), "InputItemList")
    check_answer(gateway.request("GET", f"/v1/antiphon/runs/{created.json['id']}"), "RunRecord")
    check_answer(gateway.request("DELETE", path), "DeletedResponse")
    check_answer(gateway.request("GET", path), "Error", 404)
    asked = {"model": "test/m", "input": "Hi", "top_k": 3}
    check_answer(gateway.request("POST", "/v1/antiphon/explain", body=asked), "Explanation")
    reported = gateway.create(input="Hi", top_k=3, include=["antiphon.fidelity"])
    check_answer(reported, "Response")
    validator("#/components/schemas/Fidelity").validate(reported.json["antiphon"])
    check_answer(gateway.request("GET", "/v1/models"), "ModelList")
    check_answer(gateway.request("GET", "/v1/models/test/m"), "Model")
    check_answer(gateway.request("GET", "/healthz", key=None), "Health")
    check_answer(gateway.request("GET", "/readyz", key=None), "Readiness")
    check_answer(gateway.request("GET", "/v1/models", key=None), "Error", 401)
    check_answer(gateway.create(input=5), "Error", 400)


def test_events_are_as_described(gateway: Gateway) -> None:
    check = validator("#/components/schemas/ResponseStreamEvent")
    for wire in (gateway.stream(input="Hi", store=False), gateway.stream(input="Hi", tools=TOOLS)):
        lines = [line.removeprefix("data: ") for line in wire.decode().splitlines() if line.startswith("data: {")]
        assert len(lines) > 5
        for line in lines:
            check.validate(msgspec.json.decode(line))


def test_description_is_served_without_a_key(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/openapi.json", key=None)
    assert (answer.status, answer.json) == (200, DOCUMENT)
    assert gateway.request("GET", "/docs", key=None).status == 200


def test_switched_off_description_cannot_be_told_from_an_unknown_endpoint(tmp_path: Path) -> None:
    with Gateway(None, tmp_path, config={"server": {"docs": False}}) as running:
        for path in ("/docs", "/openapi.json"):
            hidden = running.request("GET", path, key=None)
            unknown = running.request("GET", path + "x", key=None)
            assert (hidden.status, hidden.json["error"]["code"]) == (unknown.status, unknown.json["error"]["code"])
            assert set(hidden.headers) == set(unknown.headers)
