"""Limits that the client set to the calls: a call beyond them never reaches it, whatever the model did.

`allowed_tools` is a hard limit. `max_tool_calls` counts the calls of hosted tools, and its provider keeps to it; where
there are only the client's own tools, it counts those, here.
"""

from collections.abc import Sequence

from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Key, OutputDelta, Relayed, Seal
from antiphon.protocol.events import ItemAdded, ItemDone
from antiphon.protocol.request import Notice, Request, ToolChoice
from antiphon.protocol.response import CustomCallItem, FunctionCallItem

__all__ = ["AllowedCalls"]


class AllowedCalls:
    """Drops the deltas of calls beyond the limits, and remembers that it did. One per run."""

    __slots__ = ("_choice", "_dropped", "_known", "_left", "_limit", "_most", "notices")

    def __init__(self, choice: ToolChoice, most: int | None, *, limit: str = "max_tool_calls") -> None:
        self._choice = choice
        self._most = self._left = most
        self._limit = limit  # the field that set it
        self._dropped: set[Key] = set()
        self._known: set[Key] = set()  # relayed calls that were judged
        self.notices: list[Notice] = []

    @classmethod
    def of(cls, request: Request) -> "AllowedCalls | None":
        """The limits that a request sets, if it sets any."""
        most = request.max_tool_calls
        if most is not None and request.has_hosted_tools:
            most = None
        if request.parallel_tool_calls is False and most != 0:
            return cls(request.tool_choice, 1, limit="parallel_tool_calls")
        return None if most is None and request.tool_choice.allowed is None else cls(request.tool_choice, most)

    def anew(self) -> "AllowedCalls":
        """The same limits for another attempt at the answer."""
        return AllowedCalls(self._choice, self._most, limit=self._limit)

    def filter(self, deltas: Sequence[OutputDelta]) -> list[OutputDelta]:
        """The deltas that may pass."""
        return [delta for delta in deltas if self._passes(delta)]

    def _passes(self, delta: OutputDelta) -> bool:
        if isinstance(delta, CallOpened):
            return self._opens(delta.key, delta.name, namespace=delta.namespace)
        if isinstance(delta, Relayed):
            return self._relays(delta)
        return not (isinstance(delta, CallArguments | Closed | Seal) and delta.key in self._dropped)

    def _relays(self, delta: Relayed) -> bool:
        """A relayed call is judged by its first event that names it."""
        event = delta.event
        if isinstance(event, ItemAdded | ItemDone) and delta.key not in self._known:
            item = event.item
            if isinstance(item, FunctionCallItem | CustomCallItem) and item.name:
                self._known.add(delta.key)
                return self._opens(delta.key, item.name, namespace=item.namespace or None)
        return delta.key not in self._dropped

    def _opens(self, key: Key, name: str, *, namespace: str | None) -> bool:
        if not self._choice.allows(name, namespace):
            self.notices.append(Notice("tool_choice", "dropped", "call_not_allowed", asked=name))
        elif self._left == 0:
            self.notices.append(Notice(self._limit, "dropped", "too_many_calls", asked=name))
        else:
            self._dropped.discard(key)
            if self._left is not None:
                self._left -= 1
            return True
        self._dropped.add(key)
        return False
