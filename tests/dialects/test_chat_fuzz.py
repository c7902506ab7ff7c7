"""Bodies bent at random: something to answer or a RequestFault, never anything else; and every answer is legal."""

import os
import random
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from antiphon.dialects.chat import ChatAnswer, parse_chat
from antiphon.protocol.echo import begin_response
from antiphon.protocol.faults import RequestFault
from tests.helpers.chat_requests import FUNCTION
from tests.helpers.requests import CREATED_AT, RESPONSE_ID

BODIES = int(os.environ.get("ANTIPHON_FUZZ_N", "5000"))

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


@pytest.mark.parametrize("seed", range(4))
def test_bent_bodies_are_read_or_refused(seed: int) -> None:
    dice = random.Random(seed)
    read = 0
    refused: list[RequestFault] = []
    for _ in range(BODIES // 4):
        body = bent(deepcopy(dice.choice(SEEDS)), dice)
        try:
            asked = parse_chat(body)
        except RequestFault as fault:
            refused.append(fault)
            continue
        read += 1
        response = begin_response(asked.request, RESPONSE_ID, created_at=CREATED_AT)
        assert msgspec.json.decode(ChatAnswer().encode(response))["choices"]
        for item in asked.request.input:
            msgspec.json.decode(item.raw)
    assert read > BODIES // 400
    assert all(fault.status == 400 and fault.message for fault in refused)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"{}x",
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"zzz":NaN}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"zzz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","messages":' + b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestFault) as caught:
        parse_chat(body)
    assert caught.value.status == 400


def bent(body: Any, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 3)):
        place, key = somewhere(body, dice)
        match dice.randint(0, 3):
            case 0:
                place[key] = dice.choice(VALUES)
            case 1:
                del place[key]
            case 2 if isinstance(place, dict):
                place[dice.choice(["type", "role", "content", "name", "n", "tools", "zzz"])] = dice.choice(VALUES)
            case _:
                place[key] = [place[key]]
        if not body:
            break
    return msgspec.json.encode(body)


def somewhere(body: Any, dice: random.Random) -> tuple[Any, Any]:
    place, key = body, dice.choice(list(body))
    while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.8:
        place = place[key]
        key = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
    return place, key
