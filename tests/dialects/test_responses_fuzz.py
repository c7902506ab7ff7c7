"""Bodies bent at random: a request or a RequestFault, never anything else, and every request can be answered."""

import json
import os
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec

from antiphon.dialects.responses import encode_response, parse_create
from antiphon.protocol.echo import begin_response
from antiphon.protocol.faults import RequestFault
from tests.helpers.requests import CREATED_AT, RESPONSE_ID

BODIES = int(os.environ.get("ANTIPHON_FUZZ_N", "5000"))

TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {}}}}
SEEDS: list[dict[str, Any]] = [
    {"model": "m", "input": "Hello"},
    {
        "model": "m",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "😀"}, {"type": "input_image", "image_url": "data:,"}],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
            {"id": "msg_1"},
        ],
        "tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": None}}, {"type": "web_search"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "reasoning": {"effort": "high", "summary": "auto"},
        "metadata": {"a": "b"},
        "stream": True,
    },
    {
        "model": "m",
        "previous_response_id": "resp_019361d47bf7700080000123456789ab",
        "input": [{"role": "user", "content": None}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "concise"},
        "tool_choice": "none",
        "temperature": 0.5,
        "max_tokens": 5,
        "stop": ["a"],
        "logit_bias": {"1": 2},
        "include": ["message.output_text.logprobs"],
        "client_metadata": {"a": [1, 2]},
        "unknown": {"deep": [[{"a": 1}]]},
    },
]
VALUES: list[object] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.1, -0.0, 1e308, "", "a", "😀", "\0", "x" * 300,
    [], {}, [None], [[]], {"": None}, {"type": "function"}, {"type": "message"}, {"type": None}, [{}], {"a": {"a": {"a": []}}},
    "auto", "none", "function", "input_text", "data: [DONE]", "resp_" + "0" * 32,
]  # fmt: skip
TOKENS = [
    b"", b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", rb"\ud800", rb"\udc00", b"null", b"NaN", b"1e999", b"-", b"0",
    b"\x00", b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\n", b'"type":"message",', b'"model":null,',
    b"[" * 200, b"9" * 400,
]  # fmt: skip


def test_bent_bodies_raise_nothing_but_request_faults() -> None:
    bends: list[Callable[[], bytes]] = [bent_tree, bent_bytes, lambda: bytes_of(bent_tree())]
    accepted = 0
    for number in range(BODIES):
        body = bends[number % len(bends)]()
        try:
            request = parse_create(body)
        except RequestFault as fault:
            check_fault(fault, body)
            continue
        accepted += 1
        encode_response(begin_response(request, RESPONSE_ID, created_at=CREATED_AT))
    assert accepted > BODIES // 50, "the bodies are bent so far that nothing is learnt from them"


def check_fault(fault: RequestFault, body: bytes) -> None:
    assert fault.status == 400, body
    assert fault.code, body
    assert 0 < len(fault.message) < 800, body
    assert "Traceback" not in fault.message, body
    if fault.code == "invalid_json":
        assert fault.param is None, body


def bent_tree() -> bytes:
    """One to three values anywhere in a good body replaced, removed or doubled."""
    body = msgspec.json.decode(msgspec.json.encode(random.choice(SEEDS)))
    for _ in range(random.randint(1, 3)):
        bend(body)
    if fits(body):
        return msgspec.json.encode(body)
    return json.dumps(body, ensure_ascii=False).encode()


def bend(node: Any) -> None:
    while True:
        steps = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not steps:
            return
        step = random.choice(steps)
        if isinstance(node[step], dict | list) and node[step] and random.random() < 0.7:
            node = node[step]
            continue
        match random.randrange(4):
            case 0:
                del node[step]
            case 1 if isinstance(node, list):
                node.insert(step, deepcopy(node[step]))
            case 2 if isinstance(node, dict):
                node[str(random.choice(VALUES))] = node.pop(step)
            case _:
                node[step] = deepcopy(random.choice(VALUES))
        return


def fits(value: Any) -> bool:
    """JSON as msgspec writes it has no integers beyond 64 bits; those are written by the standard library."""
    if isinstance(value, dict):
        return all(map(fits, value.values()))
    if isinstance(value, list):
        return all(map(fits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64


def bent_bytes() -> bytes:
    return bytes_of(msgspec.json.encode(random.choice(SEEDS)))


def bytes_of(body: bytes) -> bytes:
    """One to three tokens or slices put in, taken out, or moved."""
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(body) + 1)
        end = min(len(body), start + random.randrange(12))
        match random.randrange(4):
            case 0:
                body = body[:start] + body[end:]
            case 1:
                body = body[:start] + random.choice(TOKENS) + body[start:]
            case 2:
                body = body[:start] + body[start:end] * 2 + body[end:]
            case _:
                body = body[:start] + bytes([random.randrange(256)]) + body[start + 1 :]
    return body
