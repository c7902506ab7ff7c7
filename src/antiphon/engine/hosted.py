"""Hosted tools for models whose providers have none: what such a model is shown, and its calls taken out of its answer.

The model sees functions in the place of the tool. What it writes passes through `HostedCalls`: calls of these functions
never reach the client as calls, and what the model cites of the results is told as annotations. The calls are run by
`rounds`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from antiphon.engine.history import History
from antiphon.protocol.deltas import (
    Annotation,
    CallArguments,
    CallOpened,
    Closed,
    Key,
    OutputDelta,
    Relayed,
    Seal,
    Text,
)
from antiphon.protocol.events import ArgumentsDelta, ItemAdded, ItemDone
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, InputText, Message, PlainText
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import FunctionTool, HostedTool, Notice, Request, ToolChoice
from antiphon.protocol.response import FunctionCallItem
from antiphon.tools.base import Caller, Citer, HostedKind, OpenedTool

__all__ = ["HostedCall", "HostedCalls", "HostedTools", "open_hosted"]

#: So many of the user's own texts are looked at for addresses, the newest.
_MOST_TEXTS = 64
#: What a call's arguments may be; more is no search.
_MOST_ARGUMENTS = 64 * 1024


class _Offer(Struct, frozen=True):
    """One tool of the request, opened. `place` is its index there."""

    tool: HostedTool
    place: int
    opened: OpenedTool


class HostedTools:
    """The tools of one request that run here where the provider has none. `close` it once."""

    def __init__(self, offers: Sequence[_Offer]) -> None:
        self._offers = offers

    def shown_to(self, request: Request, native: Callable[[str], bool]) -> tuple[Request, Mapping[str, OpenedTool]]:
        """The request with functions for those tools that this provider has not, and whose each function is.

        Raises:
            RequestFault: 400, a function of the client's has the name of one of these.
        """
        ours = {offer.place: offer.opened for offer in self._offers if not native(offer.tool.type)}
        if not ours:
            return request, {}
        choice = request.tool_choice
        owners: dict[str, OpenedTool] = {}
        tools: list[FunctionTool | object] = []
        forced: str | None = None
        notices = list(request.notices)
        for place, tool in enumerate(request.tools):
            opened = ours.get(place)
            if opened is None or not isinstance(tool, HostedTool):
                tools.append(tool)
                continue
            notices.append(Notice(f"tools[{place}]", "emulated", "hosted_tool", asked=tool.type))
            functions = opened.functions if choice.allows(tool.type) and choice.mode != "none" else ()
            for function in functions:
                if function.name not in owners:
                    owners[function.name] = opened
                    tools.append(function)
            if functions and choice.hosted == tool.type:
                forced = functions[0].name
        _check_names(request, owners)
        allowed = choice.allowed | owners.keys() if choice.allowed is not None else None
        choice = structs.replace(choice, allowed=allowed)
        if forced is not None:
            choice = structs.replace(choice, mode="function", name=forced, hosted=None)
        elif choice.hosted is not None and any(offer.tool.type == choice.hosted for offer in self._offers):
            choice = ToolChoice(raw=choice.raw)
        if choice.mode == "required" and not tools:
            choice = ToolChoice(raw=choice.raw)
        shown = structs.replace(
            request, tools=tuple(tools), tool_choice=choice, notices=tuple(notices), body=b"", tools_echo=None
        )
        return shown, owners

    async def close(self) -> None:
        """Let go of what the tools hold."""
        for offer in self._offers:
            await offer.opened.close()


async def open_hosted(
    request: Request, tenant: Tenant, *, history: History, kinds: Sequence[HostedKind]
) -> HostedTools | None:
    """The tools of this request that could run here; `None` for nearly all requests, which have none.

    Raises:
        RequestFault: 400, what the client wants of a tool is wrong.
    """
    if not kinds or not any(isinstance(tool, HostedTool) for tool in request.tools):
        return None
    sources = tuple(source for retold in history.retold for source in retold.found())
    said = tuple(_said(history.items))
    offers = []
    for place, tool in enumerate(request.tools):
        kind = next((kind for kind in kinds if isinstance(tool, HostedTool) and kind.serves(tool.type)), None)
        if kind is not None and isinstance(tool, HostedTool):
            caller = Caller(tenant, sources, said, f"tools[{place}]")
            offers.append(_Offer(tool, place, await kind.open(tool, caller)))
    return HostedTools(offers) if offers else None


class HostedCall(Struct):
    """A call while the model writes it. `state`: what the provider wants back with it."""

    name: str
    opened: OpenedTool
    arguments: str = ""
    state: bytes = b""


class HostedCalls:
    """Of one round. Deltas of hosted calls are taken out, annotations for what is cited are put in.

    Attributes:
        calls: in the order in which they were begun.
        client_called: the model called functions of the client's too.
    """

    __slots__ = ("_cited", "_citer", "_key", "_most", "_open", "_owners", "_relayed", "calls", "client_called")

    def __init__(self, owners: Mapping[str, OpenedTool], *, most: int | None = None) -> None:
        self._owners = owners
        self._most = most
        self._open: dict[Key, HostedCall | None] = {}
        self._cited = tuple(dict.fromkeys(owners.values()))
        self._citer: Sequence[Citer] = ()
        self._key: Key | None = None  # of the text that is being written
        self._relayed: set[Key] = set()
        self.calls: list[HostedCall] = []
        self.client_called = False

    def feed(self, deltas: Sequence[OutputDelta]) -> list[OutputDelta]:
        """What the client may see."""
        out: list[OutputDelta] = []
        for delta in deltas:
            self._feed(delta, out)
        return out

    def end(self) -> list[OutputDelta]:
        """The round is over."""
        out: list[OutputDelta] = []
        self._end_text(out)
        return out

    def _feed(self, delta: OutputDelta, out: list[OutputDelta]) -> None:
        if isinstance(delta, Text):
            self._text(delta, out)
            return
        if not isinstance(delta, Annotation):
            self._end_text(out)
        if isinstance(delta, CallOpened):
            if not delta.namespace and self._opens(delta.key, delta.name):
                return
            self.client_called = True
        elif isinstance(delta, Relayed):
            if self._relays(delta):
                return
            self._relayed.add(delta.key)
        elif isinstance(delta, CallArguments | Seal | Closed) and delta.key in self._open:
            self._continue(delta)
            return
        out.append(delta)

    def _opens(self, key: Key, name: str) -> bool:
        opened = self._owners.get(name)
        if opened is None:
            self._open.pop(key, None)
            return False
        if self._most is not None and len(self.calls) >= self._most:
            self._open[key] = None
            return True
        call = self._open[key] = HostedCall(name, opened)
        self.calls.append(call)
        return True

    def _continue(self, delta: CallArguments | Seal | Closed) -> None:
        call = self._open[delta.key]
        if call is None:
            return
        if isinstance(delta, CallArguments):
            if len(call.arguments) < _MOST_ARGUMENTS:
                call.arguments += delta.text
        elif isinstance(delta, Seal):
            call.state = delta.payload

    def _relays(self, delta: Relayed) -> bool:
        """A call as an upstream that speaks Responses itself tells of it."""
        event = delta.event
        if delta.key not in self._open:
            item = event.item if isinstance(event, ItemAdded | ItemDone) else None
            if not isinstance(item, FunctionCallItem):
                return False
            if item.namespace or not self._opens(delta.key, item.name):
                self.client_called = True
                return False
        call = self._open[delta.key]
        if call is not None:
            if isinstance(event, ArgumentsDelta) and len(call.arguments) < _MOST_ARGUMENTS:
                call.arguments += event.delta
            elif isinstance(event, ItemDone) and isinstance(event.item, FunctionCallItem) and event.item.arguments:
                call.arguments = event.item.arguments
        return True

    def _text(self, delta: Text, out: list[OutputDelta]) -> None:
        if delta.key in self._relayed:  # such an item ends as its upstream says
            out.append(delta)
            return
        if delta.key != self._key:
            self._end_text(out)
            self._key = delta.key
            self._citer = [opened.new_citer() for opened in self._cited]
        out.append(delta)
        for citer in self._citer:
            out += [Annotation(delta.key, cited) for cited in citer.feed(delta.text)]

    def _end_text(self, out: list[OutputDelta]) -> None:
        if self._key is not None:
            for citer in self._citer:
                out += [Annotation(self._key, cited) for cited in citer.end()]
            self._key = None
            self._citer = ()


def _check_names(request: Request, owners: Mapping[str, OpenedTool]) -> None:
    for place, tool in enumerate(request.tools):
        if not isinstance(tool, HostedTool) and not tool.namespace and tool.name in owners:
            raise RequestFault(
                f"The function '{tool.name}' has the name of a tool that this gateway runs. Rename it, or leave the "
                "hosted tool out.",
                code="invalid_value",
                param=f"tools[{place}].name",
            )


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
