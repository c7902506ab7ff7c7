"""A gateway that searches a web of the test's own, before all kinds of upstreams and behind all doors."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from tests.faults.clients import Door
from tests.faults.house import House, open_house
from tests.faults.tongues import TONGUES, Call, Piece, Tongue, Words
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Brain, Reply, Seen
from tests.helpers.web import Respond

__all__ = ["FOUND", "Searching", "in_rounds", "looks_for", "open_searching", "results_in", "searching_body"]

Json = dict[str, Any]

FOUND = "Founded in 1871."


class Searching:
    """A house, and the web that it searches. `begin` before each test."""

    def __init__(self, house: House, web: ThreadedWeb) -> None:
        self.house = house
        self.web = web

    def begin(self, search: Respond | None = None) -> None:
        """Nothing was asked yet; searches are answered so."""
        web = self.web.web
        web.left, web.arrived = asyncio.Event(), asyncio.Event()
        web.asked.clear()
        web.search = search

    def send(self, door: Door, model: str, *, stream: bool, **more: Any) -> Any:
        """A request that may search; its answer, which is no error of HTTP."""
        got = self.house.gateway.request("POST", door.path, body=searching_body(door, model, stream=stream, **more))
        port = f":{self.web.web.port}"
        for secret in ("127.0.0.1" + port, "searxng"):  # where the operator's engine is
            assert secret.encode() not in got.body.replace(f"http://127.0.0.1{port}/".encode(), b"")
        return got


def searching_body(door: Door, model: str, *, stream: bool, **more: Any) -> Json:
    """A request of that door which may search."""
    body = {**door.body(model, stream=stream, tools=more.pop("tools", ())), **more}
    match door.name:
        case "responses":
            body["tools"] = [{"type": "web_search"}, *body.get("tools", ())]
        case "chat":
            body["web_search_options"] = {}
        case _:
            body["tools"] = [{"type": "web_search_20250305", "name": "web_search"}, *body.get("tools", ())]
    return body


def looks_for(*queries: str) -> Sequence[Piece]:
    """A round that only searches."""
    return [Call("web_search", {"query": query}) for query in queries]


def in_rounds(tongue: Tongue, *rounds: Sequence[Piece] | Callable[[Seen], Reply]) -> Brain:
    """A model that says these, one after the other, and the last for ever."""
    left = list(rounds)

    def brain(request: Seen) -> Reply:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(request) if callable(now) else tongue.answer(request, now)

    return brain


def answered(words: str = FOUND) -> Sequence[Piece]:
    return [Words(words)]


def results_in(request: Seen) -> list[str]:
    """What a model is shown of its calls, whatever its wire format."""
    return list(_results(request.json))


def _results(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _results(one)
    elif isinstance(value, Mapping):
        if value.get("role") == "tool":
            yield value["content"]
        elif value.get("type") == "tool_result":
            yield msgspec.json.encode(value["content"]).decode()
        elif value.get("type") == "function_call_output":
            yield value["output"]
        elif "functionResponse" in value:
            yield value["functionResponse"]["response"]["output"]
        else:
            for one in value.values():
                yield from _results(one)


@contextmanager
def open_searching(directory: Path, **config: Any) -> Iterator[Searching]:
    """With short limits for searches and pages, unless told otherwise."""
    with ThreadedWeb() as web:
        search = {
            "engine": "searxng",
            "url": web.web.search_url,
            "allow": ["127.0.0.1"],
            "ports": [web.web.port],
            "robots": False,
            "timeout_s": 0.5,
            "page_timeout_s": 0.5,
            **config.pop("web_search", {}),
        }
        with open_house(directory, web_search=search, **config) as house:
            assert house.gateway.app.services is not None
            for name in TONGUES:
                find_here(house, name)
            yield Searching(house, web)


def find_here(house: House, provider: str) -> None:
    """Searches run at the gateway although the provider could."""
    assert house.gateway.app.services is not None
    for template in house.gateway.app.services.router.servers():
        if template.provider == provider:
            structs.force_setattr(template, "hosted_tools", "gateway")
