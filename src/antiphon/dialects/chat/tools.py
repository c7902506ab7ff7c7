"""`tools` and `tool_choice` as Chat nests them, and the `functions` and `function_call` that they replaced."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.chat.params import FunctionParams, WebSearchOptions
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import NULL, CustomTool, FunctionTool, HostedTool, Tool, ToolChoice, tool_key
from antiphon.protocol.validation import validation_fault

__all__ = ["parse_choice", "parse_function_choice", "parse_functions", "parse_tools", "web_search"]


class _Function(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class _Grammar(Struct, frozen=True):
    definition: str
    syntax: Literal["lark", "regex"]


class _Format(Struct, frozen=True):
    type: Literal["text", "grammar"]
    grammar: _Grammar | None = None
    definition: str | None = None  # flat, as in Responses
    syntax: Literal["lark", "regex"] | None = None


class _Custom(Struct, frozen=True):
    name: str
    description: str | None = None
    format: _Format | None = None


class _Tool(Struct, frozen=True):
    type: str = "function"
    function: _Function | None = None
    custom: _Custom | None = None


class _Flat(Struct, frozen=True):
    """Responses' own shape, which some clients send here."""

    name: str | None = None
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class _Name(Struct, frozen=True):
    name: str


class _Named(Struct, frozen=True):
    type: str = "function"
    function: _Name | None = None
    custom: _Name | None = None


class _Allowed(Struct, frozen=True):
    mode: Literal["auto", "required"]
    tools: list[_Named]


class _Choice(_Named, frozen=True):
    allowed_tools: _Allowed | None = None


_tool = msgspec.json.Decoder(_Tool)
_flat = msgspec.json.Decoder(_Flat)
_choice = msgspec.json.Decoder(str | _Choice | None)
_function_choice = msgspec.json.Decoder(str | _Name | None)
_encode = msgspec.json.Encoder().encode


def parse_tools(raws: Sequence[Raw]) -> list[Tool]:
    """The tools.

    Raises:
        RequestFault: 400, for one that cannot be read. One of an unknown type is kept: a codec may know it.
    """
    return [_parse_tool(raw, path=f"tools[{index}]") for index, raw in enumerate(raws)]


def parse_functions(functions: Sequence[FunctionParams]) -> list[Tool]:
    """The tools in the old field. Raises as `parse_tools`."""
    return [
        FunctionTool(one.name, one.description, _schema(one.parameters, path=f"functions[{index}].parameters"))
        for index, one in enumerate(functions)
    ]


def web_search(options: WebSearchOptions) -> HostedTool:
    """The search as a tool, in the shape of the Responses API."""
    wire: dict[str, object] = {"type": "web_search"}
    if options.search_context_size is not None:
        wire["search_context_size"] = options.search_context_size
    place = options.user_location.approximate if options.user_location is not None else None
    if place is not None:
        said = {key: value for key, value in msgspec.to_builtins(place).items() if value is not None}
        wire["user_location"] = {"type": "approximate", **said}
    return HostedTool("web_search", Raw(_encode(wire)))


def parse_choice(raw: Raw, tools: Sequence[Tool]) -> ToolChoice:
    """`tool_choice`.

    Raises:
        RequestFault: 400, it cannot be read, or names what is not in `tools`.
    """
    try:
        choice = _choice.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix="tool_choice", expected=_Choice) from error
    if choice is None:
        return ToolChoice()
    if isinstance(choice, str):
        return _mode(choice, tools, param="tool_choice")
    if choice.type == "allowed_tools":
        return _allowed(choice, tools)
    if choice.type in ("function", "custom"):
        name = _find(choice, _keys(tools), param=f"tool_choice.{choice.type}.name")
        return ToolChoice("function", name, raw=Raw(_encode({"type": choice.type, "name": name})))
    if any(isinstance(tool, HostedTool) and tool.type == choice.type for tool in tools):
        return ToolChoice(hosted=choice.type, raw=raw.copy())
    raise RequestFault(
        f"A tool_choice of type '{choice.type[:80]}' is not supported, or there is no such tool. Supported: 'none', "
        "'auto', 'required', and objects of type 'function', 'custom' or 'allowed_tools'.",
        code="unsupported_parameter",
        param="tool_choice.type",
    )


def parse_function_choice(raw: Raw, tools: Sequence[Tool]) -> ToolChoice:
    """`function_call`: the old form of the choice. Raises as `parse_choice`."""
    try:
        choice = _function_choice.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix="function_call", expected=_Name) from error
    if choice is None:
        return ToolChoice()
    if isinstance(choice, str):
        return _mode(choice, tools, param="function_call")
    name = _find(_Named(function=choice), _keys(tools), param="function_call.name")
    return ToolChoice("function", name, raw=Raw(_encode({"type": "function", "name": name})))


def _parse_tool(raw: Raw, *, path: str) -> Tool:
    try:
        tool = _tool.decode(raw)
        if tool.type not in ("function", "custom"):
            return HostedTool(tool.type, raw.copy())  # copy: a Raw is a view that keeps the whole body alive
        if tool.type == "custom" and tool.custom is not None:
            return _custom(tool.custom, path=f"{path}.custom")
        flat = _flat.decode(raw) if tool.type == "function" and tool.function is None else None
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=path, expected=_Tool) from error
    if flat is not None and flat.name:
        return _function(_Function(flat.name, flat.description, flat.parameters, flat.strict), path=path)
    if tool.function is None:
        raise _missing(f"{path}.{tool.type}")
    return _function(tool.function, path=f"{path}.function")


def _function(function: _Function, *, path: str) -> FunctionTool:
    if not function.name:
        raise _missing(f"{path}.name")
    schema = _schema(function.parameters, path=f"{path}.parameters")
    return FunctionTool(function.name, function.description, schema, function.strict)


def _schema(raw: Raw, *, path: str) -> Raw:
    if bytes(raw)[:1] not in (b"{", b"n"):
        raise RequestFault(
            f"Invalid type for '{path}': expected a JSON Schema object.", code="invalid_value", param=path
        )
    return raw.copy()


def _custom(custom: _Custom, *, path: str) -> CustomTool:
    if not custom.name:
        raise _missing(f"{path}.name")
    wanted = custom.format
    if wanted is None:
        return CustomTool(custom.name, custom.description)
    if wanted.type == "text":
        return CustomTool(custom.name, custom.description, Raw(b'{"type":"text"}'))
    grammar = wanted.grammar or (_Grammar(wanted.definition, wanted.syntax or "lark") if wanted.definition else None)
    if grammar is None:
        raise _missing(f"{path}.format.grammar")
    flat = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return CustomTool(custom.name, custom.description, Raw(_encode(flat)))


def _mode(mode: str, tools: Sequence[Tool], *, param: str) -> ToolChoice:
    match mode:
        case "none":
            return ToolChoice("none", raw=Raw(b'"none"'))
        case "auto":
            return ToolChoice()
        case "required" if param == "tool_choice":
            if tools:
                return ToolChoice("required", raw=Raw(b'"required"'))
            message = "tool_choice 'required' needs at least one tool in 'tools'."
            raise RequestFault(message, code="invalid_value", param=param)
    words = "'none', 'auto', 'required'" if param == "tool_choice" else "'none', 'auto'"
    raise RequestFault(
        f"Invalid value for '{param}': '{mode[:80]}'. Accepted: {words}, or an object.",
        code="invalid_value",
        param=param,
    )


def _allowed(choice: _Choice, tools: Sequence[Tool]) -> ToolChoice:
    allowed = choice.allowed_tools
    if allowed is None:
        raise _missing("tool_choice.allowed_tools")
    if allowed.mode == "required" and not allowed.tools:
        raise RequestFault(
            "tool_choice 'allowed_tools' with mode 'required' needs at least one tool.",
            code="invalid_value",
            param="tool_choice.allowed_tools.tools",
        )
    offered = _keys(tools)
    wire = [
        {
            "type": one.type,
            "name": _find(one, offered, param=f"tool_choice.allowed_tools.tools[{index}].{one.type}.name"),
        }
        for index, one in enumerate(allowed.tools)
    ]
    echo = _encode({"type": "allowed_tools", "mode": allowed.mode, "tools": wire})
    return ToolChoice(allowed.mode, allowed=frozenset(tool_key(one["name"]) for one in wire), raw=Raw(echo))


def _keys(tools: Sequence[Tool]) -> frozenset[tuple[bool, str]]:
    """What can be chosen: whether it is a custom tool, and its name."""
    return frozenset((isinstance(tool, CustomTool), tool.name) for tool in tools if not isinstance(tool, HostedTool))


def _find(wanted: _Named, offered: frozenset[tuple[bool, str]], *, param: str) -> str:
    named = wanted.custom if wanted.type == "custom" else wanted.function
    if named is None:
        raise _missing(param)
    if (wanted.type == "custom", named.name) not in offered:
        noun = "custom tool" if wanted.type == "custom" else "function"
        raise RequestFault(
            f"Tool choice names the {noun} '{named.name[:80]}', which is not among those on offer.",
            code="invalid_value",
            param=param,
        )
    return named.name


def _missing(param: str) -> RequestFault:
    return RequestFault(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
