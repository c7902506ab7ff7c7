"""`tool_choice`, checked against the tools that there are."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import CustomTool, HostedTool, Tool, ToolChoice, tool_key
from antiphon.protocol.validation import validation_fault

__all__ = ["parse_tool_choice"]

_KINDS = ("function", "custom")


class _Name(Struct, frozen=True):
    name: str


class _ChoiceParams(Struct, frozen=True):
    """A choice, or one of the tools that it allows. Chat puts the name one level deeper."""

    type: str
    name: str | None = None
    namespace: str | None = None
    function: _Name | None = None
    custom: _Name | None = None
    mode: Literal["auto", "required", "none"] = "auto"
    tools: list[Raw] | None = None


#: (whether custom, name) -> the namespaces that have such a tool, `None` for none. Choices can be long, as can lists.
_Offered = Mapping[tuple[bool, str], Mapping[str | None, int]]

_choice = msgspec.json.Decoder(str | _ChoiceParams | None)
_entry = msgspec.json.Decoder(_ChoiceParams)
_encode = msgspec.json.Encoder().encode


def parse_tool_choice(raw: Raw, tools: Sequence[Tool]) -> ToolChoice:
    """The tool choice.

    Raises:
        RequestFault: 400, it cannot be read, or names what is not in `tools`.
    """
    try:
        choice = _choice.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix="tool_choice", expected=_ChoiceParams) from error
    if choice is None:
        return ToolChoice()
    if isinstance(choice, str):
        return _mode(choice, has_tools=bool(tools))
    if choice.type in _KINDS:
        name, namespace = _find(choice, _offered(tools), param="tool_choice.name")
        wire = _encode(_named(choice.type, name, namespace=namespace))
        return ToolChoice("function", name, raw=Raw(wire), namespace=namespace)
    if choice.type == "allowed_tools":
        return _allowed(choice, tools)
    if any(isinstance(tool, HostedTool) and tool.type == choice.type for tool in tools):
        return ToolChoice(hosted=choice.type, raw=raw.copy())
    raise RequestFault(
        f"A tool_choice of type '{choice.type[:80]}' is not supported, or there is no such tool. Supported: 'none', "
        "'auto', 'required', and objects of type 'function', 'custom' or 'allowed_tools'.",
        code="unsupported_parameter",
        param="tool_choice.type",
    )


def _mode(mode: str, *, has_tools: bool) -> ToolChoice:
    if mode == "none":
        return ToolChoice("none", raw=Raw(b'"none"'))
    if mode == "auto":
        return ToolChoice()
    if mode == "required":
        if not has_tools:
            raise RequestFault(
                "tool_choice 'required' needs at least one tool in 'tools'.", code="invalid_value", param="tool_choice"
            )
        return ToolChoice("required", raw=Raw(b'"required"'))
    raise RequestFault(
        f"Invalid value for 'tool_choice': '{mode[:80]}'. Accepted: 'none', 'auto', 'required', or an object.",
        code="invalid_value",
        param="tool_choice",
    )


def _allowed(choice: _ChoiceParams, tools: Sequence[Tool]) -> ToolChoice:
    keys: set[str] = set()
    wire: list[object] = []
    offered = _offered(tools)
    namespaces: set[str] = set()
    for index, raw in enumerate(choice.tools or ()):
        path = f"tool_choice.tools[{index}]"
        try:
            entry = _entry.decode(raw)
        except msgspec.ValidationError as error:
            raise validation_fault(error, prefix=path, expected=_ChoiceParams) from error
        if entry.type in _KINDS:
            name, namespace = _find(entry, offered, param=f"{path}.name")
            keys.add(tool_key(name, namespace))
            wire.append(_named(entry.type, name, namespace=namespace))
            continue
        if entry.type == "namespace":
            namespaces.add(entry.name or "")
        else:
            keys.add(entry.type)  # a hosted tool, which has no other name
        wire.append(raw)
    keys.update(_keys_in(namespaces, tools))
    if choice.mode == "required" and not wire:
        raise RequestFault(
            "tool_choice 'allowed_tools' with mode 'required' needs at least one tool.",
            code="invalid_value",
            param="tool_choice.tools",
        )
    if choice.mode == "none":  # Open Responses has it; OpenAI's clients know only the plain word in the echo
        return _mode("none", has_tools=True)
    echo = _encode({"type": "allowed_tools", "mode": choice.mode, "tools": wire})
    return ToolChoice(choice.mode, allowed=frozenset(keys), raw=Raw(echo))


def _offered(tools: Sequence[Tool]) -> _Offered:
    found: dict[tuple[bool, str], dict[str | None, int]] = {}
    for tool in tools:
        if not isinstance(tool, HostedTool):
            places = found.setdefault((isinstance(tool, CustomTool), tool.name), {})
            places[tool.namespace or None] = places.get(tool.namespace or None, 0) + 1
    return found


def _find(wanted: _ChoiceParams, offered: _Offered, *, param: str) -> tuple[str, str | None]:
    """Name and namespace of the tool that is meant. The namespace may be left out where it is clear without."""
    nested = wanted.function if wanted.type == "function" else wanted.custom
    name = wanted.name or (nested.name if nested else "")
    found = offered.get((wanted.type == "custom", name), {})
    if wanted.namespace is not None:
        found = {wanted.namespace: found[wanted.namespace]} if wanted.namespace in found else {}
    elif None in found:
        return name, None
    if len(found) == 1 and sum(found.values()) == 1:
        return name, next(iter(found))
    kind = "function" if wanted.type == "function" else "custom tool"
    why = "stands in several namespaces: name one" if found else "is not in 'tools'"
    raise RequestFault(f"Tool choice names the {kind} '{name[:80]}', which {why}.", code="invalid_value", param=param)


def _keys_in(namespaces: set[str], tools: Sequence[Tool]) -> set[str]:
    return {
        tool_key(tool.name, tool.namespace)
        for tool in tools
        if not isinstance(tool, HostedTool) and isinstance(tool.namespace, str) and tool.namespace in namespaces
    }


def _named(kind: str, name: str, *, namespace: str | None) -> dict[str, str]:
    named = {"type": kind, "name": name}
    return {**named, "namespace": namespace} if namespace else named
