"""`tools` of a request, and those that its items bring: functions, custom tools, namespaces, and what vendors know.

The tools of a namespace are read as those outside of it are, and stand in one flat list with them; each says where it
belongs. Tools that may be held back until they are searched for are simply there.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct, field, structs

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, OtherItem
from antiphon.protocol.request import NULL, CustomTool, FunctionTool, HostedTool, Tool, tool_key
from antiphon.protocol.validation import validation_fault

__all__ = ["ToolList", "join_tools", "parse_tools", "tools_in"]

_ABOUT = "The tools of '{name}': {about}"

_OURS = frozenset({"function", "custom", "namespace"})

#: Items that bring tools along.
_BRINGERS = frozenset({"additional_tools", "tool_search_output"})


class ToolList(Struct, frozen=True):
    """What was on offer.

    Attributes:
        tools: all tools, those of namespaces among them.
        echo: `tools` for the resource, in canonical form; `None` where that is just `tools` encoded.
    """

    tools: tuple[Tool, ...] = ()
    echo: Raw | None = None


_NO_TOOLS = ToolList()


class _ToolParams(Struct, frozen=True):
    """A tool: a function in the flat shape or in Chat's nested one, a custom tool, a namespace, or anything else."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None
    defer_loading: bool | None = None
    format: Raw = NULL
    tools: Raw = NULL
    function: "_NestedFunction | None" = None


class _NestedFunction(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class _Head(Struct, frozen=True):
    """All that is read of a tool whose other fields are not ours to judge."""

    type: str


class _FormatParams(Struct, frozen=True):
    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] = "lark"
    definition: str | None = None


class _Bringer(Struct, frozen=True):
    tools: list[Raw] = field(default_factory=list)


class _Deferred(FunctionTool, frozen=True, tag="function", tag_field="type"):
    """How a function is echoed that may be held back."""

    defer_loading: bool = True


class _Namespace(Struct, frozen=True, tag="namespace", tag_field="type"):
    """How a namespace is echoed."""

    name: str
    description: str
    tools: list[object]


_head = msgspec.json.Decoder(_Head)
_tool = msgspec.json.Decoder(_ToolParams)
_children = msgspec.json.Decoder(list[Raw])
_format = msgspec.json.Decoder(_FormatParams)
_bringer = msgspec.json.Decoder(_Bringer)
_encode = msgspec.json.Encoder().encode


def parse_tools(raws: Sequence[Raw], *, path: str = "tools") -> ToolList:
    """The tools in a list of them.

    Raises:
        RequestFault: 400, for a tool that cannot be read. One of an unknown type is kept: a codec may know it.
    """
    if not raws:
        return _NO_TOOLS
    tools: list[Tool] = []
    echo: list[object] = []
    for index, raw in enumerate(raws):
        echo.append(_parse_tool(raw, tools, path=f"{path}[{index}]"))
    plain = all(type(tool) is FunctionTool for tool in echo)
    return ToolList(tuple(tools), None if plain else Raw(_encode(echo)))


def tools_in(items: Iterable[InputItem]) -> list[Tool]:
    """The tools that items bring: more of them from there on, or the result of a search for some."""
    found: list[Tool] = []
    for item in items:
        if isinstance(item.value, OtherItem) and item.value.type in _BRINGERS:
            path = item.path if item.path.startswith("input[") else "input"
            try:
                raws = _bringer.decode(item.raw).tools
            except msgspec.ValidationError as error:
                raise validation_fault(error, prefix=path, expected=_Bringer) from error
            found += parse_tools(raws, path=f"{path}.tools").tools
    return found


def join_tools(tools: tuple[Tool, ...], more: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools and those brought later; one that is there already stays as it is."""
    known = {_identity(tool) for tool in tools}
    joined = list(tools)
    for tool in more:
        if _identity(tool) not in known:
            known.add(_identity(tool))
            joined.append(tool)
    return tuple(joined)


def _identity(tool: Tool) -> object:
    return bytes(tool.raw) if isinstance(tool, HostedTool) else tool_key(tool.name, tool.namespace or None)


def _parse_tool(raw: Raw, tools: list[Tool], *, path: str, nested: bool = False) -> object:
    """Append the tool, or the tools in it, to the list. Returns its echo."""
    params = _read(raw, path=path)
    if params.type == "namespace" and not nested:
        return _namespace(params, tools, path=path)
    tool: Tool
    match params.type:
        case "function":
            tool = _function(params, path=path)
        case "custom":
            tool = _custom(params, path=path)
        case kind:
            tool = HostedTool(kind, raw.copy())  # copy(): a Raw is a view that keeps all of the body alive
    tools.append(tool)
    if isinstance(tool, HostedTool):
        return tool.raw
    if params.defer_loading and isinstance(tool, FunctionTool):
        return _Deferred(tool.name, tool.description, tool.parameters, tool.strict)
    return tool


def _read(raw: Raw, *, path: str) -> _ToolParams:
    """The fields of a tool, of one that is not ours to judge its type alone."""
    try:
        return _tool.decode(raw)
    except msgspec.ValidationError as error:
        try:
            kind = _head.decode(raw).type
        except msgspec.ValidationError:
            kind = "function"
        if kind in _OURS:
            raise validation_fault(error, prefix=path, expected=_ToolParams) from error
        return _ToolParams(kind)


def _namespace(params: _ToolParams, tools: list[Tool], *, path: str) -> _Namespace:
    """What the namespace itself is for stands with its first tool: upstreams have no other place for it."""
    if not params.name:
        raise _missing(f"{path}.name")
    if params.tools == NULL:
        raise _missing(f"{path}.tools")
    try:
        children = _children.decode(params.tools)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=f"{path}.tools", expected=list[Raw]) from error
    within: list[Tool] = []
    echo = [_parse_tool(raw, within, path=f"{path}.tools[{place}]", nested=True) for place, raw in enumerate(children)]
    about = params.description
    for tool in within:
        if isinstance(tool, HostedTool):
            tools.append(tool)
            continue
        said = tool.description
        if about:
            said, about = _ABOUT.format(name=params.name, about=about) + (f"\n\n{said}" if said else ""), None
        tools.append(structs.replace(tool, namespace=params.name, description=said))
    return _Namespace(params.name, params.description or "", echo)


def _function(params: _ToolParams, *, path: str) -> FunctionTool:
    nested = params.function
    source = nested if nested is not None else params
    if not source.name:
        raise _missing(f"{path}.name")
    if bytes(source.parameters)[:1] not in (b"{", b"n"):
        raise RequestFault(
            f"Invalid type for '{path}.parameters': expected a JSON Schema object.",
            code="invalid_value",
            param=f"{path}.parameters",
        )
    strict = source.strict if source.strict is not None else params.strict
    return FunctionTool(source.name, source.description, source.parameters.copy(), strict)


def _custom(params: _ToolParams, *, path: str) -> CustomTool:
    if not params.name:
        raise _missing(f"{path}.name")
    if params.format == NULL:
        return CustomTool(params.name, params.description)
    try:
        wanted = _format.decode(params.format)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=f"{path}.format", expected=_FormatParams) from error
    if wanted.type == "grammar" and not wanted.definition:
        raise _missing(f"{path}.format.definition")
    return CustomTool(params.name, params.description, params.format.copy())


def _missing(param: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
