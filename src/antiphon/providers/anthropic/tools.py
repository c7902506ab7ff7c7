"""Tools and the choice among them."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.protocol.request import CustomTool, FunctionTool, HostedTool, Notice, Request
from antiphon.providers.anthropic.models import ModelFacts
from antiphon.providers.custom import custom_function
from antiphon.providers.hosted import drop_tools
from antiphon.providers.names import ToolNames

__all__ = ["SEARCH", "ToolWriter", "WireTool", "is_search", "stand_ins"]

#: The name by which the vendor's web search is called.
SEARCH = "web_search"

#: The version that every model has; later ones run code on what they find.
_SEARCH_TYPE = "web_search_20250305"
_ANY_OBJECT = Raw(b'{"type":"object","properties":{}}')
_LACKS = "not_supported_by_upstream"


class WireTool(Struct, frozen=True):
    """A function on offer. `input_schema` is the client's own JSON."""

    name: str
    description: str | UnsetType = UNSET
    input_schema: Raw = _ANY_OBJECT
    strict: bool | UnsetType = UNSET


class _Location(Struct, frozen=True, omit_defaults=True, tag="approximate", tag_field="type"):
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class _Search(Struct, frozen=True, omit_defaults=True, tag=_SEARCH_TYPE, tag_field="type"):
    name: str
    max_uses: int | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: _Location | None = None


class _Filters(Struct, frozen=True):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class _Place(Struct, frozen=True):
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class _SearchParams(Struct, frozen=True):
    filters: _Filters | None = None
    user_location: _Place | None = None
    search_context_size: str | None = None


_params = msgspec.json.Decoder(_SearchParams)


def is_search(kind: str) -> bool:
    """Whether a hosted tool of that type is a search of the web: it has several names."""
    return kind.startswith("web_search")


class ToolWriter:
    """Writes the tools of one request.

    Attributes:
        forces: the client demands a call.

    Raises:
        RequestFault: 400 for a hosted tool that the answer cannot do without, and for names that collide.
    """

    __slots__ = ("_facts", "_names", "_offered", "_request", "_searches", "forces", "notices")

    def __init__(self, request: Request, facts: ModelFacts) -> None:
        self._request = request
        self._facts = facts
        self._searches = [tool for tool in request.tools if isinstance(tool, HostedTool) and is_search(tool.type)]
        self.notices: list[Notice] = drop_tools(request, native={tool.type for tool in self._searches})
        self._names = ToolNames(request.tools)
        self._offered = self._names.offered(request.tool_choice)
        choice = request.tool_choice
        searches = choice.hosted is not None and is_search(choice.hosted) and bool(self._searches)
        self.forces = searches or (choice.mode in ("required", "function") and self.any)

    @property
    def any(self) -> bool:
        """Whether there is any tool to call."""
        return bool(self._offered or self._searches)

    def tools(self) -> list[object]:
        """All of them in the vendor's form."""
        found: list[object] = [self._tool(tool) for tool in self._offered]
        found += [self._search(tool) for tool in self._searches[:1]]  # it can only be there once
        if not self._facts.structured and any(isinstance(tool, FunctionTool) and tool.strict for tool in self._offered):
            self.notices.append(Notice("tools.strict", "dropped", _LACKS))
        return found

    def choice(self, *, forced: bool) -> dict[str, object] | None:
        """`tool_choice`; `None` for the default, which is left out. Without `forced` nothing is demanded."""
        choice: dict[str, object] = {"type": "auto"}
        if self._request.tool_choice.mode == "none":
            return {"type": "none"}
        if self.forces and forced:
            name = self._forced_name()
            choice = {"type": "tool", "name": name} if name else {"type": "any"}
        if self._request.parallel_tool_calls is False:
            choice["disable_parallel_tool_use"] = True
        return None if choice == {"type": "auto"} else choice

    def demand(self) -> str:
        """The same demand in words, for models that cannot be forced."""
        name = self._forced_name()
        if name:
            return f"Call the tool `{name}` before you answer."
        return "Answer by calling at least one of the tools."

    def _forced_name(self) -> str | None:
        choice = self._request.tool_choice
        if choice.hosted is not None and is_search(choice.hosted):
            return SEARCH
        return self._names.wire(choice.name or "", choice.namespace) if choice.mode == "function" else None

    def _tool(self, tool: FunctionTool | CustomTool) -> WireTool:
        name = self._names.wire(tool.name, tool.namespace or None)
        if isinstance(tool, CustomTool):
            description, parameters = custom_function(tool)
            return WireTool(name, description, parameters)
        strict = tool.strict if tool.strict is not None and self._facts.structured else UNSET
        schema = tool.parameters if bytes(tool.parameters) != b"null" else _ANY_OBJECT
        return WireTool(name, tool.description or UNSET, schema, strict)

    def _search(self, tool: HostedTool) -> _Search:
        try:
            params = _params.decode(tool.raw)
        except msgspec.DecodeError:
            params = _SearchParams()
            self.notices.append(Notice(f"tools.{tool.type}", "approximated", "unreadable_options"))
        if params.search_context_size not in (None, "medium"):
            self.notices.append(Notice(f"tools.{tool.type}.search_context_size", "dropped", _LACKS))
        filters, place = params.filters or _Filters(), params.user_location
        allowed = filters.allowed_domains or None
        if allowed and filters.blocked_domains:
            self.notices.append(Notice(f"tools.{tool.type}.filters.blocked_domains", "dropped", _LACKS))
        return _Search(
            SEARCH,
            self._request.max_tool_calls,
            allowed,
            None if allowed else filters.blocked_domains or None,  # only one of the two is accepted
            _Location(place.city, place.region, place.country, place.timezone) if place is not None else None,
        )


def stand_ins(names: Iterable[str]) -> list[object]:
    """Tools for calls that stand in the history only: calls of tools that are not declared are refused."""
    return [WireTool(name) for name in names]
