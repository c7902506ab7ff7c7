"""`tools` and `tool_choice`: both shapes of a function, hosted tools, and choices that name what is there."""

import msgspec
import pytest
from msgspec import Raw

from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import NULL, CustomTool, FunctionTool, HostedTool, Tool, tool_key
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
    (parsed,) = make_request(tools=[tool]).functions
    assert (parsed.name, parsed.description, parsed.strict) == ("f", "d", False)
    assert bytes(parsed.parameters) == msgspec.json.encode(SCHEMA)


def test_strict_beside_the_nested_function_counts() -> None:
    (parsed,) = make_request(tools=[{"type": "function", "strict": True, "function": {"name": "f"}}]).functions
    assert parsed.strict is True


def test_bare_function_has_nothing_invented() -> None:
    assert make_request(tools=[OTHER]).tools == (FunctionTool("g", None, NULL, None),)


def test_no_tools_at_all() -> None:
    assert make_request(tools=[], tool_choice="auto").tools == ()


@pytest.mark.parametrize("kind", ["web_search_2025_08_26", "mcp", "code_interpreter", "tool_search", "acme:thing", ""])
def test_other_tools_are_kept_as_they_were_sent(kind: str) -> None:
    tool = {"type": kind, "name": 7, "tools": "x", "description": []}
    request = make_request(tools=[FLAT, tool])
    assert request.tools[1:] == (HostedTool(kind, Raw(msgspec.json.encode(tool))),)
    assert request.notices == ()


GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": GRAMMAR}
FILES = {"type": "namespace", "name": "files", "description": "Files.", "tools": [NESTED, PATCH]}


def test_custom_tool_keeps_its_format() -> None:
    assert make_request(tools=[PATCH, {"type": "custom", "name": "c", "format": None}]).tools == (
        CustomTool("apply_patch", "Edits.", Raw(msgspec.json.encode(GRAMMAR))),
        CustomTool("c"),
    )


def test_tools_of_a_namespace_are_what_they_are_outside_of_it() -> None:
    function, custom, flat = make_request(tools=[FILES, FLAT]).tools
    assert flat == make_request(tools=[FLAT]).tools[0]
    assert isinstance(function, FunctionTool)
    assert function.description == "The tools of 'files': Files.\n\nd"
    assert msgspec.structs.replace(function, namespace=msgspec.UNSET, description="d") == flat
    assert custom == CustomTool("apply_patch", "Edits.", Raw(msgspec.json.encode(GRAMMAR)), "files")


def test_deferred_tools_are_there_at_once() -> None:
    deferred = [{**OTHER, "defer_loading": True}, {"type": "tool_search"}]
    assert named(make_request(tools=deferred).tools) == ["g"]


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_that_items_bring_are_added(kind: str) -> None:
    brought = {"type": kind, "role": "developer", "tools": [OTHER, {**FILES, "description": None}, FLAT]}
    request = make_request(tools=[FLAT], input=[brought], tool_choice={"type": "custom", "name": "apply_patch"})
    assert named(request.tools) == ["f", "g", tool_key("f", "files"), tool_key("apply_patch", "files")]
    assert (request.tool_choice.name, request.tool_choice.namespace) == ("apply_patch", "files")


def test_wrong_tools_that_items_bring_are_refused_with_their_place() -> None:
    assert (
        refused(input=[{"type": "additional_tools", "tools": [{"type": "function"}]}]).param == "input[0].tools[0].name"
    )
    assert refused(input=[{"type": "additional_tools", "tools": 7}]).param == "input[0].tools"


def named(tools: tuple[Tool, ...]) -> list[str]:
    return [tool_key(tool.name, tool.namespace or None) for tool in tools if not isinstance(tool, HostedTool)]


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
    ({"type": "custom"}, "tools[0].name"),
    ({"type": "custom", "name": "c", "format": 7}, "tools[0].format"),
    ({"type": "custom", "name": "c", "format": {}}, "tools[0].format.type"),
    ({"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "ebnf"}}, "tools[0].format.syntax"),
    ({"type": "custom", "name": "c", "format": {"type": "grammar"}}, "tools[0].format.definition"),
    ({"type": "namespace", "tools": []}, "tools[0].name"),
    ({"type": "namespace", "name": "n"}, "tools[0].tools"),
    ({"type": "namespace", "name": "n", "tools": "x"}, "tools[0].tools"),
    ({"type": "namespace", "name": "n", "tools": [FLAT, {"type": "function"}]}, "tools[0].tools[1].name"),
    ({"type": "namespace", "name": "n", "tools": [7]}, "tools[0].tools[0]"),
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
        frozenset({"f", "web_search"}),
        {"type": "allowed_tools", "mode": "auto", "tools": [*F_ONLY, {"type": "web_search"}]},
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
    ({"type": "custom", "name": "f"}, "invalid_value", "tool_choice.name"),
    ({"type": "function", "name": "f", "namespace": "n"}, "invalid_value", "tool_choice.name"),
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


def test_required_needs_a_tool() -> None:
    assert refused(tools=[], tool_choice="required").param == "tool_choice"
    assert make_request(tools=[{"type": "web_search"}], tool_choice="required").tool_choice.mode == "required"


def test_choice_of_a_hosted_tool_that_is_there() -> None:
    choice = make_request(tools=[{"type": "mcp"}], tool_choice={"type": "mcp", "server_label": "s"}).tool_choice
    assert (choice.mode, choice.hosted) == ("auto", "mcp")
    assert bytes(choice.raw) == b'{"type":"mcp","server_label":"s"}'


TWICE = [FILES, {**FILES, "name": "other"}, {**PATCH, "name": "only"}]


def test_choice_finds_its_tool_in_a_namespace() -> None:
    choice = make_request(tools=[FILES, PATCH], tool_choice={"type": "custom", "name": "apply_patch"}).tool_choice
    assert choice.namespace is None, "the plain one comes first"
    choice = make_request(tools=[FILES], tool_choice={"type": "custom", "custom": {"name": "apply_patch"}}).tool_choice
    assert (choice.mode, choice.name, choice.namespace) == ("function", "apply_patch", "files")
    inside = {"type": "function", "name": "f", "namespace": "other"}
    choice = make_request(tools=TWICE, tool_choice=inside).tool_choice
    assert (choice.namespace, msgspec.json.decode(choice.raw)) == ("other", inside)
    assert "several namespaces" in refused(tools=TWICE, tool_choice={"type": "function", "name": "f"}).message


def test_allowed_tools_may_be_of_namespaces_and_whole_namespaces() -> None:
    some = [{"type": "custom", "name": "only"}, {"type": "function", "name": "f", "namespace": "other"}]
    choice = make_request(tools=TWICE, tool_choice={"type": "allowed_tools", "tools": some}).tool_choice
    assert choice.allows("only")
    assert choice.allows("f", "other")
    assert not choice.allows("f", "files")
    assert not choice.allows("f")
    whole = [{"type": "namespace", "name": "files"}]
    choice = make_request(tools=TWICE, tool_choice={"type": "allowed_tools", "tools": whole}).tool_choice
    assert choice.allowed == frozenset({tool_key("f", "files"), tool_key("apply_patch", "files")})
