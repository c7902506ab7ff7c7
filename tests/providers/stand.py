"""A gateway on real sockets between a client and a model that speaks a dialect of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.anthropic_wire import Claude
from tests.helpers.gateway import Gateway
from tests.helpers.gemini_wire import Gemini
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import ThreadedUpstream

__all__ = ["BOTH_WAYS", "TOOLS", "Stand", "before_claude", "before_gemini"]

TOOLS: list[Any] = [
    {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False},
    {"type": "function", "name": "get_time", "parameters": {"type": "object"}, "strict": False},
]
BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


class Stand:
    """A gateway, a model behind it and a client in front of it."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream, model: str) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.model = model
        self.client = gateway.openai()

    def ask(self, *, streamed: bool, **fields: Any) -> Any:
        """The response, whichever way it came; checked as a stream too."""
        body = {"model": self.model, **fields}
        if not streamed:
            answer = self.gateway.create(**body)
            assert answer.status == 200, answer.body
            return check_response(answer.json)
        return check_stream(self.gateway.stream(**body)).response

    def converse(self, calls: Sequence[int], *, streamed: bool, stored: bool) -> Any:
        """The last response of so many turns, where the model calls so many tools in each.

        Calls are answered, and where there are none, the client asks on. It sends back everything, or names what is stored.
        """
        items: list[Any] = [{"role": "user", "content": "Weather?"}]
        fields: dict[str, Any] = {"tools": TOOLS, "reasoning": {"effort": "high", "summary": "auto"}, "store": stored}
        if not stored:
            fields["include"] = ["reasoning.encrypted_content"]
        response: Any = None
        for wanted in calls:
            if stored and response:
                fields["previous_response_id"] = response["id"]
            response = self.ask(streamed=streamed, input=items, **fields)
            made = [item for item in response["output"] if item["type"] == "function_call"]
            assert len(made) == wanted
            new = [{"type": "function_call_output", "call_id": each["call_id"], "output": "ok"} for each in made]
            new = new or [{"role": "user", "content": "Sure?"}]
            items = new if stored else [*items, *response["output"], *new]
        return response

    @property
    def sent(self) -> list[Any]:
        return [seen.json for seen in self.upstream.requests]


@contextmanager
def before_claude(folder: Path, *turns: Any, **provider: Any) -> Iterator[Stand]:
    """In front of a model of the Messages API, which refuses what breaks its rules: that fails the test."""
    claude = Claude(turns)
    with ThreadedUpstream(claude) as upstream:
        entry = {"base_url": upstream.url, "protocol": "anthropic", "api_key": "sk-upstream", **provider}
        with _stand(folder, upstream, entry, model="test/claude-opus-4-6") as at:
            yield at
    assert not claude.broken


@contextmanager
def before_gemini(folder: Path, *turns: Any, **provider: Any) -> Iterator[Stand]:
    """In front of a model of generateContent, which refuses what breaks its rules: that fails the test."""
    gemini = Gemini(turns)
    with ThreadedUpstream(gemini) as upstream:
        base_url = upstream.url.removesuffix("/v1") + "/v1beta"
        entry = {"base_url": base_url, "protocol": "gemini", "api_key": "AIza-upstream", **provider}
        with _stand(folder, upstream, entry, model="test/gemini-3-pro") as at:
            yield at
    assert not gemini.broken


@contextmanager
def _stand(folder: Path, upstream: ThreadedUpstream, entry: dict[str, Any], *, model: str) -> Iterator[Stand]:
    with Gateway(upstream.url, folder, config={"providers": {"test": entry}}) as gateway:
        yield Stand(gateway, upstream, model)
