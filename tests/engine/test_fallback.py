"""Several places for one name: who is asked, who answers, and what is left of those that failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stage import Json, output_text
from tests.helpers.gateway import Gateway
from tests.helpers.pair import Pair, open_pair
from tests.helpers.stream import check_response
from tests.helpers.upstream import (
    Part,
    Reply,
    ThreadedUpstream,
    answer,
    answer_like,
    chat_json,
    error,
    sse,
    stream,
    text_chunks,
    tool_call_chunks,
)

EVENTS = {"content-type": "text/event-stream"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with open_pair(
        tmp_path_factory.mktemp("pair"), limits={"first_byte_s": 0.5}, retries={"budget_percent": 100}
    ) as opened:
        yield opened


def test_the_second_answers_when_the_first_is_overloaded(pair: Pair) -> None:
    pair.script(error(503, "Busy."), answer(chat_json("Here.")))
    response, got = pair.whole()
    assert output_text(response) == "Here."
    assert pair.asked == [1, 1]
    assert got.headers["x-actual-model"] == f"two/{pair.model}"
    assert got.headers["x-fallback-used"] == "true"
    assert got.headers["x-fallback-from"] == pair.model
    assert got.headers["x-fallback-reason"] == "upstream_overloaded"


def test_a_stream_tells_it_in_its_headers_too(pair: Pair) -> None:
    pair.script(error(503, "Busy."), stream(*text_chunks("Here.")))
    checked, got = pair.stream()
    assert checked.text == "Here."
    assert got.headers["x-actual-model"] == f"two/{pair.model}"
    assert got.headers["x-fallback-reason"] == "upstream_overloaded"


def test_nothing_is_told_when_the_first_answers(pair: Pair) -> None:
    pair.script(answer(chat_json("Here.")), error(500, "Not asked."))
    _, got = pair.whole()
    assert got.headers["x-actual-model"] == f"one/{pair.model}"
    assert not [name for name in got.headers if name.startswith("x-fallback")]
    assert pair.asked == [1, 0]


def test_the_same_place_is_asked_once_more_before_the_next_is(pair: Pair) -> None:
    pair.script([error(500, "Boom."), answer(chat_json("Again."))], error(500, "Not asked."))
    response, got = pair.whole()
    assert output_text(response) == "Again."
    assert pair.asked == [2, 0]
    assert "x-fallback-used" not in got.headers
    record = pair.record(response["id"])
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["upstream_error", "served"]
    assert record["attempts"][0]["decision"] == "retry"
    assert 0 <= record["attempts"][0]["wait"] <= 500


def test_every_attempt_and_verdict_stands_in_the_record(pair: Pair) -> None:
    pair.script(error(500, "Boom."), answer(chat_json("Here.")))
    response, _ = pair.whole()
    assert pair.asked == [2, 1]
    record = pair.record(response["id"])
    assert [(one["target"], one["verdict"]) for one in record["candidates"]] == [
        (f"one/{pair.model}", "failed"),
        (f"two/{pair.model}", "served"),
    ]
    assert [(one["number"], one["target"], one.get("decision")) for one in record["attempts"]] == [
        (1, f"one/{pair.model}", "retry"),
        (2, f"one/{pair.model}", "next_candidate"),
        (3, f"two/{pair.model}", None),
    ]
    assert [one["status"] for one in record["attempts"]] == [500, 500, 200]


def test_attempts_end_and_the_last_fault_is_told(pair: Pair) -> None:
    pair.script(error(500, "Boom."), error(503, "Busy."))
    got = pair.send()
    assert (got.status, got.json["error"]["code"]) == (503, "upstream_overloaded")
    assert pair.asked == [2, 1]


def test_the_client_is_told_what_passes_rather_than_what_the_operator_must_mend(pair: Pair) -> None:
    pair.script(error(429, "Slow down.", headers={"retry-after": "7"}), error(401, "Wrong key."))
    got = pair.send()
    assert (got.status, got.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert got.headers["retry-after"] == "7"


def test_the_run_is_counted_for_the_one_that_answered(pair: Pair) -> None:
    told = chat_json("Here.")
    pair.script(error(503, "Busy."), answer(told))
    response, _ = pair.whole(store=True)
    raw = response["id"].removeprefix("resp_")
    (row,) = pair.gateway.sql(
        f"SELECT provider, upstream_model, input_tokens, status FROM runs WHERE id = x'{raw}'"  # noqa: S608 - hex digits
    )
    assert row == ("two", pair.model, told["usage"]["prompt_tokens"], "completed")


def test_what_failed_leaves_no_trace_in_the_answer(pair: Pair) -> None:
    """It opened, told its usage, its tier and its fingerprint, and then broke without a word of output."""
    told: Json = {"id": "x", "choices": [], "model": "other", "service_tier": "flex", "system_fingerprint": "fp_bad"}
    usage = {"prompt_tokens": 999, "completion_tokens": 999, "total_tokens": 1998}
    empty = text_chunks("")[0]
    pair.script(
        stream(told, {**empty, "usage": usage}, "reset", done=False),
        stream(*text_chunks("Here.")),
    )
    checked, got = pair.stream()
    assert pair.asked == [2, 1]
    assert checked.text == "Here."
    assert checked.response["usage"]["input_tokens"] == 11
    assert checked.response["service_tier"] != "flex"
    assert [event["sequence_number"] for event in checked.events] == list(range(len(checked.events)))
    assert got.headers["x-fallback-reason"] == "upstream_reset"
    pair.script(
        stream(told, {**empty, "usage": usage}, "reset", done=False),
        stream(*text_chunks("Here.")),
    )
    chat = pair.gateway.request(
        "POST",
        "/v1/chat/completions",
        body={"model": pair.model, "messages": [{"role": "user", "content": "Hi"}], "stream": True},
    )
    assert b"fp_bad" not in chat.body
    assert b"999" not in chat.body


def test_after_output_nobody_else_is_asked(pair: Pair) -> None:
    spoken: list[Part] = [*sse(*text_chunks("Hello")[:2], done=False), "reset"]
    pair.script(Reply(spoken, headers=EVENTS, framing="chunked"), answer(chat_json("Not asked.")))
    checked, _ = pair.stream()
    assert checked.response["status"] == "failed"
    assert checked.text == "Hello"
    assert pair.asked == [1, 0]
    record = pair.record(checked.response["id"])
    assert record["attempts"][0]["decision"] == "stop_output_sent"
    assert [one["verdict"] for one in record["candidates"]] == ["failed", "not_needed"]


def test_a_call_that_was_begun_is_output(pair: Pair) -> None:
    begun = sse(*tool_call_chunks("f", '{"a":1}')[:2], done=False)
    pair.script(Reply([*begun, "reset"], headers=EVENTS, framing="chunked"), answer(chat_json("Not asked.")))
    checked, _ = pair.stream(tools=[{"type": "function", "name": "f"}])
    assert checked.response["status"] == "failed"
    assert pair.asked == [1, 0]


def test_a_place_that_does_not_begin_in_time_is_left_for_the_next(pair: Pair) -> None:
    pair.script(Reply(["stall"], framing="raw"), lambda seen: answer_like(seen, "Here."))
    checked, got = pair.stream()
    assert checked.text == "Here."
    assert pair.asked == [1, 1]
    assert got.headers["x-fallback-reason"] == "upstream_timeout"


@pytest.mark.parametrize("status", [400, 422])
def test_what_is_wrong_with_the_request_is_not_asked_elsewhere(pair: Pair, status: int) -> None:
    pair.script(error(status, "Bad tool."), answer(chat_json("Not asked.")))
    assert pair.send().status == 400
    assert pair.asked == [1, 0]


def test_what_one_cannot_be_told_is_told_another(tmp_path: Path) -> None:
    tools = [{"type": "image_generation"}]
    with open_pair(tmp_path, second={"protocol": "responses", "quirks": "openai"}) as pair:
        pair.script(
            answer(chat_json("Not asked.")),
            answer(
                {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [_message("Here.")]}
            ),
        )
        response, got = pair.whole(tools=tools)
        assert output_text(response) == "Here."
        assert pair.asked == [0, 1]
        assert got.headers["x-fallback-used"] == "true"
        record = pair.record(response["id"])
        assert [one["verdict"] for one in record["candidates"]] == ["tool_missing", "served"]
        assert len(record["attempts"]) == 1


def test_who_is_asked_again_because_the_next_cannot_be_told_is_the_one_that_served(tmp_path: Path) -> None:
    native = {"protocol": "responses", "quirks": "openai"}
    with open_pair(tmp_path, both=native, second={"protocol": "chat", "quirks": "generic"}) as pair:
        spoken = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [_message("Now.")]}
        pair.script(
            [error(429, "Slow down.", headers={"retry-after-ms": "10"}), answer(spoken)],
            answer(chat_json("Not asked.")),
        )
        response, got = pair.whole(tools=[{"type": "image_generation"}])
        assert output_text(response) == "Now."
        assert pair.asked == [2, 0]
        assert "x-fallback-used" not in got.headers
        record = pair.record(response["id"])
        assert [(one["target"], one["verdict"]) for one in record["candidates"]] == [
            (f"one/{pair.model}", "served"),
            (f"two/{pair.model}", "tool_missing"),
        ]
        assert [one.get("decision") for one in record["attempts"]] == ["retry", None]


def _message(text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def test_what_nobody_can_be_told_is_refused_with_the_first_ones_reason(pair: Pair) -> None:
    pair.script(answer(chat_json("Not asked.")), answer(chat_json("Not asked.")))
    got = pair.send(tools=[{"type": "mcp", "server_label": "s", "server_url": "https://example.com/mcp"}])
    assert got.status == 400
    assert got.json["error"]["param"].startswith("tools")
    assert pair.asked == [0, 0]


def test_one_that_asks_for_a_short_pause_is_waited_for_when_it_is_alone(tmp_path: Path) -> None:
    replies = [error(429, "Slow down.", headers={"retry-after-ms": "30"}), answer(chat_json("Now."))]
    with ThreadedUpstream(replies) as up, Gateway(up.url, tmp_path, config=_again()) as gateway:
        got = gateway.create(input="Hi")
        assert output_text(check_response(got.json)) == "Now."
        record = gateway.request("GET", f"/v1/antiphon/runs/{got.json['id']}").json
        assert 30 <= record["attempts"][0]["wait"] <= 30 + 250


def test_one_that_asks_for_a_long_pause_is_not(tmp_path: Path) -> None:
    replies = [error(429, "Slow down.", headers={"retry-after": "60"}), answer(chat_json("Not asked."))]
    with ThreadedUpstream(replies) as up, Gateway(up.url, tmp_path, config=_again()) as gateway:
        got = gateway.create(input="Hi")
        assert (got.status, got.headers["retry-after"]) == (429, "60")
        assert len(up.requests) == 1


def test_an_outage_does_not_multiply_the_requests(tmp_path: Path) -> None:
    """Ten repeats in a minute, whatever the number of requests below a hundred."""
    with ThreadedUpstream(error(500, "Boom.")) as up, Gateway(up.url, tmp_path, config=_quick()) as gateway:
        for _ in range(12):
            assert gateway.create(input="Hi").status == 502
        assert len(up.requests) == 12 + 10


def test_a_place_that_fails_time_and_again_is_spared_while_there_is_another(tmp_path: Path) -> None:
    with open_pair(tmp_path, retries={"max_wait_s": 0}) as pair:
        pair.script(error(500, "Boom."), answer(chat_json("Here.")))
        for _ in range(3):
            assert pair.whole()[1].headers["x-fallback-used"] == "true"
        assert pair.asked == [5, 3], "the fifth failure in a row opens its circuit, in the third request"
        response, got = pair.whole()
        assert pair.asked == [5, 4]
        assert got.headers["x-actual-model"] == f"two/{pair.model}"
        record = pair.record(response["id"])
        assert [(one["target"], one["verdict"]) for one in record["candidates"]] == [
            (f"two/{pair.model}", "served"),
            (f"one/{pair.model}", "circuit_open"),
        ]
        metrics = pair.gateway.request("GET", "/metrics").body.decode()
        assert 'antiphon_spared_targets{provider="one",reason="circuit_open"} 1.0' in metrics
        assert 'antiphon_attempts_total{outcome="upstream_error",provider="one"} 5.0' in metrics
        assert 'antiphon_attempts_total{outcome="served",provider="two"} 4.0' in metrics


def test_a_place_that_wants_a_pause_is_spared_and_asked_again_when_it_is_alone(tmp_path: Path) -> None:
    with open_pair(tmp_path) as pair:
        pair.script(error(429, "Slow down.", headers={"retry-after": "60"}), answer(chat_json("Here.")))
        pair.whole()
        pair.whole()
        assert pair.asked == [1, 2]
        got = pair.send(model=f"one/{pair.model}")
        assert got.status == 429
        assert pair.asked == [2, 2]


def test_a_key_that_is_refused_is_spared_for_all_models_of_its_provider(tmp_path: Path) -> None:
    with open_pair(tmp_path, second={"models": ["m-*", "n"]}) as pair:
        pair.script(error(401, "Wrong key."), answer(chat_json("Here.")))
        assert pair.whole()[1].headers["x-fallback-reason"] == "upstream_credential_error"
        response, _ = pair.whole()
        assert pair.asked == [1, 2]
        assert pair.record(response["id"])["candidates"][1]["verdict"] == "cooling_down"


def _again() -> Json:
    return {"retries": {"attempts": 3}}


def _quick() -> Json:
    return {"retries": {"attempts": 3, "max_wait_s": 0}}
