"""Chat Completions bodies bent at random, for whatever reads them."""

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec

from tests.helpers.chat_requests import FUNCTION

__all__ = ["bent_bodies"]

SEEDS: list[dict[str, Any]] = [
    {"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
    {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "name": "b", "content": [{"type": "text", "text": "😀"}, {"type": "image_url", "image_url": {"url": "data:,"}}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}],
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "d", "type": "custom", "custom": {"name": "p", "input": "x"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}]},
            {"role": "tool", "content": "b"},
        ],
        "tools": [FUNCTION, {"type": "custom", "custom": {"name": "p"}}, {"type": "web_search"}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    {
        "model": "m",
        "messages": [
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
        "functions": [{"name": "f", "parameters": {}}],
        "function_call": {"name": "f"},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "reasoning": {"effort": "high"},
        "n": 2,
        "logprobs": True,
        "unknown": {"deep": [[{"a": 1}]]},
    },
]  # fmt: skip
VALUES: list[object] = [
    None, True, False, 0, -1, 1, 2**63, 2**64, 10**30, 0.1, 1e308, "", "a", "😀", "\0", "x" * 300, [], {}, [None], [[]],
    {"": None}, {"type": "function"}, {"role": "user"}, {"type": None}, [{}], "auto", "none", "function", "data: [DONE]",
]  # fmt: skip


def bent_bodies(seed: int, count: int) -> Iterator[bytes]:
    """That many, always the same for a seed."""
    dice = random.Random(seed)
    for _ in range(count):
        yield _bent(deepcopy(dice.choice(SEEDS)), dice)


def _bent(body: Any, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 3)):
        place, key = _somewhere(body, dice)
        match dice.randint(0, 3):
            case 0:
                place[key] = deepcopy(dice.choice(VALUES))
            case 1:
                del place[key]
            case 2 if isinstance(place, dict):
                place[dice.choice(["type", "role", "content", "name", "n", "tools", "zzz"])] = deepcopy(
                    dice.choice(VALUES)
                )
            case _:
                place[key] = [place[key]]
        if not body:
            break
    return msgspec.json.encode(body)


def _somewhere(body: Any, dice: random.Random) -> tuple[Any, Any]:
    place, key = body, dice.choice(list(body))
    while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.8:
        place = place[key]
        key = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
    return place, key
