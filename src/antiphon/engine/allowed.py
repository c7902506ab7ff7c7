"""`allowed_tools` is a hard limit: a call of any other function never reaches the client."""

from collections.abc import Sequence

from antiphon.protocol.deltas import CallArguments, CallOpened, Closed, Key, OutputDelta
from antiphon.protocol.request import Notice

__all__ = ["AllowedCalls"]


class AllowedCalls:
    """Drops the deltas of calls outside the list, and remembers that it did. One per run."""

    __slots__ = ("_allowed", "_dropped", "notices")

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._dropped: set[Key] = set()
        self.notices: list[Notice] = []

    def filter(self, deltas: Sequence[OutputDelta]) -> list[OutputDelta]:
        """The deltas that may pass."""
        return [delta for delta in deltas if self._passes(delta)]

    def _passes(self, delta: OutputDelta) -> bool:
        if isinstance(delta, CallOpened):
            if delta.name in self._allowed:
                self._dropped.discard(delta.key)
                return True
            self._dropped.add(delta.key)
            self.notices.append(Notice("tool_choice", "dropped", "call_not_allowed", asked=delta.name))
            return False
        return not (isinstance(delta, CallArguments | Closed) and delta.key in self._dropped)
