"""Tools in Chat's nested form. Where the upstream has no custom tools, functions stand for them."""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.protocol.request import CustomTool, FunctionTool, Notice
from antiphon.providers.chat.wire import Custom, Function, Tool
from antiphon.providers.custom import custom_function
from antiphon.providers.names import ToolNames
from antiphon.providers.quirks.base import Quirks

__all__ = ["reference", "rewritten", "write_tool"]

_LACKS = "not_supported_by_upstream"
_NO_PARAMETERS = Function("").parameters


class _Format(Struct, frozen=True):
    type: str = ""
    syntax: str = "lark"
    definition: str = ""


_format = msgspec.json.Decoder(_Format)


def write_tool(tool: FunctionTool | CustomTool, names: ToolNames, *, quirks: Quirks) -> Tool:
    """A tool on offer."""
    name = names.wire(tool.name, tool.namespace or None)
    if isinstance(tool, CustomTool):
        if quirks.custom_tools:
            form = UNSET if tool.format is UNSET else _nested(tool.format)
            return Tool(type="custom", custom=Custom(name, tool.description or UNSET, form))
        return Tool(Function(name, *custom_function(tool)))
    return Tool(
        Function(
            name,
            tool.description if tool.description is not None else UNSET,
            tool.parameters if bytes(tool.parameters) != b"null" else _NO_PARAMETERS,
            tool.strict if quirks.strict_tools and tool.strict is not None else UNSET,
        )
    )


def reference(name: str, names: ToolNames, *, quirks: Quirks) -> dict[str, object]:
    """A tool of that name on the wire, as a choice names it."""
    kind = "custom" if quirks.custom_tools and names.client(name).kind == "custom" else "function"
    return {"type": kind, kind: {"name": name}}


def rewritten(names: ToolNames, *, quirks: Quirks) -> list[Notice]:
    """What the upstream is told otherwise. Nothing is lost with it."""
    changed = [names.client(name) for name in names.known]
    notices: list[Notice] = []
    if any(tool.namespace for tool in changed):
        notices.append(Notice("tools.namespace", "translated", _LACKS, "namespace", "name"))
    if not quirks.custom_tools and any(tool.kind == "custom" for tool in changed):
        notices.append(Notice("tools.custom", "emulated", _LACKS, "custom", "function"))
    return notices


def _nested(form: Raw) -> Raw | UnsetType:
    """A grammar's fields stand one level deeper here."""
    wanted = _format.decode(form)
    if wanted.type != "grammar":
        return form
    grammar = {"syntax": wanted.syntax, "definition": wanted.definition}
    return Raw(msgspec.json.encode({"type": "grammar", "grammar": grammar}))
