"""The answer of one round without the calls of hosted tools that run here, and with what the model cites of results.

Such calls never reach the client as calls. They are run by `rounds`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Raw, Struct, structs

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
from antiphon.protocol.events import ArgumentsDelta, ContentPartDone, Event, ItemAdded, ItemDone
from antiphon.protocol.request import Notice
from antiphon.protocol.response import ContentPart, CustomCallItem, FunctionCallItem, MessageItem, OutputTextPart
from antiphon.tools.base import Citer, OpenedTool

__all__ = ["HostedCall", "HostedCalls"]

#: What a call's arguments may be; more is no search.
_MOST_ARGUMENTS = 64 * 1024
#: Calls of one round; those beyond are left out.
_MOST_CALLS = 128


class HostedCall(Struct):
    """A call while the model writes it.

    Attributes:
        place: how many of the client's functions were called before it in this round.
        state: what the provider wants back with it.
    """

    name: str
    opened: OpenedTool
    place: int = 0
    arguments: str = ""
    state: bytes = b""

    def write(self, text: str) -> None:
        """More of the arguments. What is too much is left out, and with it the call makes no sense any more."""
        room = _MOST_ARGUMENTS - len(self.arguments)
        if room > 0:
            self.arguments += text[:room]


class HostedCalls:
    """Of one round. Deltas of hosted calls are taken out, annotations for what is cited are put in.

    Args:
        owners: the tools, by the names of their functions.
        single: the client wants no more than one call in a round, its own ones counted.

    Attributes:
        calls: in the order in which they were begun.
        notices: what was left out.
    """

    __slots__ = (
        "_cited", "_citer", "_clients", "_key", "_open", "_others", "_owners", "_relayed", "_single", "calls",
        "notices",
    )  # fmt: skip

    def __init__(self, owners: Mapping[str, OpenedTool], *, single: bool = False) -> None:
        self._owners = owners
        self._single = single
        self._open: dict[Key, HostedCall | None] = {}
        self._clients: set[Key] = set()
        self._others = 0  # calls of the client's functions
        self._cited = tuple(dict.fromkeys(owners.values()))
        self._citer: Sequence[Citer] = ()
        self._key: Key | None = None  # of the text that is being written
        self._relayed: set[Key] = set()
        self.calls: list[HostedCall] = []
        self.notices: list[Notice] = []

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
        spoken = self._key
        if self._ends_text(delta):
            self._end_text(out)
        if isinstance(delta, CallOpened):
            if self._takes(delta.key, delta.name, namespace=delta.namespace):
                if spoken is not None:  # as behind every call, text that follows is another message's
                    out.append(Closed(spoken))
                return
        elif isinstance(delta, Relayed):
            if self._relays(delta):
                return
            self._relayed.add(delta.key)
            delta = structs.replace(delta, event=self._with_citations(delta.event))
        elif isinstance(delta, CallArguments | Seal | Closed) and delta.key in self._open:
            self._continue(delta)
            return
        out.append(delta)

    def _ends_text(self, delta: OutputDelta) -> bool:
        """Whether a message ends there. It goes on behind a piece of a call that stays open beside it."""
        match delta:
            case Annotation() | CallArguments():
                return False
            case Closed(key=key):
                return key == self._key
            case Seal(key=key):
                return key != self._key and key not in self._open and key not in self._clients
        return True

    def _takes(self, key: Key, name: str, *, namespace: str | None) -> bool:
        """A call begins. Whether it is not for the client."""
        opened = None if namespace else self._owners.get(name)
        if self._is_full(hosted=opened is not None):
            self._open[key] = None
            limit = "parallel_tool_calls" if self._single else "max_tool_calls"
            notice = Notice(limit, "dropped", "too_many_calls", asked=name)
            if notice not in self.notices:
                self.notices.append(notice)
            return True
        if opened is None:
            self._open.pop(key, None)
            self._clients.add(key)
            self._others += 1
            return False
        call = self._open[key] = HostedCall(name, opened, self._others)
        self.calls.append(call)
        return True

    def _is_full(self, *, hosted: bool) -> bool:
        if self._single:
            return bool(self.calls) or (hosted and self._others > 0)
        return hosted and len(self.calls) >= _MOST_CALLS

    def _continue(self, delta: CallArguments | Seal | Closed) -> None:
        call = self._open[delta.key]
        if call is None:
            return
        if isinstance(delta, CallArguments):
            call.write(delta.text)
        elif isinstance(delta, Seal):
            call.state = delta.payload

    def _relays(self, delta: Relayed) -> bool:
        """A call as an upstream that speaks Responses itself tells of it. False: the client may see it."""
        event = delta.event
        if delta.key not in self._open:
            item = event.item if isinstance(event, ItemAdded | ItemDone) else None
            if delta.key in self._relayed or not isinstance(item, FunctionCallItem | CustomCallItem):
                return False
            name = item.name if isinstance(item, FunctionCallItem) else ""
            if not self._takes(delta.key, name, namespace=item.namespace or None):
                return False
        call = self._open[delta.key]
        if call is not None:
            if isinstance(event, ArgumentsDelta):
                call.write(event.delta)
            elif isinstance(event, ItemDone) and isinstance(event.item, FunctionCallItem) and event.item.arguments:
                call.arguments = event.item.arguments[:_MOST_ARGUMENTS]
        return True

    def _text(self, delta: Text, out: list[OutputDelta]) -> None:
        if delta.key in self._relayed:  # its end brings the citations
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

    def _with_citations(self, event: Event) -> Event:
        """The end of a part or of a message as the upstream tells it, with what its text cites."""
        match event:
            case ContentPartDone():
                return structs.replace(event, part=self._cited_part(event.part))
            case ItemDone(item=MessageItem() as message):
                content = tuple(self._cited_part(part) for part in message.content)
                return structs.replace(event, item=structs.replace(message, content=content))
        return event

    def _cited_part(self, part: ContentPart) -> ContentPart:
        if not isinstance(part, OutputTextPart):
            return part
        found: list[Raw] = []
        for opened in self._cited:
            citer = opened.new_citer()
            found += [*citer.feed(part.text), *citer.end()]
        return structs.replace(part, annotations=(*part.annotations, *found)) if found else part
