"""Bodies bent at random: a request or a RequestFault, never anything else, and what is a request can be sent on."""

import json
import os
import random
from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.dialects.messages.count import estimate_input
from antiphon.dialects.messages.parse import parse_count, parse_messages
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.base import Codec
from antiphon.providers.chat.codec import ChatCodec
from tests.dialects.test_responses_fuzz import bend, bytes_of, check_fault, fits
from tests.edge.test_messages_door import EVERYTHING, WHOLE, claude_code

BODIES = int(os.environ.get("ANTIPHON_FUZZ_N", "4000"))
SEEDS: list[dict[str, Any]] = [
    {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    EVERYTHING,
    {**claude_code(), "tools": claude_code()["tools"][:1], "system": "s"},
    {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "assistant", "content": WHOLE["content"]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_2"},
                    {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
                    {"type": "document", "source": {"type": "file", "file_id": "f"}, "title": "T"},
                ],
            },
        ],
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
        "tools": [{"name": "get_weather", "input_schema": {"type": "object"}, "strict": True}],
        "tool_choice": {"type": "tool", "name": "get_weather"},
        "temperature": 0.5,
        "top_k": 5,
        "metadata": {"user_id": "u"},
        "betas": ["a"],
    },
]
CODECS: list[tuple[Codec, Target]] = [
    (ChatCodec(), Target("test", "m", "chat", "generic", "http://127.0.0.1/v1")),
    (AnthropicCodec(), Target("test", "m", "anthropic", "generic", "http://127.0.0.1/v1")),
]

#: Numbers that nobody here reads may have any size.
fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def test_bent_bodies_raise_nothing_but_request_faults() -> None:
    bends: list[Callable[[], bytes]] = [bent_tree, lambda: bytes_of(encoded(random.choice(SEEDS)))]
    accepted = 0
    for number in range(BODIES):
        body = bends[number % len(bends)]()
        for parse in (lambda body: parse_messages(body, betas="b").request, parse_count):
            try:
                request = parse(body)
            except RequestFault as fault:
                check_fault(fault, body)
                continue
            accepted += 1
            check_request(request)
    assert accepted > BODIES // 50, "the bodies are bent so far that nothing is learnt from them"


def check_request(request: Request) -> None:
    assert estimate_input(request) >= 0
    fields.decode(request.body)
    for codec, target in CODECS:
        try:
            media = dict.fromkeys(codec.media_urls(request, target), "data:image/png;base64,AA==")
            sent = codec.encode(request, target, media=media)
        except RequestFault as fault:
            check_fault(fault, request.body)
        else:
            fields.decode(sent.body)


def bent_tree() -> bytes:
    body = msgspec.json.decode(encoded(random.choice(SEEDS)))
    for _ in range(random.randint(1, 3)):
        bend(body)
    return encoded(body) if fits(body) else json.dumps(body, ensure_ascii=False).encode()


def encoded(body: object) -> bytes:
    return msgspec.json.encode(body)
