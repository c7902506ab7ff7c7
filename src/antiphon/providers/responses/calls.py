"""Calls of an upstream that knows functions only, back in the client's words: custom tools and namespaces."""

from antiphon.protocol import events
from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Delta, Key, Relayed
from antiphon.protocol.response import FunctionCallItem
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames

__all__ = ["CallTranslator"]


class CallTranslator:
    """Turns relayed function calls into calls as every other codec tells them; all else passes."""

    __slots__ = ("_calls", "_streamed")

    def __init__(self, names: ToolNames) -> None:
        self._calls = ClientCalls(names)
        self._streamed: dict[Key, int] = {}  # how much of a call's arguments was told; the keys are the open calls

    def translate(self, key: Key, event: events.Event) -> list[Delta]:
        """The deltas for one event of the item that `key` stands for."""
        match event:
            case events.ItemAdded(item=FunctionCallItem() as item):
                if not item.name:
                    return []  # it is told when it is done
                return self._opened(key, item)
            case events.ItemDone(item=FunctionCallItem() as item):
                return self._ended(key, item)
            case events.ArgumentsDelta(delta=text) if key in self._streamed:
                self._streamed[key] += len(text)
                return self._calls.translate([CallArguments(key, text)])
            case events.ArgumentsDelta() | events.ArgumentsDone():
                return []
            case _:
                return [Relayed(key, event)]

    def end(self, last: list[Delta]) -> list[Delta]:
        """The last deltas of the answer, behind what was held back."""
        return self._calls.translate(last)

    def _opened(self, key: Key, item: FunctionCallItem) -> list[Delta]:
        self._streamed[key] = 0
        return self._calls.translate([CallOpened(key, item.call_id, item.name)])

    def _ended(self, key: Key, item: FunctionCallItem) -> list[Delta]:
        told = [] if key in self._streamed else self._opened(key, item)
        rest = item.arguments[self._streamed.pop(key) :]
        last: list[Delta] = [CallArguments(key, rest)] if rest else []
        return told + self._calls.translate([*last, Closed(key)])
