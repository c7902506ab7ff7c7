"""Names on the wire and the way back: safe characters, namespaces, collisions."""

import re

import pytest
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice, tool_key
from antiphon.providers.names import Named, ToolNames, wire_call_id, wire_name

SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
UNSAFE = ["a.b", "a/b", "a b", "n" * 65, "", "\u00e4", "1st", "-x", "\ud83d", "a\0b"]


def function(name: str, namespace: str | None = None) -> FunctionTool:
    tool = FunctionTool(name)
    return FunctionTool(name, namespace=namespace) if namespace else tool


def collide(*tools: Tool) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        ToolNames(tools)
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
    return caught.value


def test_safe_names_are_kept_and_others_are_made_safe_and_differ() -> None:
    names = [wire_name(name) for name in UNSAFE]
    assert len(set(names)) == len(UNSAFE)
    assert all(SAFE.fullmatch(name) for name in names)
    assert all(wire_name(name) == name for name in [*names, "get_weather", "A-1", "_x"])


def test_names_map_both_ways() -> None:
    names = ToolNames([function(name) for name in [*UNSAFE, "plain"]])
    assert [names.client(names.wire(name)) for name in UNSAFE] == [Named(name) for name in UNSAFE]
    assert names.client("plain") == Named("plain")
    assert names.client("made_up") == Named("made_up")
    assert not names.plain
    assert names.known == {*map(wire_name, UNSAFE), "plain"}


def test_plain_functions_need_no_translation() -> None:
    assert ToolNames([function("a"), function("b__c"), HostedTool("web_search", Raw(b"{}"))]).plain
    assert ToolNames([]).plain
    assert not ToolNames([CustomTool("a")]).plain


def test_bug_55_names_that_hold_the_separator_are_not_taken_apart() -> None:
    tools = [function("read", "fs"), function("fs__write"), function("foo-bar"), function("a__b", "x"), function("a.b")]
    names = ToolNames(tools)
    assert [names.wire(tool.name, tool.namespace or None) for tool in tools[:4]] == [
        "fs__read",
        "fs__write",
        "foo-bar",
        "x__a__b",
    ]
    assert [names.client(names.wire(tool.name, tool.namespace or None)) for tool in tools] == [
        Named("read", "fs"),
        Named("fs__write"),
        Named("foo-bar"),
        Named("a__b", "x"),
        Named("a.b"),
    ]


def test_bug_55_long_and_dotted_namespaces_become_safe_names() -> None:
    tools = [function("n" * 40, "s" * 40), function("n" * 40, "s" * 39 + "t"), function("read", "mcp.files")]
    names = ToolNames(tools)
    wires = [names.wire(tool.name, tool.namespace or None) for tool in tools]
    assert all(SAFE.fullmatch(wire) for wire in wires)
    assert [names.client(wire) for wire in wires] == [Named(tool.name, tool.namespace or None) for tool in tools]


def test_bug_56_collisions_are_refused_and_name_both() -> None:
    fault = collide(function("a"), function("fs__read"), function("read", "fs"))
    assert "'fs__read' and 'read' of the namespace 'fs'" in fault.message
    assert fault.param == "tools"
    fault = collide(function("b", "a"), CustomTool("b", namespace="a"))
    assert "two tools with the name 'b' of the namespace 'a'" in fault.message
    assert collide(function("a__b", "x"), function("b", "x__a")).param == "tools"


def test_bug_56_two_tools_of_one_name_are_refused_with_their_place() -> None:
    fault = collide(function("a"), HostedTool("web_search", Raw(b"{}")), function("a"))
    assert (fault.param, fault.message) == ("tools[2].name", "There are two tools with the name 'a'.")
    assert collide(function("a"), CustomTool("a")).param == "tools[1].name"


def test_bug_56_the_same_name_in_two_namespaces_is_fine() -> None:
    names = ToolNames([function("read", "a"), function("read", "b"), CustomTool("read")])
    assert names.client("a__read") == Named("read", "a")
    assert names.client("b__read") == Named("read", "b")
    assert names.client("read") == Named("read", None, "custom")


def test_what_may_be_called() -> None:
    tools: list[Tool] = [function("a"), function("a", "n"), CustomTool("c", namespace="n")]
    names = ToolNames(tools)
    assert names.offered(ToolChoice()) == tools
    assert names.offered(ToolChoice(allowed=frozenset())) == []
    assert names.offered(ToolChoice(allowed=frozenset({tool_key("a", "n"), tool_key("c", "n")}))) == tools[1:]
    assert names.forced(ToolChoice("required")) is None
    assert names.forced(ToolChoice("function", "a")) == Named("a")
    assert names.forced(ToolChoice("function", "c", namespace="n")) == Named("c", "n", "custom")


def test_call_ids_fit_and_stay_told_apart() -> None:
    assert wire_call_id("call_1", "any") == "call_1"
    assert wire_call_id("abcDEF123", "alnum9") == "abcDEF123"
    for shape, length in (("any", 29), ("alnum9", 9)):
        made = {wire_call_id("c" * number, shape) for number in range(41, 141)}
        assert len(made) == 100
        assert {len(call_id) for call_id in made} == {length}
