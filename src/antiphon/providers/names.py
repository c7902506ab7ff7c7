"""Names of tools and ids of calls that fit every upstream, and the way back, for one request.

A tool of a namespace travels as `namespace__name`: upstreams know no namespaces. The way back goes through a table of
the request's own tools, never by taking the name apart: a plain name may hold the separator too. What travels in the
calls of custom tools is the matter of `custom`; `client_calls` brings both back for a decoder.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import CustomTool, FunctionTool, HostedTool, Tool, ToolChoice

__all__ = ["Named", "ToolNames", "wire_call_id", "wire_name"]

_SEPARATOR = "__"
_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

#: OpenAI refuses longer ids of calls; other providers, whose calls may be in the history, make them.
_LONGEST_ID = 40


class Named(Struct, frozen=True):
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    kind: Literal["function", "custom"] = "function"


class ToolNames:
    """The names of a request's tools on the wire. Hosted tools have none.

    Attributes:
        known: all of them.
        plain: the answer's calls need no translation: no name was changed, and no tool is custom.

    Raises:
        RequestFault: 400, two tools have the same name, or get the same name on the wire.
    """

    __slots__ = ("_changed", "_tools", "known", "plain")

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = [tool for tool in tools if not isinstance(tool, HostedTool)]
        self._changed: dict[str, Named] = {}
        known: set[str] = set()
        for tool in self._tools:
            namespace = tool.namespace or None
            wire = wire_name(tool.name, namespace)
            if wire in known:
                raise _collision(tools, tool, wire=wire)
            known.add(wire)
            if isinstance(tool, CustomTool):
                self._changed[wire] = Named(tool.name, namespace, "custom")
            elif wire != tool.name:
                self._changed[wire] = Named(tool.name, namespace)
        self.known = frozenset(known)
        self.plain = not self._changed

    def wire(self, name: str, namespace: str | None = None) -> str:
        """A tool's name on the wire, also of one that only the history knows."""
        return wire_name(name, namespace)

    def client(self, wire: str) -> Named:
        """What the client calls the tool. A name that the model made up stays as it is."""
        return self._changed.get(wire) or Named(wire)

    def offered(self, choice: ToolChoice) -> list[FunctionTool | CustomTool]:
        """The tools that may be called: all that an upstream without `allowed_tools` may be shown."""
        if choice.allowed is None:
            return self._tools
        return [tool for tool in self._tools if choice.allows(tool.name, tool.namespace or None)]

    def forced(self, choice: ToolChoice) -> Named | None:
        """The one tool that must be called, if there is one."""
        if choice.mode != "function":
            return None
        return self.client(wire_name(choice.name or "", choice.namespace))


def wire_name(name: str, namespace: str | None = None) -> str:
    """The name itself where every upstream takes it; otherwise as much of it as is safe, and a hash."""
    flat = f"{namespace}{_SEPARATOR}{name}" if namespace else name
    if _SAFE_NAME.fullmatch(flat):
        return flat
    digest = hashlib.sha256(flat.encode("utf-8", "replace")).hexdigest()
    safe = _UNSAFE.sub("_", flat)
    if safe[:1].isdigit() or safe.startswith("-"):
        safe = f"_{safe}"
    return f"{safe[:53]}_{digest[:10]}"


def wire_call_id(call_id: str, shape: str) -> str:
    """The id of a call, the same for the call and its output. `alnum9`: nine letters and digits (Mistral)."""
    if shape == "alnum9":
        return call_id if _NINE.fullmatch(call_id) else _nine(call_id)
    if len(call_id) <= _LONGEST_ID:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:24]


def _nine(call_id: str) -> str:
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "replace")).digest()[:8])
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _collision(tools: Sequence[Tool], second: FunctionTool | CustomTool, *, wire: str) -> RequestFault:
    """Which two. Behind a namespace, which was one entry of the client's list, places cannot be told any more."""
    place = next(index for index, tool in enumerate(tools) if tool is second)
    first = next(
        tool
        for tool in tools
        if not isinstance(tool, HostedTool) and wire_name(tool.name, tool.namespace or None) == wire
    )
    flat = all(isinstance(tool, HostedTool) or not tool.namespace for tool in tools[: place + 1])
    named = [_described(first), _described(second)]
    if named[0] == named[1]:
        message = f"There are two tools with the name {named[0]}."
    else:
        message = f"The tools {named[0]} and {named[1]} would both be called '{wire[:80]}' for this model. Rename one."
    return RequestFault(message, code="invalid_value", param=f"tools[{place}].name" if flat else "tools")


def _described(tool: FunctionTool | CustomTool) -> str:
    return f"'{tool.name[:80]}' of the namespace '{tool.namespace[:80]}'" if tool.namespace else f"'{tool.name[:80]}'"
