"""`/v1/messages` over real sockets: nothing is lost to a provider of the same dialect, and a real agent's request."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon.dialects.messages.signature import unpack
from tests.edge.wire import Wire
from tests.helpers.anthropic_wire import Claude, call, message, message_events, redacted, text, thinking
from tests.helpers.gateway import Gateway
from tests.helpers.messages_client import post_messages
from tests.helpers.messages_stream import (
    check_message,
    check_messages_error,
    check_messages_stream,
    read_messages_events,
)
from tests.helpers.upstream import Gate, Reply, ThreadedUpstream, answer_like, sse, stream, text_chunks

Json = dict[str, Any]

#: As clients of the vendor send it: every field that it has, and one that nobody knows.
EVERYTHING: Json = {
    "model": "test/claude-opus-4-6",
    "max_tokens": 32000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": {"type": "ephemeral"}}]},
        {"role": "system", "content": "Today is Sunday."},
        {"role": "assistant", "content": [call("toolu_1", "get_weather", city="Oslo")]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "x"}],
                    "is_error": True,
                },
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Once."},
                    "citations": {"enabled": True},
                },
            ],
        },
    ],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 5000}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "tools": [
        {"name": "get_weather", "input_schema": {"type": "object"}, "defer_loading": True, "input_examples": [{}]},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "blocked_domains": ["b.example"]},
        {"type": "bash_20250124", "name": "bash"},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "mcp_servers": [{"type": "url", "url": "https://mcp.example/", "name": "m"}],
    "service_tier": "standard_only",
    "inference_geo": "eu",
    "unheard_of": {"a": [1, 2.50]},
}
CITATION: Json = {
    "type": "char_location",
    "cited_text": "Once",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 4,
}
HIT: Json = {
    "type": "web_search_result",
    "url": "https://a.example/",
    "title": "A",
    "encrypted_content": "Eq==",
    "page_age": None,
}
WHOLE = message(
    [
        thinking("Let me see.", "E1+/=="),
        redacted("Em=="),
        {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "rain"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": [HIT]},
        text("It ", citations=[CITATION]),
        text("rains."),
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "look", "server_name": "m", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
        call("toolu_2", "get_weather", city="Bergen"),
    ],
    usage={
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        "service_tier": "standard",
        "inference_geo": "eu",
    },
    container={"id": "container_1", "expires_at": "2026-01-01T00:00:00Z", "skills": None},
    context_management={"applied_edits": []},
)


@pytest.fixture
def same(tmp_path: Path) -> Iterator[tuple[Gateway, ThreadedUpstream]]:
    """A provider of the same dialect."""
    with ThreadedUpstream(Claude([WHOLE])) as upstream:
        entry = {"base_url": upstream.url, "protocol": "anthropic", "api_key": "sk-upstream", "fetches_urls": True}
        with Gateway(upstream.url, tmp_path, config={"providers": {"test": entry}}) as gateway:
            yield gateway, upstream


def unsealed(value: Any) -> Any:
    """Without what must differ: ids, the model's name, and seals, which must be there."""
    if isinstance(value, list):
        return [unsealed(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {name: unsealed(entry) for name, entry in value.items()}
    for name in ("signature", "data"):
        if found.get(name):
            found[name] = "a seal"
    if found.get("type") == "message":
        assert found["id"].startswith("msg_")
        found |= {"id": "an id", "model": "a model"}
    return found


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_nothing_is_lost_to_a_provider_of_the_same_dialect(
    same: tuple[Gateway, ThreadedUpstream], *, streamed: bool
) -> None:
    gateway, upstream = same
    body = {**EVERYTHING, "stream": streamed}
    answer = gateway.request("POST", "/v1/messages?beta=true", body=body, headers={"anthropic-beta": "a-1,b-2"})
    assert answer.status == 200, answer.body
    assert "x-antiphon-ignored" not in answer.headers
    sent = upstream.requests[0]
    assert sent.json == {**body, "model": "claude-opus-4-6"}
    assert list(sent.json) == list(body)
    assert {"a-1", "b-2"} <= set(sent.headers["anthropic-beta"].split(","))
    if streamed:
        events = [event for event in message_events(WHOLE) if event["type"] != "ping"]
        assert unsealed(read_messages_events(answer.body)) == unsealed(events)
        found = check_messages_stream(answer.body)
    else:
        assert unsealed(answer.json) == unsealed(WHOLE)
        assert list(answer.json) == list(WHOLE)
        found = check_message(answer.json)
    assert found["model"] == "test/claude-opus-4-6"
    assert {found["content"][0]["signature"], found["content"][1]["data"]}.isdisjoint({"E1+/==", "Em=="})


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_an_answer_that_comes_the_other_way_than_asked_is_the_same(tmp_path: Path, *, streamed: bool) -> None:
    with ThreadedUpstream(Claude([WHOLE])) as upstream:
        entry = {"base_url": upstream.url, "protocol": "anthropic", "api_key": "sk-upstream", "fetches_urls": True}
        config = {"providers": {"test": {**entry, "stream": "never" if streamed else "always"}}}
        with Gateway(upstream.url, tmp_path, config=config) as gateway:
            answer = post_messages(gateway, stream=streamed)
    found = check_messages_stream(answer.body) if streamed else check_message(answer.json)
    content = unsealed(found["content"])
    # Of an answer in one piece the citations come with the block's beginning.
    assert [block["type"] for block in content] == [block["type"] for block in WHOLE["content"]]
    assert [block for block in content if block["type"] != "text"] == [
        block for block in unsealed(WHOLE["content"]) if block["type"] != "text"
    ]
    assert found["stop_reason"] == "tool_use"
    assert found["usage"]["cache_creation"] == WHOLE["usage"]["cache_creation"]


def test_the_way_is_told_by_the_run_record(same: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = same
    made = post_messages(gateway, model="test/m").json
    run = gateway.request("GET", "/v1/antiphon/runs/resp_" + made["id"].removeprefix("msg_")).json
    assert (run["caller"]["front_door"], run["store"]) == ("messages", False)
    assert gateway.sql("SELECT count(*) FROM responses") == [(0,)]
    assert gateway.request("GET", "/v1/responses/resp_" + made["id"].removeprefix("msg_")).status == 404


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, ThreadedUpstream]]:
    """A provider of another dialect."""
    with (
        ThreadedUpstream(lambda request: answer_like(request, "Fine.")) as upstream,
        Gateway(upstream.url, tmp_path_factory.mktemp("other")) as gateway,
    ):
        yield gateway, upstream


#: What another vendor cannot be told and must not be left out, and where it stands.
REFUSED: list[tuple[Json, str]] = [
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "bash_20250124"),
    ({"mcp_servers": EVERYTHING["mcp_servers"]}, "mcp_servers"),
    ({"compaction": {"type": "enabled"}}, "compaction"),
    ({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}, "container_upload"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "id",
    ),
    ({"messages": [{"role": "assistant", "content": [call("toolu_9", "f")]}]}, "toolu_9"),
]


@pytest.mark.parametrize(("fields", "named"), REFUSED, ids=[case[1] for case in REFUSED])
def test_what_another_vendor_would_have_to_know_is_refused_by_name(
    other: tuple[Gateway, ThreadedUpstream], fields: Json, named: str
) -> None:
    gateway, upstream = other
    before = len(upstream.requests)
    answer = post_messages(gateway, **fields)
    assert answer.status == 400
    problem = check_messages_error(answer.json)
    assert problem["type"] == "invalid_request_error"
    assert named in problem["message"]
    assert len(upstream.requests) == before


def test_what_is_left_out_has_the_clients_names(other: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = other
    answer = post_messages(gateway, thinking={"type": "enabled", "budget_tokens": 2000}, tools=[EVERYTHING["tools"][1]])
    assert answer.status == 200
    assert set(answer.headers["x-antiphon-ignored"].split(",")) == {
        "output_config.effort",
        "thinking.budget_tokens",
        "tools.max_uses",
        "tools[0].web_search",
    }


@pytest.mark.parametrize(
    ("path", "headers", "raw", "status", "kind"),
    [
        ("/v1/messages", {"content-type": "text/plain"}, b"{}", 415, "invalid_request_error"),
        ("/v1/messages", {}, b"{", 400, "invalid_request_error"),
        ("/v1/messages/count_tokens", {}, b"[]", 400, "invalid_request_error"),
        ("/messages", {}, b"{}", 400, "invalid_request_error"),
    ],
)
def test_errors_have_the_dialects_shape(
    other: tuple[Gateway, ThreadedUpstream], path: str, headers: Json, raw: bytes, status: int, kind: str
) -> None:
    gateway, _ = other
    answer = gateway.request("POST", path, body=raw, headers=headers)
    assert answer.status == status
    assert check_messages_error(answer.json)["type"] == kind
    assert answer.headers["request-id"] == answer.json["request_id"]


def test_another_method_is_told_in_the_dialects_shape(other: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = other
    answer = gateway.request("GET", "/v1/messages")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    check_messages_error(answer.json)


def test_a_compressed_body_is_read(other: tuple[Gateway, ThreadedUpstream]) -> None:
    gateway, _ = other
    body = msgspec.json.encode({"model": "test/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]})
    answer = gateway.request("POST", "/v1/messages", body=gzip.compress(body), headers={"content-encoding": "gzip"})
    assert check_message(answer.json)["content"] == [text("Fine.")]


def test_a_silent_provider_is_covered_by_pings(tmp_path: Path) -> None:
    gate = Gate()
    frames = sse(*text_chunks("a", "b"))
    reply = Reply([*frames[:2], gate, *frames[2:]], headers={"content-type": "text/event-stream"}, framing="chunked")
    config = {"server": {"heartbeat_s": 0.05, "early_status_s": 0.05}}
    with (
        ThreadedUpstream(reply) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
        Wire(gateway) as wire,
    ):
        body = {"model": "test/m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        raw = msgspec.json.encode(body)
        head = (
            f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        answer = wire.send(head.encode() + raw).response()
        lines = iter(answer.readline, b"")
        assert b"event: ping\n" in lines  # reads as far as the first
        gate.open()
        assert b"event: message_stop\n" in lines


def claude_code(**fields: Any) -> Json:
    """The request of Claude Code 2.1, as it was seen on the wire; its texts are made up."""
    tools: list[Json] = [
        {
            "name": name,
            "description": f"{name} does it. " * 60,
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
                "additionalProperties": False,
            },
        }
        for name in ("Bash", "Edit", "Glob", "Grep", "Read", "Task", "TodoWrite", "WebFetch", "Write")
    ]
    tools[-1]["defer_loading"] = True
    return {
        "model": "test/claude-sonnet-5",
        "max_tokens": 32000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-billing-header: cc_version=2.1.330"},
            {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Long instructions. " * 400, "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>\nNotes\n</system-reminder>"},
                    {"type": "text", "text": "List the files.", "cache_control": {"type": "ephemeral"}},
                ],
            },
            {"role": "system", "content": "The user may be away."},
            {
                "role": "assistant",
                "content": [call("toolu_01", "Bash", command="ls"), call("toolu_02", "Bash", command="pwd")],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_01", "content": "a.py", "is_error": False},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_02",
                        "content": "no",
                        "is_error": True,
                        "cache_control": {"type": "ephemeral"},
                    },
                ],
            },
            {"role": "system", "content": [{"type": "text", "text": "Go on."}]},
        ],
        "tools": tools,
        "metadata": {"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        **fields,
    }


HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
    "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "x-app": "cli",
    "accept-encoding": "gzip, deflate, br, zstd",
}
BUDGET: Json = {"type": "enabled", "budget_tokens": 31999, "display": "omitted"}


def ask_as_claude_code(gateway: Gateway, **fields: Any) -> Json:
    answer = gateway.request(
        "POST",
        "/v1/messages?beta=true",
        body=claude_code(**fields),
        key=None,
        headers={**HEADERS, "x-api-key": gateway.key},
    )
    assert answer.status == 200, answer.body
    return check_messages_stream(answer.body)


@pytest.mark.parametrize("fields", [{}, {"thinking": BUDGET, "output_config": {}}], ids=["adaptive", "budget"])
def test_claude_code_is_answered_by_a_model_behind_chat(tmp_path: Path, fields: Json) -> None:
    chunks = text_chunks("Done.")
    thought = {**chunks[0], "choices": [{"index": 0, "delta": {"reasoning_content": "I see."}}]}
    with ThreadedUpstream(stream(thought, *chunks)) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        found = ask_as_claude_code(gateway, **fields)
    hidden, said = found["content"]
    assert hidden["thinking"] == ""
    assert unpack(hidden["signature"])[0] == "I see."
    assert said == text("Done.")
    sent = upstream.requests[0].json
    # Many models take instructions at the beginning only: those in the middle go there.
    assert [entry["role"] for entry in sent["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert all(said in sent["messages"][0]["content"] for said in ("an agent.", "may be away.", "Go on."))
    assert [entry["content"] for entry in sent["messages"] if entry["role"] == "tool"] == ["a.py", "Error: no"]
    assert len(sent["tools"]) == 9


def test_claude_code_is_answered_by_a_model_of_its_own_dialect(tmp_path: Path) -> None:
    claude = Claude([[thinking("", "E1"), text("Done.")]])
    with ThreadedUpstream(claude) as upstream:
        entry = {"base_url": upstream.url, "protocol": "anthropic", "api_key": "sk-upstream", "fetches_urls": True}
        with Gateway(upstream.url, tmp_path, config={"providers": {"test": entry}}) as gateway:
            found = ask_as_claude_code(gateway)
    assert [block["type"] for block in found["content"]] == ["thinking", "text"]
    sent = upstream.requests[0].json
    same_as_sent = {name: value for name, value in claude_code().items() if name not in ("model", "metadata")}
    assert {name: value for name, value in sent.items() if name not in ("model", "metadata")} == same_as_sent
    assert len(sent["metadata"]["user_id"]) == 32
    assert not claude.broken
