"""Hosted tools for models whose providers have none: what such a model is shown in their place.

The model sees functions in the place of the tool. Its calls are taken out of its answer in `hosted_calls`, and run in
`rounds`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.engine.history import History
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, InputText, Message, PlainText
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import (
    WEB_SEARCH,
    CustomTool,
    FunctionTool,
    HostedTool,
    Notice,
    Request,
    Tool,
    ToolChoice,
)
from antiphon.tools.base import Caller, HostedKind, OpenedTool

__all__ = ["HostedTools", "free_choice", "hosted_tools", "without_functions", "without_search"]

#: So many of the user's own texts are looked at for addresses, and as many of what was read; the newest.
_MOST_TEXTS = 64
_encode = msgspec.json.Encoder().encode
_raws = msgspec.json.Decoder(list[Raw])


class _Wanted(Struct, frozen=True):
    """A tool of the request that could run here, by its place there."""

    place: int
    tool: HostedTool
    kind: HostedKind


class HostedTools:
    """The tools of one request that run here where the provider has none. `close` it once.

    One is opened when the first provider is asked that has not got it: what a provider runs itself is its to judge.
    """

    def __init__(self, wanted: Sequence[_Wanted], caller: Caller) -> None:
        self._wanted = wanted
        self._caller = caller
        self._opened: dict[int, OpenedTool] = {}

    async def shown_to(
        self, request: Request, native: Callable[[str], bool]
    ) -> tuple[Request, Mapping[str, OpenedTool]]:
        """The request with functions for those tools that this provider has not, and whose each function is.

        Raises:
            RequestFault: 400, what the client wants of a tool is wrong, or a function of its own has the name of one of
                these.
        """
        ours = [one for one in self._wanted if not native(one.tool.type)]
        if not ours:
            return request, {}
        choice, owners = request.tool_choice, dict[str, OpenedTool]()
        shown: dict[int, tuple[FunctionTool, ...]] = {}
        forced: str | None = None
        for one in ours:
            opened = await self._open(one)
            functions = opened.functions if choice.mode != "none" and choice.allows(one.tool.type) else ()
            if functions and choice.hosted == one.tool.type:
                forced = functions[0].name
            shown[one.place] = tuple(function for function in functions if function.name not in owners)
            owners.update((function.name, opened) for function in shown[one.place])
        _check_names(request, owners)
        notices = [Notice(f"tools[{one.place}]", "emulated", "hosted_tool", asked=one.tool.type) for one in ours]
        tools = tuple(each for place, tool in enumerate(request.tools) for each in shown.get(place, (tool,)))
        if choice.allowed is not None:
            choice = structs.replace(choice, allowed=choice.allowed | owners.keys())
        if forced is not None:
            choice = structs.replace(choice, mode="function", name=forced, hosted=None)
        elif any(choice.hosted == one.tool.type for one in ours):
            choice = structs.replace(choice, hosted=None)
        seen = structs.replace(
            request,
            tools=tools,
            tools_echo=_edited(request.tools_echo, {bytes(one.tool.raw): shown[one.place] for one in ours}),
            tool_choice=_in_words(choice, tools),
            notices=(*request.notices, *notices),
            max_tool_calls=request.max_tool_calls if any(isinstance(tool, HostedTool) for tool in tools) else None,
            body=b"",
            dialect=request.dialect if request.dialect == "responses" else "none",
        )
        return seen, owners

    async def close(self) -> None:
        """Let go of what the tools hold."""
        for opened in self._opened.values():
            await opened.close()

    async def _open(self, wanted: _Wanted) -> OpenedTool:
        opened = self._opened.get(wanted.place)
        if opened is None:
            caller = structs.replace(self._caller, place=f"tools[{wanted.place}]")
            opened = self._opened[wanted.place] = await wanted.kind.open(wanted.tool, caller)
        return opened


def without_search(request: Request, native: Callable[[str], bool]) -> Request:
    """The request as it goes where nobody searches: without the search."""
    if native(WEB_SEARCH):
        return request
    searches = {
        bytes(tool.raw) for tool in request.tools if isinstance(tool, HostedTool) and tool.type.startswith(WEB_SEARCH)
    }
    tools = tuple(tool for tool in request.tools if not isinstance(tool, HostedTool) or bytes(tool.raw) not in searches)
    return structs.replace(
        request,
        tools=tools,
        tools_echo=_edited(request.tools_echo, dict.fromkeys(searches, ())),
        tool_choice=_in_words(structs.replace(request.tool_choice, hosted=None), tools),
        notices=(*request.notices, Notice(f"tools.{WEB_SEARCH}", "dropped", "no_web_search")),
        body=b"",
        dialect=request.dialect if request.dialect == "responses" else "none",
    )


def hosted_tools(
    request: Request, tenant: Tenant, *, history: History, kinds: Sequence[HostedKind]
) -> HostedTools | None:
    """The tools of this request that could run here; `None` for nearly all requests, which have none."""
    wanted = [
        _Wanted(place, tool, kind)
        for place, tool in enumerate(request.tools)
        if isinstance(tool, HostedTool)
        and (kind := next((kind for kind in kinds if kind.serves(tool.type)), None)) is not None
    ]
    if not wanted:
        return None
    sources = tuple(source for retold in history.retold for source in retold.found())
    read = tuple((retold.name, retold.output) for retold in history.retold[-_MOST_TEXTS:])
    return HostedTools(wanted, Caller(tenant, sources, tuple(_said(history.items)), read))


def without_functions(request: Request, names: Collection[str]) -> Request:
    """The request without these functions, and free to call whatever is left."""
    tools = tuple(tool for tool in request.tools if isinstance(tool, HostedTool) or tool.name not in names)
    choice = request.tool_choice
    allowed = choice.allowed - set(names) if choice.allowed is not None else None
    gone = {_encode(tool): () for tool in request.tools if isinstance(tool, FunctionTool) and tool.name in names}
    choice = _in_words(structs.replace(choice, allowed=allowed), tools)
    return structs.replace(request, tools=tools, tools_echo=_edited(request.tools_echo, gone), tool_choice=choice)


def free_choice(request: Request) -> Request:
    """The request without a demand for a call: that was met."""
    choice = request.tool_choice
    if choice.mode not in ("required", "function"):
        return request
    choice = structs.replace(choice, mode="auto", name=None, namespace=None)
    return structs.replace(request, tool_choice=_in_words(choice, request.tools))


def _check_names(request: Request, owners: Mapping[str, OpenedTool]) -> None:
    for place, tool in enumerate(request.tools):
        if not isinstance(tool, HostedTool) and not tool.namespace and tool.name in owners:
            raise RequestFault(
                f"The function '{tool.name}' has the name of a tool that this gateway runs. Rename it, or leave the "
                "hosted tool out.",
                code="invalid_value",
                param=f"tools[{place}].name",
            )


def _edited(echo: Raw | None, instead: Mapping[bytes, Sequence[FunctionTool]]) -> Raw | None:
    """The tools in canonical form with others in the place of some."""
    if echo is None:
        return None
    entries = ((raw, instead.get(bytes(raw))) for raw in _raws.decode(echo))
    return Raw(_encode([each for raw, others in entries for each in ((raw,) if others is None else others)]))


def _in_words(choice: ToolChoice, tools: Sequence[Tool]) -> ToolChoice:
    """The choice, also in the words of the Responses API, which are to name no tool that is not there."""
    if not tools:
        return ToolChoice()
    if choice.allowed is not None:
        named = [_named(tool) for tool in tools if choice.allows(*_key(tool))]
        mode = "auto" if choice.mode == "function" else choice.mode
        raw = Raw(_encode({"type": "allowed_tools", "mode": mode, "tools": named}))
        return structs.replace(choice, raw=raw) if named else ToolChoice("none", raw=Raw(b'"none"'))
    if choice.hosted is not None:
        return choice
    if choice.mode != "function":
        return structs.replace(choice, raw=Raw(_encode(choice.mode)))
    forced = next((tool for tool in tools if _key(tool) == (choice.name, choice.namespace)), None)
    return choice if forced is None else structs.replace(choice, raw=Raw(_encode(_named(forced))))


def _key(tool: Tool) -> tuple[str, str | None]:
    return (tool.type, None) if isinstance(tool, HostedTool) else (tool.name, tool.namespace or None)


def _named(tool: Tool) -> dict[str, str]:
    """What a choice calls it."""
    if isinstance(tool, HostedTool):
        return {"type": tool.type}
    named = {"type": "custom" if isinstance(tool, CustomTool) else "function", "name": tool.name}
    return {**named, "namespace": tool.namespace} if tool.namespace else named


def _said(items: Sequence[InputItem]) -> Iterator[str]:
    """The user's own texts, the newest first."""
    left = _MOST_TEXTS
    for item in reversed(items):
        value = item.value
        if isinstance(value, Message) and value.role == "user":
            for part in value.parts():
                if isinstance(part, InputText | PlainText) and left:
                    left -= 1
                    yield part.text
