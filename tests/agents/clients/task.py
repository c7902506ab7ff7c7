"""The task of all agents in Python, and how they tell what came of it. It needs no more than the standard library."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

__all__ = ["PROMPT", "Place", "add", "get_weather", "report"]

PROMPT = "How many degrees do Tokyo and Paris have together?"


@dataclass(frozen=True)
class Place:
    """Where the gateway is, and what to ask it for."""

    url: str
    key: str
    model: str
    door: str


def get_weather(location: str) -> str:
    """The weather in a city, now."""
    return {"Tokyo": "sunny, 21 degrees", "Paris": "rain, 17 degrees"}[location]


def add(a: int, b: int) -> str:
    """The sum of two numbers."""
    return str(a + b)


def report(ways: Callable[[Place], Mapping[str, Awaitable[str]]]) -> None:
    """Do the task with all models, in all ways that there are through the door, at once. Print who answered what."""
    url, key, models, door = (os.environ[f"ANTIPHON_{name}"] for name in ("URL", "KEY", "MODELS", "DOOR"))

    async def answers(model: str) -> dict[str, str]:
        doing = ways(Place(url, key, model, door))
        done = await asyncio.gather(*doing.values(), return_exceptions=True)
        return {
            way: answer if isinstance(answer, str) else repr(answer) for way, answer in zip(doing, done, strict=True)
        }

    async def everyone() -> dict[str, dict[str, str]]:
        names = models.split(",")
        return dict(zip(names, await asyncio.gather(*map(answers, names)), strict=True))

    json.dump(asyncio.run(everyone()), sys.stdout)
