"""What the models behind all wire formats have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.agents.mind import Call, Move, next_move
from tests.agents.rules import broken_tools, broken_users
from tests.helpers.upstream import Reply, Seen, error

__all__ = ["THOUGHT", "Json", "Model", "Offered", "said", "written"]

Json = dict[str, Any]
#: Names of tools with the schemas of their arguments, `None` for tools that take plain text.
Offered = Sequence[tuple[str, Json | None]]

THOUGHT = "The task needs a tool."


class Model(ABC):
    """A model. It answers each request by itself, and refuses what its vendor would refuse.

    Attributes:
        asked: how often it was asked.
        broken: rules that requests broke; an agent's test expects none.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.broken: list[str] = []
        self._calls = 0

    def __call__(self, request: Seen) -> Reply:
        """The answer to a request."""
        self.asked += 1
        try:
            body = request.json
            rule = broken_users(body) or broken_tools(self._tools(body)) or self._broken_rule(request)
            if not rule:
                return self._reply(request)
        except (AssertionError, LookupError, TypeError, AttributeError) as problem:
            rule = f"not understood: {problem!r}"
        self.broken.append(rule)
        return error(400, rule)

    @abstractmethod
    def _tools(self, body: Json) -> Offered: ...

    @abstractmethod
    def _broken_rule(self, request: Seen) -> str: ...

    @abstractmethod
    def _reply(self, request: Seen) -> Reply: ...

    def _move(self, body: Json, results: Sequence[str]) -> Move:
        return next_move(dict(self._tools(body)), results)

    def _call_id(self) -> str:
        self._calls += 1
        return f"call_{self._calls}"


def written(call: Call) -> str:
    """A call's arguments in JSON."""
    return msgspec.json.encode(call.arguments).decode()


def said(content: Any) -> str:
    """The text of a result, whichever way it is given."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return msgspec.json.encode(content).decode()
