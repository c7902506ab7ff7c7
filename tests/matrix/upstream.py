"""The model's side of a scenario, whatever the wire format: what it answers, and what it was asked."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tests.helpers.upstream import Part, Reply, Seen, error
from tests.matrix.scenarios import Line, Offer, Says, Scenario, Thought, Tokens

__all__ = ["Json", "Upstream", "content_lines", "encoded", "has_tools", "streamed"]

Json = dict[str, Any]


class Upstream(ABC):
    """A model that plays a scenario's side. Each plays one conversation.

    A request that breaks a rule of the dialect is refused as its vendor would refuse it, and noted.

    Attributes:
        dialect, provider, model: what the gateway's configuration calls it.
    """

    dialect: str
    provider: str
    model: str

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.requests: list[Seen] = []
        self.broken: list[str] = []

    def __call__(self, request: Seen) -> Reply:
        """The answer to the next request."""
        turn = len(self.requests)
        self.requests.append(request)
        rule = self._broken_rule(request) if turn < len(self.scenario.turns) else "nothing more was to be asked"
        if rule:
            self.broken.append(rule)
            return error(400, rule)
        return self._reply(request, turn)

    def transcript(self, turn: int) -> list[Line]:
        """What the request of that turn says, in order."""
        lines: list[Line] = []
        for line in self._lines(self.requests[turn].json):
            if lines and line[0] == lines[-1][0] == "model":  # where a text is cut into parts does not matter
                line = ("model", lines.pop()[1] + line[1])  # noqa: PLW2901 - it goes on
            lines.append(line)
        return lines

    @abstractmethod
    def offered(self, turn: int) -> Offer:
        """What came with the request of that turn, without the system's text."""

    def tokens(self, tokens: Tokens) -> Tokens:
        """What this dialect tells of the counts."""
        return tokens

    def ending(self, says: Says) -> str:
        """How the answer ends in this dialect's words."""
        return says.ending

    def refusal(self, says: Says) -> str:
        """What this dialect tells of a refusal."""
        return says.refusal

    @abstractmethod
    def _broken_rule(self, request: Seen) -> str: ...

    @abstractmethod
    def _reply(self, request: Seen, turn: int) -> Reply: ...

    @abstractmethod
    def _lines(self, body: Json) -> Iterator[Line]: ...

    def _thought(self, seal: str) -> Line:
        """The line for the thought under that seal."""
        answers = [turn.does for turn in self.scenario.turns if isinstance(turn.does, Says)]
        thoughts = [piece for says in answers for piece in says.pieces if isinstance(piece, Thought)]
        known = {thought.seal: thought.text for thought in thoughts}
        return ("thought", known.get(seal, f"unknown seal {seal}"))


def content_lines(role: str, content: str | Sequence[Json] | None) -> Iterator[Line]:
    """What a message says, as a text or in parts of any dialect."""
    who = "model" if role == "assistant" else role
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for part in parts or ():
        if "text" in part["type"]:
            yield (who, part["text"])
        elif part["type"] == "refusal":
            yield (who, part["refusal"])
        else:
            yield ("image", _pixels(part))


def _pixels(part: Json) -> str:
    if "source" in part:
        return str(part["source"]["data"])
    url = part["image_url"]
    text: str = url if isinstance(url, str) else url["url"]
    assert text.startswith("data:image/png;base64,"), text
    return text.partition(",")[2]


def has_tools(body: Mapping[str, Any]) -> bool:
    """Whether both tools of the scenarios are offered."""
    named = {tool.get("name") or tool["function"]["name"] for tool in body.get("tools", ())}
    return named == {"get_weather", "get_time"}


def encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def streamed(parts: Sequence[Part]) -> Reply:
    return Reply(parts, headers={"content-type": "text/event-stream; charset=utf-8"}, framing="chunked")
