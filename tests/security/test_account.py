"""What a client's own words may not do at an upstream that all tenants share, however they are spelled."""

from typing import Any

import msgspec
import pytest
from yarl import URL

from antiphon.dialects.chat import parse_chat
from antiphon.dialects.messages.parse import parse_messages
from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, ItemState, OtherItem
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.address import address
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.base import Encoded
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.gemini.codec import GeminiCodec
from antiphon.providers.responses.codec import ResponsesCodec

Json = dict[str, Any]

VERTEX = "https://e.googleapis.com/v1/projects/p/locations/l/publishers/anthropic"
INSIDE = "http://10.0.0.1/secret"


def body(fields: Json | bytes, **defaults: Any) -> bytes:
    if isinstance(fields, bytes):
        return b"%b,%b" % (msgspec.json.encode(defaults)[:-1], fields.lstrip(b"{"))
    return msgspec.json.encode({**defaults, **fields})


def chat(fields: Json | bytes, model: str = "m", **target: Any) -> Encoded:
    asked = parse_chat(body(fields, model="m", messages=[{"role": "user", "content": "Hi"}])).request
    to = Target("up", model, "chat", target.pop("quirks", "generic"), target.pop("base_url", "http://up/v1"), **target)
    return ChatCodec().encode(asked, to, media={})


def responses(fields: Json | bytes, model: str = "gpt-5", **target: Any) -> Encoded:
    asked = parse_create(body(fields, model="m", input="Hi"))
    quirks = target.pop("quirks", "openai")
    to = Target("up", model, "responses", quirks, target.pop("base_url", "http://up/v1"), **target)
    return ResponsesCodec().encode(asked, to, media={})


def messages(fields: Json | bytes, model: str = "claude-opus-5", **target: Any) -> Encoded:
    asked = parse_messages(body(fields, model="m", max_tokens=5, messages=[{"role": "user", "content": "Hi"}])).request
    to = Target("up", model, "anthropic", "anthropic", target.pop("base_url", "http://up/v1"), **target)
    return AnthropicCodec().encode(asked, to, media={})


def gemini(fields: Json | bytes, model: str = "gemini-3-pro", **target: Any) -> Encoded:
    asked = parse_create(body(fields, model="m", input="Hi"))
    to = Target("up", model, "gemini", "gemini", target.pop("base_url", "http://up/v1beta"), **target)
    return GeminiCodec().encode(asked, to, media={})


DOORS = {"chat": chat, "responses": responses, "messages": messages}

SKILLS = {"type": "container_auto", "skills": [{"type": "skill_reference", "skill_id": "skill_1"}]}
SHELL: Json = {"type": "shell", "environment": SKILLS}
SPACE: Json = {"type": "namespace", "name": "n", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}


def user(*content: Json) -> list[Json]:
    return [{"role": "user", "content": list(content)}]


def document(source: Json, kind: str = "image") -> list[Json]:
    return user({"type": "document", "source": {"type": "content", "content": [{"type": kind, "source": source}]}})


OBJECTS: list[tuple[str, Json | bytes, str]] = [
    ("responses", {"tools": [SHELL]}, "tools[0].environment.skills[0].skill_id"),
    ("responses", {"tools": [SPACE]}, "tools[0].tools[0].vector_store_ids"),
    (
        "responses",
        rb'{"tools":[{"type":"code_interpreter","container":{"type":"auto","file\u005fids":["file-1"]}}]}',
        "tools[0].container.file_ids",
    ),
    ("responses", rb'{"input":[{"type":"x_output","o":[{"file\u005fid":"file-1"}]}]}', "input[0].o[0].file_id"),
    ("responses", {"input": [{"type": "additional_tools", "tools": [SHELL]}]}, "input[0].tools[0].environment"),
    ("responses", {"files": [{"file_id": "file-1"}]}, "files[0].file_id"),
    ("chat", {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].vector_store_ids"),
    ("chat", {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].container"),
    ("chat", {"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}}, "tool_resources.file_search"),
    ("chat", rb'{"file\u005fids":["file-1"]}', "file_ids"),
    ("messages", {"messages": user({"type": "container_upload", "file_id": "file_1"})}, "messages[0].content[0]"),
    ("messages", {"messages": document({"type": "file", "file_id": "file_1"})}, "messages[0].content[0].source"),
    ("messages", {"container": {"skills": [{"skill_id": "s"}]}}, "container"),
    ("messages", {"x": {"file_id": "file_1"}}, "x.file_id"),
]


@pytest.mark.parametrize(("door", "fields", "param"), OBJECTS)
def test_objects_at_the_operator_s_account_cannot_be_named(door: str, fields: Json | bytes, param: str) -> None:
    with pytest.raises(RequestFault) as caught:
        DOORS[door](fields)
    assert (caught.value.status, caught.value.code) == (400, "unsupported_parameter")
    assert (caught.value.param or "").startswith(param)
    assert DOORS[door](fields, upstream_ids="allow").body


SERVERS: list[tuple[str, Json]] = [
    ("responses", {"tools": [{"type": "mcp", "server_label": "x", "server_url": INSIDE}]}),
    ("responses", {"input": [{"type": "computer_call_output", "call_id": "c", "output": {"image_url": INSIDE}}]}),
    ("responses", {"input": [{"type": "additional_tools", "tools": [{"type": "mcp", "server_url": INSIDE}]}]}),
    ("chat", {"tools": [{"type": "mcp", "server_label": "x", "server_url": INSIDE}]}),
    ("chat", {"media": [{"type": "video_url", "video_url": {"url": INSIDE}}]}),
    ("messages", {"mcp_servers": [{"type": "url", "name": "x", "url": INSIDE}]}),
    ("messages", {"messages": document({"type": "url", "url": INSIDE})}),
]


@pytest.mark.parametrize(("door", "fields"), SERVERS)
def test_no_upstream_is_sent_into_its_own_network(door: str, fields: Json) -> None:
    with pytest.raises(RequestFault):
        DOORS[door](fields)
    assert INSIDE.encode() in DOORS[door](fields, fetches_urls=True).body


@pytest.mark.parametrize(
    ("door", "fields"),
    [
        ("responses", {"input": [{"type": "computer_call_output", "output": {"image_url": "file:///etc/passwd"}}]}),
        ("messages", {"messages": user({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}})}),
        ("messages", {"messages": document({"type": "url", "url": "file:///etc/passwd"})}),
        ("chat", {"messages": user({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}})}),
    ],
)
def test_no_upstream_is_sent_to_its_own_files(door: str, fields: Json) -> None:
    with pytest.raises(RequestFault):
        DOORS[door](fields, fetches_urls=True)


def test_functions_may_have_parameters_of_any_name() -> None:
    schema = {"type": "object", "properties": {"file_id": {"type": "string"}, "image_url": {"type": "string"}}}
    flat = {"type": "function", "name": "f", "parameters": schema}
    space = {"type": "namespace", "name": "n", "description": "d", "tools": [flat]}
    listed = {"type": "mcp_list_tools", "server_label": "x", "tools": [{"name": "f", "input_schema": schema}]}
    assert responses({"tools": [flat, space], "input": [{"type": "additional_tools", "tools": [flat]}, listed]}).body
    assert chat({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}).body
    assert messages({"tools": [{"name": "f", "input_schema": schema}]}).body


def test_where_code_ran_can_be_told_again() -> None:
    call = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "cntr_1", "outputs": []}
    assert b"cntr_1" in responses({"input": [call, {"role": "user", "content": "And?"}]}).body


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "field", ["models", "route", "api_base", "extra_body", "preset", "kv_transfer_params", "bootstrap_host", "deferred"]
)
def test_nothing_leads_to_another_model_or_server(door: str, field: str) -> None:
    encoded = DOORS[door]({field: "elsewhere"})
    assert field not in msgspec.json.decode(encoded.body)
    assert [notice.reason for notice in encoded.notices if notice.where == field][-1:] == ["leads_elsewhere"]
    assert DOORS[door]({field: None}).notices == ()


@pytest.mark.parametrize("model", ["..", ".", "a/../b", "../../../v1/files", "models/../../x", "a/..", "./a"])
@pytest.mark.parametrize(
    ("codec", "base_url"),
    [(gemini, "https://g/v1beta"), (messages, VERTEX), (chat, "https://a/openai/deployments/{model}?api-version=1")],
)
def test_the_name_of_a_model_leads_to_no_other_place(codec: Any, base_url: str, model: str) -> None:
    with pytest.raises(RequestFault) as caught:
        codec({}, model, base_url=base_url)
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize("model", ["x?a=b#c", "%2e%2e/x", "a\\..\\b", "x\r\ny", "\x00", "é@1:2"])
@pytest.mark.parametrize(
    ("codec", "base_url"),
    [(gemini, "https://g/v1beta"), (messages, VERTEX), (chat, "https://a/openai/deployments/{model}?api-version=1")],
)
def test_the_name_of_a_model_stays_in_its_place(codec: Any, base_url: str, model: str) -> None:
    url = URL(codec({}, model, base_url=base_url).url)
    base = URL(base_url)
    assert (url.host, url.query_string, url.fragment) == (base.host, base.query_string, "")
    assert url.raw_path.startswith(base.raw_path.partition("%7B")[0])


def test_the_endpoint_of_a_deployment_is_refused_alike() -> None:
    with pytest.raises(RequestFault):
        address(Target("up", "..", "chat", "azure", "https://a/openai/deployments/{model}"), "/embeddings")


@pytest.mark.parametrize(
    "betas", [["a\r\nx-evil: 1"], ["a,b"], ["a b"], ["é"], ["x" * 129], [f"b{number}" for number in range(65)]]
)
def test_only_names_of_betas_become_a_header(betas: list[str]) -> None:
    with pytest.raises(RequestFault) as caught:
        messages({"betas": betas})
    assert caught.value.param == "betas"


def test_betas_may_be_null() -> None:
    asked = parse_messages(body({"betas": None}, model="m", max_tokens=5, messages=[]), betas="one-2025-01-01").request
    to = Target("up", "claude-opus-5", "anthropic", "anthropic", "http://up/v1")
    encoded = AnthropicCodec().encode(asked, to, media={})
    assert encoded.headers["anthropic-beta"] == "one-2025-01-01"
    assert "betas" not in msgspec.json.decode(encoded.body)
    assert "anthropic-beta" not in messages({"betas": None}).headers


@pytest.mark.parametrize("url", [INSIDE, "file:///etc/passwd", " HTTP://10.0.0.1", "gs://bucket/x"])
def test_content_is_no_url(url: str) -> None:
    """Some servers go and get what stands there."""
    file = {"type": "input_file", "filename": "x.pdf", "file_data": url}
    sound = {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}}
    for part in (file, sound):
        with pytest.raises(RequestFault):
            responses({"input": user(part)})
        with pytest.raises(RequestFault):
            responses({"input": user(part)}, "m", quirks="llamacpp")
    for part in ({"type": "file", "file": {"filename": "x.pdf", "file_data": url}}, sound):
        with pytest.raises(RequestFault):
            chat({"messages": user(part)}, quirks="generic")


def test_a_file_s_url_in_place_of_its_content_is_fetched_here() -> None:
    part = {"type": "file", "file": {"filename": "x.pdf", "file_data": "https://example.com/x.pdf"}}
    asked = parse_chat(body({"messages": user(part)}, model="m")).request
    to = Target("up", "m", "chat", "openai", "http://up/v1")
    assert ChatCodec().media_urls(asked, to) == ("https://example.com/x.pdf",)
    encoded = ChatCodec().encode(asked, to, media={"https://example.com/x.pdf": "data:application/pdf;base64,AA=="})
    file = msgspec.json.decode(encoded.body)["messages"][0]["content"][0]["file"]
    assert file == {"filename": "x.pdf", "file_data": "data:application/pdf;base64,AA=="}


def test_what_was_sealed_lends_no_trust_to_what_stands_around_it() -> None:
    raw = b'{"type":"x","encrypted_content":"e","file_id":"file-1"}'
    to = Target("up", "gpt-5", "responses", "openai", "http://up/v1")
    for item in (
        InputItem(OtherItem("x"), raw, "input[0]", "up", ItemState(b"e")),
        InputItem(OtherItem("x"), raw, "input[0]", "up"),
        InputItem(OtherItem("x"), raw, "previous_response_id", "up", ItemState(b"e")),
        InputItem(OtherItem("x"), raw, "previous_response_id"),
    ):
        with pytest.raises(RequestFault):
            ResponsesCodec().encode(Request("m", (item,)), to, media={})
    said = InputItem(OtherItem("x"), raw, "previous_response_id", "up")
    assert b"file-1" in ResponsesCodec().encode(Request("m", (said,)), to, media={}).body


def test_tools_of_whatever_shape_are_looked_through() -> None:
    """Behind items that nobody here reads, they were never checked."""
    deep: Json = {"type": "namespace", "tools": 5}
    for _ in range(150):
        deep = {"type": "namespace", "tools": [deep, 1, None, {}]}
    listed = {"type": "mcp_list_tools", "tools": [deep, 7, {"type": 5}, {"type": "namespace", "tools": {}}]}
    assert responses({"input": [listed]}).body
