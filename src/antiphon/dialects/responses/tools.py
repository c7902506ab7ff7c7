"""`tools` and `tool_choice` of a request."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import validation_fault
from antiphon.protocol.request import NULL, FunctionTool, Notice, ToolChoice

__all__ = ["parse_tool_choice", "parse_tools"]


class _ToolParams(Struct, frozen=True):
    """A function tool in the flat shape, or in Chat's nested one."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None
    function: "_NestedFunction | None" = None


class _NestedFunction(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class _ToolName(Struct, frozen=True):
    type: str
    name: str | None = None


class _NestedName(Struct, frozen=True):
    name: str


class _ChoiceParams(Struct, frozen=True):
    type: str
    name: str | None = None
    function: _NestedName | None = None
    mode: Literal["auto", "required", "none"] = "auto"
    tools: list[_ToolName] | None = None


_tool = msgspec.json.Decoder(_ToolParams)
_choice = msgspec.json.Decoder(str | _ChoiceParams | None)


def parse_tools(raws: Sequence[Raw]) -> tuple[tuple[FunctionTool, ...], list[Notice]]:
    """Function tools, and notices for the hosted tools that were left out.

    Web search is left out by name until this gateway has it; any other hosted tool would change the answer's meaning.
    """
    tools: list[FunctionTool] = []
    notices: list[Notice] = []
    for index, raw in enumerate(raws):
        path = f"tools[{index}]"
        try:
            params = _tool.decode(raw)
        except msgspec.ValidationError as error:
            raise validation_fault(error, prefix=path, expected=_ToolParams) from error
        if params.type == "function":
            tools.append(_function(params, path=path))
        elif params.type.startswith("web_search"):
            notices.append(Notice(f"{path}.{params.type}", "dropped", "not_supported_by_upstream"))
        else:
            raise RequestFault(
                f"Tools of type '{params.type[:80]}' are not supported. Supported: 'function'.",
                code="unsupported_parameter",
                param=f"{path}.type",
            )
    return tuple(tools), notices


def _function(params: _ToolParams, *, path: str) -> FunctionTool:
    nested = params.function
    source = nested if nested is not None else params
    if not source.name:
        raise RequestFault(
            f"Missing required parameter: '{path}.name'.", code="missing_required_parameter", param=f"{path}.name"
        )
    if bytes(source.parameters)[:1] not in (b"{", b"n"):
        raise RequestFault(
            f"Invalid type for '{path}.parameters': expected a JSON Schema object.",
            code="invalid_value",
            param=f"{path}.parameters",
        )
    strict = source.strict if source.strict is not None else params.strict
    # copy(): a Raw is a view that would keep the whole request body alive as long as the tool.
    return FunctionTool(source.name, source.description, source.parameters.copy(), strict)


def parse_tool_choice(raw: Raw, tools: Sequence[FunctionTool]) -> ToolChoice:
    """The tool choice, checked against the tools that there are."""
    try:
        choice = _choice.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix="tool_choice", expected=_ChoiceParams) from error
    if choice is None:
        return ToolChoice()
    names = {tool.name for tool in tools}
    if isinstance(choice, str):
        return _mode(choice, has_tools=bool(names))
    if choice.type == "function":
        name = choice.name or (choice.function.name if choice.function else "")
        _check_known(name, names, param="tool_choice.name")
        wire = msgspec.json.encode({"type": "function", "name": name})
        return ToolChoice("function", name, raw=Raw(wire))
    if choice.type == "allowed_tools":
        return _allowed(choice, names)
    raise RequestFault(
        f"A tool_choice of type '{choice.type[:80]}' is not supported. Supported: 'none', 'auto', 'required', "
        "and objects of type 'function' or 'allowed_tools'.",
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
                "tool_choice 'required' needs at least one function in 'tools'.",
                code="invalid_value",
                param="tool_choice",
            )
        return ToolChoice("required", raw=Raw(b'"required"'))
    raise RequestFault(
        f"Invalid value for 'tool_choice': '{mode[:80]}'. Accepted: 'none', 'auto', 'required', or an object.",
        code="invalid_value",
        param="tool_choice",
    )


def _allowed(choice: _ChoiceParams, names: set[str]) -> ToolChoice:
    allowed = []
    for index, tool in enumerate(choice.tools or ()):
        if tool.type == "function":
            _check_known(tool.name or "", names, param=f"tool_choice.tools[{index}].name")
            allowed.append(tool.name or "")
    if choice.mode == "required" and not allowed:
        raise RequestFault(
            "tool_choice 'allowed_tools' with mode 'required' needs at least one function.",
            code="invalid_value",
            param="tool_choice.tools",
        )
    if choice.mode == "none":  # Open Responses has it; OpenAI's clients know only the plain word in the echo
        return _mode("none", has_tools=True)
    wire = {
        "type": "allowed_tools",
        "mode": choice.mode,
        "tools": [{"type": "function", "name": name} for name in allowed],
    }
    return ToolChoice(choice.mode, allowed=frozenset(allowed), raw=Raw(msgspec.json.encode(wire)))


def _check_known(name: str, names: set[str], *, param: str) -> None:
    if name not in names:
        raise RequestFault(
            f"Tool choice names the function '{name[:80]}', which is not in 'tools'.", code="invalid_value", param=param
        )
