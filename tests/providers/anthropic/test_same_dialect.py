"""A client of the Messages API in front of a model that speaks it: nothing that either says is lost on the way."""

from pathlib import Path
from typing import Any

import msgspec

from tests.helpers.anthropic_wire import call, message, redacted, text, thinking
from tests.providers.stand import BOTH_WAYS, Stand, before_claude

BODY: dict[str, Any] = {
    "model": "test/claude-opus-4-6",
    "max_tokens": 32_000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "tools": [
        {"name": "get_weather", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "blocked_domains": ["b.example"]},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
}


def content_of(at: Stand, body: dict[str, Any], *, streamed: bool) -> list[Any]:
    """The blocks of the answer, as the client will send them back."""
    answer = at.gateway.request("POST", "/v1/messages?beta=true", body={**body, "stream": streamed})
    assert answer.status == 200, answer.body
    if not streamed:
        return list(answer.json["content"])
    blocks: list[Any] = []
    for line in answer.body.split(b"\n"):
        if not line.startswith(b"data: "):
            continue
        event = msgspec.json.decode(line[6:])
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "pieces": ""})
        elif event["type"] == "content_block_delta":
            _add(blocks[event["index"]], event["delta"])
    return [_joined(block) for block in blocks]


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["pieces"] += delta["partial_json"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]


def _joined(block: dict[str, Any]) -> dict[str, Any]:
    pieces = block.pop("pieces")
    return {**block, "input": msgspec.json.decode(pieces)} if pieces else block


@BOTH_WAYS
def test_a_conversation_reaches_the_model_as_the_client_said_it(tmp_path: Path, streamed: bool) -> None:
    """The model refuses thoughts and searches that it did not make itself."""
    search = {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "rain"}}
    hit = {"type": "web_search_result", "url": "https://a.example/", "title": "A", "encrypted_content": "Eq=="}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": [hit]}
    cite = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A", "encrypted_index": "Eo"}
    turns: list[Any] = [
        [thinking("Weather \u00e9.", "E1+/=="), redacted("Em=="), call("toolu_1", "get_weather", city="Oslo")],
        [thinking("", "E2"), search, found, text("It rains.", citations=[cite])],
        message([text("Bye")], stop="end_turn"),
    ]
    with before_claude(tmp_path, *turns) as at:
        messages: list[Any] = [{"role": "user", "content": "Weather?"}]
        first = content_of(at, {**BODY, "messages": messages}, streamed=streamed)
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain", "is_error": True}
        messages += [{"role": "assistant", "content": first}, {"role": "user", "content": [result]}]
        second = content_of(at, {**BODY, "messages": messages}, streamed=streamed)
        messages += [{"role": "assistant", "content": second}, {"role": "user", "content": "Thanks"}]
        third = content_of(at, {**BODY, "messages": messages}, streamed=streamed)
        sent = at.sent
        betas = at.upstream.requests[0].headers["anthropic-beta"]
    assert [block["type"] for block in third] == ["text"]
    unchanged = {**BODY, "model": "claude-opus-4-6", "stream": streamed}
    assert {name: value for name, value in sent[2].items() if name != "messages"} == unchanged
    assert "context-management-2025-06-27" in betas
    replayed = [entry["content"] for entry in sent[2]["messages"]]
    assert replayed[1] == turns[0]
    assert replayed[2] == [result]
    assert replayed[3][:3] == [turns[1][0], search, found]
    assert replayed[3][3]["text"] == "It rains."
