"""The scripted model behind Anthropic's Messages API and behind Google's generateContent."""

from collections.abc import Sequence

from tests.agents.mind import Move
from tests.agents.model import THOUGHT, Json, Model, Offered, said
from tests.helpers import anthropic_wire, gemini_wire
from tests.helpers.anthropic_wire import Claude
from tests.helpers.gemini_wire import Gemini
from tests.helpers.upstream import Reply, Seen

__all__ = ["AnthropicModel", "GeminiModel"]


class AnthropicModel(Model):
    """The Messages API as Anthropic has it: where thinking is on it thinks, and wants it back."""

    def __init__(self) -> None:
        super().__init__()
        self._claude = Claude(self._blocks)

    def _tools(self, body: Json) -> Offered:
        return [(tool["name"], tool["input_schema"]) for tool in body.get("tools", ()) if "input_schema" in tool]

    def _broken_rule(self, request: Seen) -> str:
        if not request.path.partition("?")[0].endswith("/v1/messages"):
            return f"no such endpoint: {request.path}"
        roles = {message["role"] for message in request.json["messages"]}
        if not roles <= {"user", "assistant", "system"}:
            return f"messages: unknown roles among {roles}"
        return _thoughtless(request.json)

    def _reply(self, request: Seen) -> Reply:
        reply = self._claude(request)
        self.broken += self._claude.broken
        self._claude.broken.clear()
        return reply

    def _blocks(self, body: Json) -> Sequence[Json]:
        blocks = [block for message in body["messages"] for block in _blocks_of(message)]
        move = self._move(body, [said(block["content"]) for block in blocks if block["type"] == "tool_result"])
        words = [anthropic_wire.text(move.words)] if move.words else []
        if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            words.insert(0, anthropic_wire.thinking(THOUGHT, f"c2lnbmF0dXJl{self.asked:04}"))
        called = [anthropic_wire.call(self._call_id(), name, **arguments) for name, arguments in _functions(move)]
        return [*words, *called]


class GeminiModel(Model):
    """generateContent as Google has it: it thinks, and the first call of each step is signed."""

    def __init__(self) -> None:
        super().__init__()
        self._gemini = Gemini(self._parts)

    def _tools(self, body: Json) -> Offered:
        declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
        return [(one["name"], one.get("parametersJsonSchema", {"type": "object"})) for one in declared]

    def _broken_rule(self, request: Seen) -> str:
        return "" if "/models/gemini-3-pro:" in request.path else f"no such endpoint: {request.path}"

    def _reply(self, request: Seen) -> Reply:
        reply = self._gemini(request)
        self.broken += self._gemini.broken
        self._gemini.broken.clear()
        return reply

    def _parts(self, body: Json) -> Sequence[Json]:
        parts = [part for content in body["contents"] for part in content["parts"]]
        results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
        move = self._move(body, [said(next(iter(result.values()))) for result in results])
        words = [gemini_wire.text(move.words)] if move.words else []
        signatures = [f"c2lnbmVk{self.asked:04}", *[""] * len(move.calls)]
        called = [
            gemini_wire.call(name, signature=signature, **arguments)
            for (name, arguments), signature in zip(_functions(move), signatures, strict=False)
        ]
        return [gemini_wire.text(THOUGHT, thought=True), *words, *called]


def _functions(move: Move) -> Sequence[tuple[str, Json]]:
    calls = [(call.name, call.arguments) for call in move.calls]
    assert all(isinstance(arguments, dict) for _, arguments in calls), "only functions here"
    return [(name, arguments) for name, arguments in calls if isinstance(arguments, dict)]


def _thoughtless(body: Json) -> str:
    """Where thinking is on, the turn that led to results begins with a thought."""
    last = _blocks_of(body["messages"][-1])
    if body.get("thinking", {}).get("type") != "enabled" or all(block["type"] != "tool_result" for block in last):
        return ""
    begun = next(message for message in reversed(body["messages"]) if message["role"] == "assistant")
    first = _blocks_of(begun)[0]["type"]
    return "" if first in ("thinking", "redacted_thinking") else f"Expected `thinking`, but found `{first}`"


def _blocks_of(message: Json) -> Sequence[Json]:
    content = message["content"]
    return [anthropic_wire.text(content)] if isinstance(content, str) else content
