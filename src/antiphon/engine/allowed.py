"""Limits that the client set to the calls: a call beyond them never reaches it, whatever the model did.

`allowed_tools` is a hard limit. `max_tool_calls` counts the calls of hosted tools, and its provider keeps to it; where
there are only the client's own tools, it counts those, here.
"""

from collections.abc import Sequence

from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Key, OutputDelta, Seal
from antiphon.protocol.request import HostedTool, Notice, Request, ToolChoice

__all__ = ["AllowedCalls"]


class AllowedCalls:
    """Drops the deltas of calls beyond the limits, and remembers that it did. One per run."""

    __slots__ = ("_choice", "_dropped", "_left", "notices")

    def __init__(self, choice: ToolChoice, most: int | None) -> None:
        self._choice = choice
        self._left = most
        self._dropped: set[Key] = set()
        self.notices: list[Notice] = []

    @classmethod
    def of(cls, request: Request) -> "AllowedCalls | None":
        """The limits that a request sets, if it sets any."""
        most = request.max_tool_calls
        if most is not None and any(isinstance(tool, HostedTool) for tool in request.tools):
            most = None
        return None if most is None and request.tool_choice.allowed is None else cls(request.tool_choice, most)

    def filter(self, deltas: Sequence[OutputDelta]) -> list[OutputDelta]:
        """The deltas that may pass."""
        return [delta for delta in deltas if self._passes(delta)]

    def _passes(self, delta: OutputDelta) -> bool:
        if isinstance(delta, CallOpened):
            return self._opens(delta)
        return not (isinstance(delta, CallArguments | Closed | Seal) and delta.key in self._dropped)

    def _opens(self, delta: CallOpened) -> bool:
        if not self._choice.allows(delta.name, delta.namespace):
            self.notices.append(Notice("tool_choice", "dropped", "call_not_allowed", asked=delta.name))
        elif self._left == 0:
            self.notices.append(Notice("max_tool_calls", "dropped", "too_many_calls", asked=delta.name))
        else:
            self._dropped.discard(delta.key)
            if self._left is not None:
                self._left -= 1
            return True
        self._dropped.add(delta.key)
        return False
