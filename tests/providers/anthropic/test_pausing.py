"""Answers that the vendor interrupts: what goes back, what the client sees, and where it ends."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antiphon.providers.anthropic.pausing import PausedAnswer
from antiphon.providers.anthropic.state import PausedCalls, read_state, write_pause, write_state
from tests.helpers.anthropic_wire import call, message, message_events, text, thinking
from tests.helpers.upstream import Reply
from tests.providers.stand import BOTH_WAYS, TOOLS, before_claude

Json = dict[str, Any]
SEARCH: Json = {"type": "web_search"}
HIT: Json = {"type": "web_search_result", "url": "https://a.example/", "title": "A", "encrypted_content": "Eq=="}
CITE: Json = {
    "type": "web_search_result_location", "url": "https://a.example/", "title": "A", "encrypted_index": "E1",
}  # fmt: skip


def search(number: int) -> Json:
    return {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {"query": "rain"}}


def found(number: int) -> Json:
    return {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{number}", "content": [HIT]}


def paused(*blocks: Json) -> Json:
    return message(blocks, stop="pause_turn")


def in_memory(events: Sequence[Json]) -> bytes | None:
    answer = PausedAnswer()
    for event in events:
        answer.see(msgspec.json.encode(event))
    return answer.payload()


def blocks_of(payload: bytes | None) -> list[Json]:
    assert payload is not None
    blocks = read_state(payload)
    assert blocks is not None
    return [msgspec.json.decode(block) for block in blocks]


def test_a_stream_goes_back_as_the_blocks_that_it_told() -> None:
    blocks = [thinking("Hm.", "Esig"), text("It rains."), text("So.", citations=[CITE]), search(1), found(1), search(2)]
    assert blocks_of(in_memory(message_events(paused(*blocks)))) == blocks
    whole = PausedAnswer()
    whole.take([Raw(msgspec.json.encode(block)) for block in blocks])
    assert blocks_of(whole.payload()) == blocks


def test_empty_text_is_left_out() -> None:
    assert blocks_of(in_memory(message_events(paused(text(" "), text("a"))))) == [text("a")]


def odd_events() -> Iterator[tuple[str, list[Json]]]:
    events = message_events(paused(text("a"), search(1)))
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}}
    yield "a delta of a new kind", [*events, delta]
    cut = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}}
    yield "input that broke off", [*events, cut]
    yield "a call of the client's", message_events(paused(text("a"), call("c", "f")))


@pytest.mark.parametrize("events", [pytest.param(events, id=name) for name, events in odd_events()])
def test_what_cannot_be_gone_on_with(events: list[Json]) -> None:
    assert in_memory(events) is None


def test_a_delta_of_a_block_that_never_began_is_nothing() -> None:
    stray = {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "x"}}
    assert blocks_of(in_memory([*message_events(paused(text("a"))), stray])) == [text("a")]


def test_calls_wait_until_their_result_is_there() -> None:
    first = write_pause([msgspec.json.encode(block) for block in (search(1), found(1), search(2))])
    second = write_pause([msgspec.json.encode(block) for block in (found(2), search(3))])
    assert list(PausedCalls([first, second]).waiting) == ["srvtoolu_3"]
    assert not PausedCalls([write_state([msgspec.json.encode(search(4))])]).waiting
    assert not PausedCalls([b'{"paused":']).waiting


@BOTH_WAYS
def test_the_response_goes_on_after_a_pause(tmp_path: Path, streamed: bool) -> None:
    begun = [thinking("Hm.", "Esig"), text("I look."), search(1)]
    rest = [found(1), text("It rains.", citations=[CITE])]
    with before_claude(tmp_path, paused(*begun), rest, [text("Oslo.")]) as at:
        first = at.ask(streamed=streamed, input="Rain?", tools=[SEARCH], max_output_tokens=2000, max_tool_calls=3)
        assert first["status"] == "completed"
        kinds = [(item["type"], item.get("status")) for item in first["output"]]
        assert [kind for kind in kinds if kind[0] != "reasoning"] == [
            ("message", "completed"),
            ("web_search_call", "completed"),
            ("message", "completed"),
        ]
        assert first["output"][2]["action"]["query"] == "rain"
        assert (first["usage"]["input_tokens"], first["usage"]["output_tokens"]) == (22, 14)
        again = at.sent[1]
        assert again["messages"] == [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": begun}]
        assert again["max_tokens"] == 1993
        assert again["tools"][0]["max_uses"] == 3
        at.ask(streamed=streamed, input="Where?", previous_response_id=first["id"], tools=[SEARCH])
        spoken = [*begun[:2], begun[2], found(1), text("It rains.")]
        assert at.sent[2]["messages"][1] == {"role": "assistant", "content": spoken}


@BOTH_WAYS
def test_it_may_pause_more_than_once_and_searches_are_counted_over_all(tmp_path: Path, streamed: bool) -> None:
    turns = [paused(search(1), found(1), search(2)), paused(found(2), search(3)), [found(3), text("Rain.")]]
    with before_claude(tmp_path, *turns) as at:
        response = at.ask(streamed=streamed, input="Rain?", tools=[SEARCH], max_tool_calls=3)
        searches = [item for item in response["output"] if item["type"] == "web_search_call"]
        assert [item["status"] for item in searches] == ["completed"] * 3
        assert response["output"][-1]["content"][0]["text"] == "Rain."
        content = [search(1), found(1), search(2), found(2), search(3)]
        assert at.sent[2]["messages"][1:] == [{"role": "assistant", "content": content}]
        assert [sent["tools"][0]["max_uses"] for sent in at.sent] == [3, 2, 1]


def test_the_client_is_told_where_it_never_ends(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(text("On and on. "))) as at:
        response = at.ask(streamed=True, input="Rain?", tools=[SEARCH])
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert len(at.sent) == 16


def test_no_token_is_left_after_a_pause(tmp_path: Path) -> None:
    with before_claude(tmp_path, message([text("I look.")], stop="pause_turn", usage={"output_tokens": 20})) as at:
        response = at.ask(streamed=False, input="Rain?", tools=[SEARCH], max_output_tokens=20)
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert len(at.sent) == 1


def test_a_pause_with_calls_of_the_client_waits_for_these(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(search(1), found(1), call("toolu_1", "get_time"))) as at:
        response = at.ask(streamed=True, input="Rain?", tools=[SEARCH, *TOOLS])
        assert response["status"] == "completed"
        assert response["output"][-1]["type"] == "function_call"
        assert len(at.sent) == 1


def test_a_pause_that_cannot_be_gone_on_from_is_an_answer_that_is_not_whole(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(text("I look."))) as at:
        response = at.ask(streamed=True, input="Rain?")
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}


def test_an_upstream_that_breaks_after_a_pause_fails_the_response(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(text("I look.")), Reply(["reset"])) as at:
        response = at.ask(streamed=True, input="Rain?", tools=[SEARCH])
        assert response["status"] == "failed"
        assert response["output"][0]["content"][0]["text"] == "I look."


def test_a_client_of_messages_goes_on_itself(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(search(1))) as at:
        tool = {"type": "web_search_20250305", "name": "web_search"}
        body = {
            "model": at.model,
            "max_tokens": 99,
            "messages": [{"role": "user", "content": "Rain?"}],
            "tools": [tool],
        }
        got = at.gateway.request("POST", "/v1/messages", body=body)
        assert got.json["stop_reason"] == "pause_turn"
        assert got.json["content"] == [search(1)]
        assert len(at.sent) == 1


def test_a_chat_client_sees_one_answer(tmp_path: Path) -> None:
    with before_claude(tmp_path, paused(text("I look. "), search(1)), [found(1), text("It rains.")]) as at:
        body = {"model": at.model, "messages": [{"role": "user", "content": "Rain?"}], "web_search_options": {}}
        choice = at.gateway.request("POST", "/v1/chat/completions", body=body).json["choices"][0]
        assert choice["finish_reason"] == "stop"
        assert choice["message"]["content"] == "I look. It rains."
