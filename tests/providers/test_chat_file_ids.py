"""Files named by their ids at the provider: only where the operator lets tenants share its account."""

import msgspec
import pytest
from msgspec import structs

from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Target
from antiphon.providers.chat.codec import ChatCodec

BODY = msgspec.json.encode(
    {"model": "m", "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}
)
TARGET = Target(provider="openai", model="gpt-4.1", protocol="chat", quirks="openai", base_url="https://x/v1")


def test_file_ids_are_refused_by_default() -> None:
    with pytest.raises(RequestFault) as caught:
        ChatCodec().encode(parse_create(BODY), TARGET, media={})
    assert caught.value.param == "input[0].content[0].file_id"


def test_file_ids_pass_where_the_operator_allows_them() -> None:
    target = structs.replace(TARGET, upstream_ids="allow")
    sent = msgspec.json.decode(ChatCodec().encode(parse_create(BODY), target, media={}).body)
    assert sent["messages"][-1]["content"] == [{"type": "file", "file": {"file_id": "file-1"}}]


def test_a_choice_that_the_local_model_cannot_obey_is_named() -> None:
    body = msgspec.json.encode(
        {"model": "local", "input": "x", "tools": [{"type": "function", "name": "f"}], "tool_choice": "required"}
    )
    target = Target("local", "smollm2-135m-instruct", "chat", "llamacpp", "http://127.0.0.1:1/v1")
    notices = ChatCodec().encode(parse_create(body), target, media={}).notices
    assert ("tool_choice", "dropped") in [(notice.where, notice.kind) for notice in notices]
