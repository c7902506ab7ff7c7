"""`tools` and `tool_choice`: the client's own tools are functions; those that run at Anthropic stay what they are."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from antiphon.dialects.messages.params import ToolChoiceParams
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import NULL, FunctionTool, HostedTool, Tool, ToolChoice
from antiphon.protocol.validation import validation_fault

__all__ = ["Tools", "parse_tool_choice", "parse_tools"]

_WEB_SEARCH = "web_search"


class _ToolParams(Struct, frozen=True):
    """A tool. Without a type, or with `custom`, it is the client's own."""

    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: Raw = NULL
    strict: bool | None = None
    cache_control: Raw = NULL
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: Raw = NULL
    allowed_callers: Raw = NULL
    max_uses: int | None = None
    allowed_domains: Raw = NULL
    blocked_domains: Raw = NULL
    user_location: Raw = NULL


_tool = msgspec.json.Decoder(_ToolParams)
_encode = msgspec.json.Encoder().encode


class Tools(Struct, frozen=True):
    """The tools of a request. `most_searches`: the `max_uses` of a search that nothing else hosted stands beside."""

    tools: tuple[Tool, ...]
    most_searches: int | None


def parse_tools(raws: Sequence[Raw], vendor_only: dict[str, None]) -> Tools:
    """The tools, in order. What of them only Anthropic can be told is noted in `vendor_only`.

    Raises:
        RequestFault: 400, for a tool that cannot be read. One of an unknown type is kept: a codec may know it.
    """
    read = [_read(raw, path=f"tools[{index}]") for index, raw in enumerate(raws)]
    tools = [_made(tool, raws[index], path=f"tools[{index}]") for index, tool in enumerate(read)]
    hosted = [tool for tool, made in zip(read, tools, strict=True) if isinstance(made, HostedTool)]
    most = hosted[0].max_uses if len(hosted) == 1 and (hosted[0].type or "").startswith(_WEB_SEARCH) else None
    most = most if most is not None and most > 0 else None
    for tool in read:
        marks: Mapping[str, object] = {
            "cache_control": tool.cache_control != NULL,
            "tools.input_examples": tool.input_examples != NULL,
            "tools.allowed_callers": tool.allowed_callers not in (NULL, Raw(b'["direct"]')),
            "tools.eager_input_streaming": tool.eager_input_streaming,
            "tools.defer_loading": tool.defer_loading,
            "tools.max_uses": tool.max_uses is not None and most is None,
        }
        vendor_only.update(dict.fromkeys(name for name, is_set in marks.items() if is_set))
    return Tools(tuple(tools), most)


def parse_tool_choice(choice: ToolChoiceParams | None, tools: Sequence[Tool]) -> ToolChoice:
    """The tool choice.

    Raises:
        RequestFault: 400, it names what is not in `tools`, or demands a call where there are none.
    """
    if choice is None or choice.type == "auto":
        return ToolChoice()
    if choice.type == "none":
        return ToolChoice("none", raw=Raw(b'"none"'))
    if not tools:
        raise RequestFault(
            f"tool_choice '{choice.type}' needs at least one tool in 'tools'.",
            code="invalid_value",
            param="tool_choice",
        )
    if choice.type == "any":
        return ToolChoice("required", raw=Raw(b'"required"'))
    return _forced(choice.name or "", tools)


def _forced(name: str, tools: Sequence[Tool]) -> ToolChoice:
    for tool in tools:
        if isinstance(tool, FunctionTool) and tool.name == name:
            return ToolChoice("function", name, raw=Raw(_encode({"type": "function", "name": name})))
        if isinstance(tool, HostedTool) and tool.type == name == _WEB_SEARCH:
            return ToolChoice(hosted=name, raw=Raw(_encode({"type": name})))
    raise RequestFault(
        f"Invalid value for 'tool_choice.name': there is no '{name[:80]}' in 'tools'.",
        code="invalid_value",
        param="tool_choice.name",
    )


def _read(raw: Raw, *, path: str) -> _ToolParams:
    try:
        return _tool.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_fault(error, prefix=path, expected=_ToolParams) from error


def _made(tool: _ToolParams, raw: Raw, *, path: str) -> Tool:
    kind = tool.type or "custom"
    if kind == "custom":
        return _function(tool, path=path)
    if kind.startswith(_WEB_SEARCH):
        return HostedTool(_WEB_SEARCH, _search(tool))
    return HostedTool(kind, raw.copy())


def _function(tool: _ToolParams, *, path: str) -> FunctionTool:
    if not tool.name:
        raise RequestFault(
            f"Missing required parameter: '{path}.name'.", code="missing_required_parameter", param=f"{path}.name"
        )
    if bytes(tool.input_schema)[:1] != b"{":
        raise RequestFault(
            f"Invalid value for '{path}.input_schema': expected a JSON Schema object.",
            code="invalid_value",
            param=f"{path}.input_schema",
        )
    # copy(): a Raw is a view that would keep the whole request body alive as long as the tool.
    return FunctionTool(tool.name, tool.description, tool.input_schema.copy(), tool.strict)


def _search(tool: _ToolParams) -> Raw:
    """The search in the words of the Responses API, which all other codecs know."""
    wire: dict[str, object] = {"type": _WEB_SEARCH}
    domains = {"allowed_domains": tool.allowed_domains, "blocked_domains": tool.blocked_domains}
    filters = {name: value for name, value in domains.items() if value != NULL}
    if filters:
        wire["filters"] = filters
    if tool.user_location != NULL:
        wire["user_location"] = tool.user_location
    return Raw(_encode(wire))
