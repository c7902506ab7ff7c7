"""A gateway on real sockets with a model of the Messages API behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.anthropic_wire import Claude
from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import ThreadedUpstream

__all__ = ["BOTH_WAYS", "MODEL", "TOOLS", "Stand", "stand"]

MODEL = "test/claude-opus-4-6"
TOOLS: list[Any] = [
    {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False},
    {"type": "function", "name": "get_time", "parameters": {"type": "object"}, "strict": False},
]
BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


class Stand:
    """A gateway, a model behind it and a client in front of it."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream, claude: Claude) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.claude = claude
        self.client = gateway.openai()

    def ask(self, *, streamed: bool, **fields: Any) -> Any:
        """The response, whichever way it came; checked as a stream too."""
        body = {"model": MODEL, **fields}
        if not streamed:
            answer = self.gateway.create(**body)
            assert answer.status == 200, answer.body
            return check_response(answer.json)
        return check_stream(self.gateway.stream(**body)).response

    @property
    def sent(self) -> list[Any]:
        return [seen.json for seen in self.upstream.requests]


@contextmanager
def stand(folder: Path, *turns: Any, **provider: Any) -> Iterator[Stand]:
    claude = Claude(turns)
    with ThreadedUpstream(claude) as upstream:
        entry = {"base_url": upstream.url, "protocol": "anthropic", "api_key": "sk-upstream", **provider}
        with Gateway(upstream.url, folder, config={"providers": {"test": entry}}) as gateway:
            yield Stand(gateway, upstream, claude)
    assert not claude.broken
