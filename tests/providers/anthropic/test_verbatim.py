"""A client of the Messages API in front of an upstream that speaks it: its own body goes on, nearly untouched."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from antiphon.protocol.deltas import CallOpened, Native, Stopped
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.items import InputItem, ItemState, Reasoning
from antiphon.protocol.request import CustomTool, Request
from antiphon.providers.base import Encoded
from tests.helpers.requests import RESPONSE_ID
from tests.providers.anthropic.script import CODEC, target_for
from tests.providers.corpus import replay

MODEL = "anthropic/claude-opus-5"
THOUGHT = '{"type":"thinking","thinking":"é\\/","signature":"Eq=="}'


def sealed(index: int, seal: str | None, blocks: str | None, *, path: str = "messages[1]") -> InputItem:
    state = ItemState(blocks.encode()) if blocks is not None else None
    return InputItem(Reasoning(encrypted_content=seal), b"{}", f"{path}.content[{index}]", "anthropic", state)


def request_of(body: dict[str, Any] | bytes, *items: InputItem, **fields: Any) -> Request:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Request(MODEL, items, dialect="messages", body=raw, **fields)


def encode(body: dict[str, Any] | bytes, *items: InputItem, **changes: Any) -> Encoded:
    media = changes.pop("media", {})
    fields = {name: changes.pop(name) for name in ("stream", "user", "vendor_only") if name in changes}
    return CODEC.encode(request_of(body, *items, **fields), target_for(MODEL, **changes), media=media)


def refused(body: dict[str, Any] | bytes) -> RequestFault:
    with pytest.raises(RequestFault) as caught:
        encode(body)
    return caught.value


def message(*blocks: Any, role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def test_everything_but_the_model_stays_byte_for_byte() -> None:
    body = (
        b'{"max_tokens": 5,"model":"alias","x":1.50,"messages":[ {"role":"user","content":"\\u00e9"} ],"stream":true}'
    )
    encoded = encode(body, stream=True, vendor_only=("x",))
    assert encoded.body == body.replace(b'"alias"', b'"claude-opus-5"').replace(b": 5", b":5")
    assert encoded.notices == ()


def test_the_stream_and_the_overlay_are_put_in() -> None:
    body = {"model": "m", "messages": [], "max_tokens": 5, "stream": True}
    found = msgspec.json.decode(encode(body, params={"top_k": Raw(b"3")}).body)
    assert found == {"model": "claude-opus-5", "messages": [], "max_tokens": 5, "stream": False, "top_k": 3}


def test_seals_are_replaced_by_what_the_provider_gave() -> None:
    blocks = [
        {"type": "thinking", "thinking": "shown", "signature": "seal-1"},
        {"type": "redacted_thinking", "data": "seal-2"},
        {"type": "thinking", "thinking": "made elsewhere", "signature": "seal-3"},
        {"type": "text", "text": "x"},
    ]
    encoded = encode(
        {"model": "m", "messages": [message(*blocks), message({"type": "thinking", "signature": "?"})]},
        sealed(0, "seal-1", f"[{THOUGHT}]"),
        sealed(1, "seal-2", '[{"type":"redacted_thinking","data":"Em"}]'),
        sealed(2, "seal-3", None),
    )
    assert THOUGHT.encode() in encoded.body
    assert msgspec.json.decode(encoded.body)["messages"] == [
        message(
            msgspec.json.decode(THOUGHT), {"type": "redacted_thinking", "data": "Em"}, {"type": "text", "text": "x"}
        )
    ]


def test_seals_that_the_front_door_unpacked_are_found_by_their_place() -> None:
    blocks = [{"type": "thinking", "thinking": "a", "signature": "packed"}, {"type": "text", "text": "x"}]
    inserted = sealed(0, None, '[{"type":"wrong"}]', path="call_1")
    encoded = encode({"messages": [message(*blocks)]}, inserted, sealed(0, "inner", f"[{THOUGHT}]"))
    assert THOUGHT.encode() in encoded.body
    assert b"wrong" not in encoded.body


def test_a_state_that_cannot_be_read_is_dropped_with_a_notice() -> None:
    encoded = encode(
        {"messages": [message({"type": "thinking", "signature": "s"}, {"type": "text", "text": "x"})]},
        sealed(0, "s", "7"),
    )
    assert [notice.reason for notice in encoded.notices] == ["unreadable_state"]


def test_urls_are_inlined_for_upstreams_that_must_not_fetch() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "http://a.example/i"}, "cache_control": {"type": "x"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image, {"type": "text", "text": "x"}]}
    media = {"http://a.example/i": "data:image/png;base64,AA=="}
    body = {"messages": [message(image, result, role="user"), {"role": "user", "content": "x"}]}
    found = msgspec.json.decode(encode(body, fetches_urls=False, media=media).body)
    inline = {**image, "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    assert found["messages"][0]["content"] == [inline, {**result, "content": [inline, {"type": "text", "text": "x"}]}]
    assert msgspec.json.decode(encode(body).body)["messages"] == body["messages"]
    with pytest.raises(RequestFault, match="cannot be used"):
        encode(body, fetches_urls=False)


def test_no_url_is_fetched_where_the_upstream_fetches() -> None:
    request = request_of({"messages": []})
    assert CODEC.media_urls(request, target_for(MODEL)) == ()


def test_objects_at_the_shared_account_need_the_operators_leave() -> None:
    file = message({"type": "document", "source": {"type": "file", "file_id": "f"}}, role="user")
    assert refused({"messages": [file]}).param == "messages[0].content[0].source.file_id"
    assert refused({"messages": [], "container": "c"}).param == "container"
    encoded = encode({"messages": [file], "container": "c"}, upstream_ids="allow")
    assert encoded.headers["anthropic-beta"] == "files-api-2025-04-14"


def test_betas_of_the_client_and_of_its_fields_become_a_header() -> None:
    encoded = encode(
        {"messages": [], "betas": ["one"], "context_management": {"edits": []}}, headers={"anthropic-beta": "own"}
    )
    assert encoded.headers["anthropic-beta"] == "own,one,context-management-2025-06-27"
    assert "betas" not in msgspec.json.decode(encoded.body)


def test_the_clients_user_is_hidden_as_everywhere() -> None:
    body = {"messages": [], "metadata": {"user_id": "me", "x": 1}}
    assert msgspec.json.decode(encode(body, user="hashed").body)["metadata"] == {"user_id": "hashed", "x": 1}


@pytest.mark.parametrize(
    "body", [b"7", b'{"messages":7}', b'{"messages":[7]}', b'{"messages":[{"content":[7]}]}', b'{"betas":1}']
)
def test_what_is_no_messages_request_is_refused(body: bytes) -> None:
    assert refused(body).status == 400


def test_names_are_the_clients_own_and_a_pause_is_told() -> None:
    """The body was sent as it was, so the answer's names are the client's, whatever this gateway would have sent."""
    request = structs.replace(request_of({"messages": []}), tools=(CustomTool("f"),))
    decoder = CODEC.decoder(request, target_for(MODEL), content_type="text/event-stream")
    call = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "c", "name": "f"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}}
    body = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in (call, end))
    found = [delta for delta in replay(decoder, [body]) if not isinstance(delta, Native)]
    assert found[0] == CallOpened("call:0", "c", "f")
    assert isinstance(found[-1], Stopped)
    assert found[-1].native == "pause_turn"


def test_searches_that_the_front_door_wrote_make_way_for_the_real_ones() -> None:
    ours, theirs = "srvtoolu_" + RESPONSE_ID.hex() + "0001", "srvtoolu_01WYG3ziw53XMcoyKL4XcZmE"
    real = [
        {"type": "server_tool_use", "id": theirs, "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": theirs, "content": [{"encrypted_content": "Eq"}]},
    ]
    body = {
        "messages": [
            message(
                {"type": "server_tool_use", "id": ours, "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": ours, "content": [{"encrypted_content": ""}]},
                {"type": "redacted_thinking", "data": "seal"},
                {"type": "text", "text": "x", "citations": [{"encrypted_index": ""}]},
                {"type": "text", "text": "y", "citations": [{"encrypted_index": "Eo"}, {"type": "page_location"}]},
            ),
            message(*real, {"type": "text", "text": "native"}),
        ]
    }
    sealed_blocks = msgspec.json.encode(real).decode()
    found = msgspec.json.decode(encode(body, sealed(2, "seal", sealed_blocks, path="messages[0]")).body)["messages"]
    kept = body["messages"][0]["content"][4]
    assert found[0]["content"] == [*real, {"type": "text", "text": "x"}, kept]
    assert found[1] == body["messages"][1]
