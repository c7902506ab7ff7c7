"""One request through each of the front doors, and what providers may make of it."""

from typing import Any

import pytest

from tests.helpers.gateway import Answer
from tests.helpers.pair import Pair
from tests.helpers.upstream import Reply, Seen, answer_like

__all__ = ["AT_ONCE", "DOORS", "MESSAGES", "ask", "both", "doors", "here", "silent"]

#: No waiting, and nothing that requests of other tests use up.
AT_ONCE = {"max_wait_s": 0.01, "budget_percent": 100}
MESSAGES = [{"role": "user", "content": "Hi"}]
DOORS: dict[str, dict[str, Any]] = {
    "responses": {"input": "Hi", "store": False},
    "chat/completions": {"messages": MESSAGES},
    "messages": {"messages": MESSAGES, "max_tokens": 64},
}
doors = pytest.mark.parametrize("door", DOORS)
both = pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])


def ask(pair: Pair, door: str, *, key: str = "", **body: Any) -> Answer:
    return pair.gateway.request("POST", f"/v1/{door}", body={"model": pair.model, **DOORS[door], **body}, key=key)


def here(seen: Seen) -> Reply:
    return answer_like(seen, "Here.")


def silent() -> Reply:
    return Reply(["stall"], framing="raw")
