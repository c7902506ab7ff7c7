"""`tools` and `tool_choice`: both shapes of a function, hosted tools, and choices that name what is there."""

import msgspec
import pytest

from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import NULL, FunctionTool
from tests.helpers.requests import create_body, make_request

SCHEMA = {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}}
FLAT = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": False}
NESTED = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": False}}
OTHER = {"type": "function", "name": "g"}


def refused(**fields: object) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        parse_create(create_body(**fields))
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize("tool", [FLAT, NESTED, {**NESTED, "name": None}], ids=["flat", "nested", "nested, name null"])
def test_both_shapes_of_a_function_are_one(tool: dict[str, object]) -> None:
    (parsed,) = make_request(tools=[tool]).tools
    assert (parsed.name, parsed.description, parsed.strict) == ("f", "d", False)
    assert bytes(parsed.parameters) == msgspec.json.encode(SCHEMA)


def test_strict_beside_the_nested_function_counts() -> None:
    (parsed,) = make_request(tools=[{"type": "function", "strict": True, "function": {"name": "f"}}]).tools
    assert parsed.strict is True


def test_bare_function_has_nothing_invented() -> None:
    assert make_request(tools=[OTHER]).tools == (FunctionTool("g", None, NULL, None),)


def test_no_tools_at_all() -> None:
    assert make_request(tools=[], tool_choice="auto").tools == ()


@pytest.mark.parametrize(
    "kind", ["web_search", "web_search_preview", "web_search_2025_08_26", "web_search_preview_2025_03_11"]
)
def test_web_search_is_left_out_by_name(kind: str) -> None:
    request = make_request(tools=[{"type": kind, "search_context_size": "low"}, FLAT])
    assert [tool.name for tool in request.tools] == ["f"]
    assert [notice.where for notice in request.notices] == [f"tools[0].{kind}"]


@pytest.mark.parametrize(
    "kind",
    [
        "custom",
        "namespace",
        "mcp",
        "file_search",
        "code_interpreter",
        "image_generation",
        "computer",
        "computer_use_preview",
        "local_shell",
        "shell",
        "apply_patch",
        "tool_search",
        "acme:thing",
        "",
    ],
)
def test_other_tools_are_refused_by_type(kind: str) -> None:
    fault = refused(tools=[FLAT, {"type": kind, "name": "x"}])
    assert (fault.code, fault.param) == ("unsupported_parameter", "tools[1].type")
    assert f"'{kind}'" in fault.message


#: Wrong tools: what is named.
WRONG_TOOLS: list[tuple[object, str]] = [
    (7, "tools[0]"),
    ("f", "tools[0]"),
    (None, "tools[0]"),
    ({}, "tools[0].type"),
    ({"name": "f"}, "tools[0].type"),
    ({"type": 7}, "tools[0].type"),
    ({"type": "function"}, "tools[0].name"),
    ({"type": "function", "name": ""}, "tools[0].name"),
    ({"type": "function", "name": 7}, "tools[0].name"),
    ({"type": "function", "function": {}}, "tools[0].function.name"),
    ({"type": "function", "function": "f"}, "tools[0].function"),
    ({"type": "function", "name": "f", "parameters": []}, "tools[0].parameters"),
    ({"type": "function", "name": "f", "parameters": "{}"}, "tools[0].parameters"),
    ({"type": "function", "name": "f", "strict": "yes"}, "tools[0].strict"),
    ({"type": "function", "name": "f", "description": 7}, "tools[0].description"),
]


@pytest.mark.parametrize(("tool", "param"), WRONG_TOOLS, ids=[str(tool) for tool, _ in WRONG_TOOLS])
def test_wrong_tool_is_refused_with_its_place(tool: object, param: str) -> None:
    fault = refused(tools=[tool])
    assert fault.param == param
    assert fault.code in ("invalid_value", "missing_required_parameter")


F_ONLY = [{"type": "function", "name": "f"}]

#: Choice, and what it becomes: mode, name, allowed names, canonical form.
CHOICES: list[tuple[object, str, str | None, frozenset[str] | None, object]] = [
    (None, "auto", None, None, "auto"),
    ("auto", "auto", None, None, "auto"),
    ("none", "none", None, None, "none"),
    ("required", "required", None, None, "required"),
    ({"type": "function", "name": "f"}, "function", "f", None, {"type": "function", "name": "f"}),
    ({"type": "function", "function": {"name": "f"}}, "function", "f", None, {"type": "function", "name": "f"}),
    (
        {"type": "allowed_tools", "mode": "required", "tools": F_ONLY},
        "required",
        None,
        frozenset({"f"}),
        {"type": "allowed_tools", "mode": "required", "tools": F_ONLY},
    ),
    (
        {"type": "allowed_tools", "tools": [*F_ONLY, {"type": "web_search"}]},
        "auto",
        None,
        frozenset({"f"}),
        {"type": "allowed_tools", "mode": "auto", "tools": F_ONLY},
    ),
    ({"type": "allowed_tools", "tools": []}, "auto", None, frozenset(), {"type": "allowed_tools", "mode": "auto", "tools": []}),
    ({"type": "allowed_tools", "mode": "none", "tools": F_ONLY}, "none", None, None, "none"),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "mode", "name", "allowed", "wire"), CHOICES, ids=[str(row[0]) for row in CHOICES])
def test_choice_is_read(
    choice: object, mode: str, name: str | None, allowed: frozenset[str] | None, wire: object
) -> None:
    parsed = make_request(tools=[FLAT, OTHER], tool_choice=choice).tool_choice
    assert (parsed.mode, parsed.name, parsed.allowed) == (mode, name, allowed)
    assert msgspec.json.decode(parsed.raw) == wire


#: Wrong choices with the tools f and g there: code and place.
WRONG_CHOICES: list[tuple[object, str, str]] = [
    (7, "invalid_value", "tool_choice"),
    ("sometimes", "invalid_value", "tool_choice"),
    ({}, "missing_required_parameter", "tool_choice.type"),
    ({"type": "function"}, "invalid_value", "tool_choice.name"),
    ({"type": "function", "name": "h"}, "invalid_value", "tool_choice.name"),
    ({"type": "function", "function": {}}, "missing_required_parameter", "tool_choice.function.name"),
    ({"type": "web_search_preview"}, "unsupported_parameter", "tool_choice.type"),
    ({"type": "custom", "name": "f"}, "unsupported_parameter", "tool_choice.type"),
    ({"type": "allowed_tools", "mode": "maybe", "tools": []}, "invalid_value", "tool_choice.mode"),
    ({"type": "allowed_tools", "mode": "required", "tools": []}, "invalid_value", "tool_choice.tools"),
    ({"type": "allowed_tools", "tools": [{"type": "function", "name": "h"}]}, "invalid_value", "tool_choice.tools[0].name"),
    ({"type": "allowed_tools", "tools": [{"type": "function"}]}, "invalid_value", "tool_choice.tools[0].name"),
    ({"type": "allowed_tools", "tools": ["f"]}, "invalid_value", "tool_choice.tools[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "code", "param"), WRONG_CHOICES, ids=[str(row[0]) for row in WRONG_CHOICES])
def test_wrong_choice_is_refused_with_its_place(choice: object, code: str, param: str) -> None:
    fault = refused(tools=[FLAT, OTHER], tool_choice=choice)
    assert (fault.code, fault.param) == (code, param)


def test_required_needs_a_function() -> None:
    for tools in ([], [{"type": "web_search"}]):
        assert refused(tools=tools, tool_choice="required").param == "tool_choice"
