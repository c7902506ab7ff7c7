"""The scripted models bite: a request that the vendor would refuse is refused, and noted for the test that sent it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.agents.model import Model
from tests.agents.openai_models import ChatModel, NativeModel, ThinkingModel
from tests.agents.vendor_models import AnthropicModel, GeminiModel
from tests.helpers.upstream import Seen
from tests.matrix.rules import KEY

Json = dict[str, Any]

BEARER = {"authorization": f"Bearer {KEY}"}
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-key": KEY}

CHAT, NATIVE, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GENERATE = "/v1beta/models/gemini-3-pro:generateContent"

OBJECT: Json = {"type": "object", "properties": {}}
USER: Json = {"role": "user", "content": "Hi"}
CHAT_CALL: Json = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
CHAT_TOOL: Json = {"type": "function", "function": {"name": "add", "parameters": OBJECT}}
USED: Json = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "add", "input": {}}]}
RESULT: Json = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]}
WANTED: Json = {"role": "model", "parts": [{"functionCall": {"name": "add", "args": {}}}]}
GIVEN: Json = {"role": "user", "parts": [{"functionResponse": {"name": "add", "response": {"output": "1"}}}]}

BROKEN: Mapping[str, tuple[type[Model], str, Mapping[str, str], Json, str]] = {
    "a client's key": (ChatModel, CHAT, {"authorization": "Bearer sk-ap"}, {"messages": [USER]}, "Incorrect API key"),
    "a person's name": (ChatModel, CHAT, BEARER, {"messages": [USER], "user": "a@b.example"}, "Invalid 'user'"),
    "a tool twice": (ChatModel, CHAT, BEARER, {"messages": [USER], "tools": [CHAT_TOOL] * 2}, "the same name"),
    "a call without its result": (
        ChatModel, CHAT, BEARER, {"messages": [USER, {"role": "assistant", "tool_calls": [CHAT_CALL]}]}, "insufficient",
    ),
    "a call without its thought": (
        ThinkingModel, CHAT, BEARER, {"messages": [USER, {"role": "assistant", "tool_calls": [CHAT_CALL]}]}, "reasoning",
    ),
    "somebody else's thought": (
        NativeModel, NATIVE, BEARER, {"store": False, "input": [{"type": "reasoning", "id": "rs_1"}]}, "not found",
    ),
    "a tool that is none": (
        AnthropicModel, MESSAGES, ANTHROPIC, {"messages": [USER], "tools": [{"name": "a.b", "input_schema": OBJECT}]}, "name",
    ),
    "no thought where thinking is on": (
        AnthropicModel, MESSAGES, ANTHROPIC,
        {"messages": [USER, USED, RESULT], "max_tokens": 9, "thinking": {"type": "enabled"}}, "Expected `thinking`",
    ),
    "a call that is not signed": (
        GeminiModel, GENERATE, GOOGLE,
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, WANTED, GIVEN]}, "thought_signature",
    ),
    "a shape that nobody knows": (GeminiModel, GENERATE, GOOGLE, {"contents": [{"role": "user"}]}, "not understood"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_the_vendor_would_refuse_is_refused_and_noted(case: str) -> None:
    kind, path, headers, body, rule = BROKEN[case]
    model = kind()
    reply = model(Seen("POST", path, headers, msgspec.json.encode(body), 0))
    assert reply.status == 400
    (noted,) = model.broken
    assert rule in noted
