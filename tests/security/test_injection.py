"""Values of clients and providers that try to become something else: headers, events, log lines, long messages."""

from typing import Any

import msgspec
import pytest

from tests.faults.upstreams import KEY, Stage
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Seen, answer_like, stream, text_chunks, tool_call_chunks

EVIL = "x\r\nset-cookie: evil=1\r\n\r\n<html>"
EVENT = 'x\n\ndata: [DONE]\n\nevent: response.completed\ndata: {"type":"response.completed"}\n\n'
HEADERS = {"date", "content-type", "content-length", "x-request-id", "x-actual-model", "x-antiphon-ignored"}
HEADERS |= {f"x-web-search-{what}" for what in ("used", "count", "status")}


def hello(request: Seen) -> Any:
    return answer_like(request, "Hello.")


@pytest.mark.parametrize(
    "body",
    [
        {"model": f"test/{EVIL}"},
        {"metadata": {EVIL[:64]: EVIL}},
        {"user": EVIL, "safety_identifier": EVIL, "prompt_cache_key": EVIL},
        {EVIL: 1},
        {"instructions": EVENT, "metadata": {"e": EVENT}, "model": f"test/{EVENT}"},
        {"tools": [{"type": "function", "name": "f", "description": EVENT, "parameters": {EVENT: EVIL}}]},
        {"tools": [{"type": "web_search", "x": EVIL}]},
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_client_says_becomes_neither_header_nor_event(
    stage: Stage, body: dict[str, Any], streamed: bool
) -> None:
    got = stage.ask(hello, stream=streamed, **body)
    assert got.status == 200, got.body
    assert set(got.headers) <= HEADERS | {"cache-control", "x-accel-buffering", "transfer-encoding"}
    assert all(value.isascii() and value.isprintable() for value in got.headers.values())
    if streamed:
        assert check_stream(got.body).text == "Hello."
    else:
        check_response(got.json)


@pytest.mark.parametrize("text", [EVENT, EVIL, "\r", "\r\n\r\n", "\u2028\u2029\x85", "data: [DONE]", "\0"])
def test_what_a_model_says_becomes_no_event(stage: Stage, text: str) -> None:
    checked = stage.stream(stream(*text_chunks(text, text)), store=True)
    assert checked.text == text + text
    assert stage.gateway.request("GET", f"/v1/responses/{checked.response['id']}").json == checked.response
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    called = stage.stream(stream(*tool_call_chunks("f", msgspec.json.encode({"a": text}).decode())), tools=tools)
    assert msgspec.json.decode(called.items[0]["arguments"]) == {"a": text}


def test_nothing_of_a_client_s_head_reaches_the_provider(stage: Stage) -> None:
    sent = {"cookie": "a=b", "x-custom": "secret", "openai-organization": "org-client", "x-forwarded-for": "1.2.3.4"}
    stage.script(hello)
    got = stage.gateway.request("POST", "/v1/responses", body={"model": "test/m", "input": "Hi"}, headers=sent)
    assert got.status == 200
    head = stage.upstream.requests[-1].headers
    assert head["authorization"] == f"Bearer {KEY}"
    assert not {"cookie", "x-custom", "openai-organization", "x-forwarded-for", "x-api-key", "referer"} & set(head)
    assert stage.gateway.key not in repr(head)


def test_nothing_of_a_provider_s_head_reaches_the_client(stage: Stage) -> None:
    headers = {"set-cookie": "a=b", "server": "vllm/internal", "x-internal": "10.0.0.5", "openai-organization": "org-1"}
    got = stage.ask(stream(*text_chunks("Hello."), headers=headers), stream=True)
    assert check_stream(got.body).text == "Hello."
    assert not {"set-cookie", "server", "x-internal", "openai-organization"} & set(got.headers)


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        {"model": LONG},
        {"truncation": LONG},
        {"include": [LONG]},
        {"input": [{"type": LONG}]},
        {"input": [{"role": LONG, "content": ""}]},
        {"input": [{"role": "user", "content": [{"type": LONG}]}]},
        {"input": [{"type": "function_call_output", "call_id": LONG, "output": ""}]},
        {"input": [{"type": "function_call", "call_id": LONG, "name": "f", "arguments": ""}]},
        {"input": [{"type": "item_reference", "id": LONG}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://" + LONG}]}]},
        {"previous_response_id": LONG},
        {"tools": [{"type": LONG}]},
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": LONG}},
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": LONG},
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": LONG}},
        {"metadata": {LONG: "x"}},
        {"service_tier": LONG},
        {"reasoning": {"effort": LONG}},
        {"text": {"format": {"type": LONG}}},
        {"text": {"format": {"type": "json_schema", "name": LONG, "schema": {}}}},
        {"temperature": LONG},
        {"user": LONG},
    ],
    ids="-".join,
)
def test_no_error_repeats_a_long_value(stage: Stage, body: dict[str, Any]) -> None:
    got = stage.ask(hello, **body)
    assert got.status in (400, 404), got.body[:300]
    assert len(got.body) < 2000


@pytest.mark.parametrize("path", ["/" + "x" * 30_000, "/v1/responses/" + "x" * 30_000, "/v1/models/" + "y/" * 10_000])
def test_no_error_repeats_a_long_path(stage: Stage, path: str) -> None:
    got = stage.gateway.request("GET", path)
    assert got.status in (404, 200)
    assert len(got.body) < 2000


def test_unknown_fields_without_number_or_end_do_not_swell_what_is_kept(stage: Stage) -> None:
    fields = {f"unknown_{number}_" + "x" * 200: 1 for number in range(5000)}
    made = check_response(stage.ask(hello, **fields).json)
    assert stage.run_row(made["id"])[0] == "completed"
    record = stage.gateway.request("GET", f"/v1/antiphon/runs/{made['id']}")
    assert len(record.body) < 100_000
