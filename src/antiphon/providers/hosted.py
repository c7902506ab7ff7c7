"""What only some vendors can say: tools that run at the provider, the items that these leave behind, their own fields.

Every codec takes what its vendor has and gives the rest to these: one rule for all. What would change the answer's
meaning is refused, what only explains or widens an answer is left out by name.
"""

from collections.abc import Collection

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, OtherItem
from antiphon.protocol.request import HostedTool, Notice, Request

__all__ = ["drop_fields", "drop_item", "drop_tools"]

_LACKS = "not_supported_by_upstream"

#: Left out: the answer is made without them. `tool_search` finds tools that were held back, and here none is.
_DROPPABLE_TOOLS = ("web_search", "tool_search")

#: Traces of hosted tools that ran elsewhere. They explain an answer that stands in the history anyway; every other
#: unknown item would change what the model is told.
_TRACES = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "tool_search_call",
        "tool_search_output",
    }
)

#: Its tools stand among the request's.
_TAKEN_UP = "additional_tools"


def drop_fields(request: Request) -> list[Notice]:
    """Notices for the fields of the client's body that only an upstream of the same dialect could be told."""
    return [Notice(name, "dropped", _LACKS) for name in request.vendor_only]


def drop_tools(request: Request, *, native: Collection[str] = ()) -> list[Notice]:
    """Notices for the hosted tools that this upstream does without.

    Args:
        request: all of whose tools are looked at.
        native: types of tools that the codec sends itself.

    Raises:
        RequestFault: 400, naming the type, for a tool that the answer cannot do without.
    """
    notices: list[Notice] = []
    flat = True  # behind a namespace, which was one entry of the request, a tool's place cannot be told
    for index, tool in enumerate(request.tools):
        if not isinstance(tool, HostedTool):
            flat = flat and not tool.namespace
            continue
        if tool.type in native:
            continue
        place = f"tools[{index}]" if flat else "tools"
        if not tool.type.startswith(_DROPPABLE_TOOLS):
            known = "'function', 'custom' and 'namespace'" if request.dialect == "responses" else "functions"
            raise RequestFault(
                f"Tools of type '{tool.type[:80]}' are not supported for this model. Supported: {known}.",
                code="unsupported_parameter",
                param=f"{place}.type",
            )
        notices.append(Notice(f"{place}.{tool.type}", "dropped", _LACKS))
    forced = request.tool_choice.hosted
    if forced is not None and forced not in native:
        notices.append(Notice("tool_choice", "dropped", _LACKS, forced, "auto"))
    return notices


def drop_item(item: InputItem, other: OtherItem) -> Notice | None:
    """A notice for an item that is left out. `None`: nothing is lost with it.

    Raises:
        RequestFault: 400, naming the type, for an item that the model would have to see.
    """
    if other.type == _TAKEN_UP:
        return None
    if other.type in _TRACES:
        return Notice(item.path, "dropped", "hosted_tool_item")
    raise RequestFault(
        f"Items of type '{other.type[:80]}' are not supported for this model.",
        code="unsupported_parameter",
        param=f"{item.path}.type",
    )
