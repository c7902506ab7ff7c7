"""The calls of an answer as the client knows them: its own names, namespaces, and custom tools' plain text.

A decoder speaks of tools by their names on the wire and of arguments as they came; what it says goes through here last.
"""

from collections.abc import Iterable

from antiphon.protocol.deltas import Broke, CallArguments, CallOpened, Closed, Delta, Key, Stopped
from antiphon.providers.custom import CustomInput
from antiphon.providers.names import ToolNames

__all__ = ["ClientCalls"]


class ClientCalls:
    """Translates one answer. Not needed where `ToolNames.plain`.

    Args:
        native: the upstream has custom tools itself: what comes as the arguments of their calls is plain text already.
    """

    __slots__ = ("_inputs", "_names", "_native")

    def __init__(self, names: ToolNames, *, native: bool = False) -> None:
        self._names = names
        self._native = native
        self._inputs: dict[Key, CustomInput] = {}

    def translate(self, deltas: Iterable[Delta]) -> list[Delta]:
        """The same deltas in the client's words. What a custom call held back comes out before its end."""
        out: list[Delta] = []
        for delta in deltas:
            match delta:
                case CallOpened():
                    out.append(self._opened(delta))
                case CallArguments() if delta.key in self._inputs:
                    _give(delta.key, self._inputs[delta.key].feed(delta.text), out)
                case Closed() if delta.key in self._inputs:
                    _give(delta.key, self._inputs.pop(delta.key).end(), out)
                    out.append(delta)
                case Stopped() | Broke():
                    self._settle(out)
                    out.append(delta)
                case _:
                    out.append(delta)
        return out

    def _opened(self, delta: CallOpened) -> CallOpened:
        named = self._names.client(delta.name)
        if named.kind == "custom" and not self._native:
            self._inputs[delta.key] = CustomInput()
        return CallOpened(delta.key, delta.call_id, named.name, named.kind, named.namespace)

    def _settle(self, out: list[Delta]) -> None:
        for key, text in self._inputs.items():
            _give(key, text.end(), out)
        self._inputs.clear()


def _give(key: Key, text: str, out: list[Delta]) -> None:
    if text:
        out.append(CallArguments(key, text))
