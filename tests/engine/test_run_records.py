"""The run record: what happened, in order, without a word of what was said."""

from pathlib import Path
from typing import Any

from tests.engine.stage import Stage
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import (
    Reply,
    ThreadedUpstream,
    answer,
    chat_json,
    error,
    stream,
    text_chunks,
    tool_call_chunks,
)

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
Json = dict[str, Any]


def _talk() -> Reply:
    thought: Json = {"choices": [{"index": 0, "delta": {"reasoning_content": "OUTPUT-SECRET"}}]}
    return stream(thought, *text_chunks("OUTPUT-SECRET")[:2], *tool_call_chunks("weather", '{"a":"OUTPUT-SECRET"}'))


def test_facts_stand_in_the_record(stage: Stage) -> None:
    model = stage.model(_talk())
    first = model.stream("One", tools=TOOLS, metadata={"ticket": "42"}).response
    record = model.record(first["id"])
    assert record["id"] == first["id"]
    assert record["tenant"] == "default"
    assert record["model"] == model.name
    assert (record["stream"], record["store"], record["status"]) == (True, True, "completed")
    assert record["created_at"] == first["created_at"]
    assert record["metadata"] == {"ticket": "42"}
    caller = record["caller"]
    assert caller["request_id"].startswith("req_")
    assert caller["key_name"] == "test"
    assert caller["client_address"] == "127.0.0.1"
    assert "previous_response_id" not in record


def test_the_record_names_what_it_continues_and_the_clients_own_request_id(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    first = model.ask("One")
    got = model.gateway.request(
        "POST",
        "/v1/responses",
        body={"model": model.name, "input": "Two", "previous_response_id": first["id"]},
        headers={"x-request-id": "my-request.1", "user-agent": "my-agent/2"},
    )
    assert got.headers["x-request-id"] == "my-request.1"
    record = model.record(got.json["id"])
    assert record["previous_response_id"] == first["id"]
    assert record["caller"]["request_id"] == "my-request.1"
    assert record["caller"]["user_agent"] == "my-agent/2"


def test_offsets_only_grow(stage: Stage) -> None:
    model = stage.model(_talk())
    record = model.record(model.stream("One", tools=TOOLS).response["id"])
    timing = record["timing"]
    in_order = [timing[name] for name in ("history", "routed", "encoded", "first_event", "finished")]
    assert in_order == sorted(in_order)
    assert in_order[0] >= 0
    (attempt,) = record["attempts"]
    steps = [timing["encoded"], *(attempt[name] for name in ("start", "first_byte", "first_delta", "end"))]
    assert [*steps, timing["finished"]] == sorted([*steps, timing["finished"]])
    for item in record["items"]:
        assert timing["first_event"] <= item["start"] <= item["end"] <= timing["finished"]


def test_the_attempt_and_its_place_are_told(stage: Stage) -> None:
    model = stage.model(answer({**chat_json("Hi."), "id": "chatcmpl-77", "model": "the-real-model"}))
    record = model.record(model.ask()["id"])
    assert record["candidates"] == [{"target": model.name, "verdict": "served"}]
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["target"], attempt["status"], attempt["outcome"]) == (
        1,
        model.name,
        200,
        "served",
    )
    assert (attempt["upstream_id"], attempt["upstream_model"], attempt["stop"]) == (
        "chatcmpl-77",
        "the-real-model",
        "stop",
    )
    assert attempt["credential"] == "test"


def test_every_item_stands_there_with_the_numbers_of_its_events(stage: Stage) -> None:
    model = stage.model(_talk())
    checked = model.stream("One", tools=TOOLS)
    items = model.record(checked.response["id"])["items"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call"]
    assert items[2]["name"] == "weather"
    for item, sent in zip(items, checked.items, strict=True):
        assert item["id"] == sent["id"]
        own = [e["sequence_number"] for e in checked.events if e.get("output_index") == item["output_index"]]
        assert (item["first_sequence"], item["last_sequence"]) == (own[0], own[-1])


def test_no_word_of_what_was_said_stands_in_it(stage: Stage) -> None:
    model = stage.model(_talk())
    response = model.stream(
        [{"role": "user", "content": "INPUT-SECRET"}], tools=TOOLS, instructions="INPUT-SECRET"
    ).response
    got = model.get(f"antiphon/runs/{response['id']}").body
    assert b"SECRET" not in got
    assert b"sk-" not in got


def test_what_was_left_out_stands_there_as_notices(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    response = model.ask(tools=[{"type": "web_search"}], service_tier="flex", new_field=1)
    notices = {notice["where"]: notice["kind"] for notice in model.record(response["id"])["notices"]}
    assert notices == {"tools[0].web_search": "dropped", "service_tier": "dropped", "new_field": "dropped"}


def test_a_run_that_failed_before_its_status_has_a_record_too(stage: Stage) -> None:
    model = stage.model(error(400, "No such thing: INPUT-SECRET", type="invalid_request_error"))
    model.refuse("INPUT-SECRET")
    (run,) = model.runs()
    record = model.record(run.response_id)
    assert record["status"] == "failed"
    assert record["error"]
    (attempt,) = record["attempts"]
    assert (attempt["status"], attempt["decision"]) == (400, "stop_not_retryable")
    assert record["candidates"][0]["verdict"] == "failed"
    assert "SECRET" not in str(record)
    assert model.get(f"responses/{run.response_id}").status == 404, "there is no response"


def test_a_run_that_failed_in_mid_stream_says_that_output_was_sent(stage: Stage) -> None:
    model = stage.model(stream(*text_chunks("Once", " upon")[:3], "close"))
    response = model.stream().response
    assert response["status"] == "failed"
    record = model.record(response["id"])
    assert (record["status"], record["error"]) == ("failed", response["error"]["reason"])
    assert record["attempts"][0]["decision"] == "stop_output_sent"
    assert record["items"][0]["end"] is not None


def test_a_run_that_never_found_a_model_is_recorded(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    model.name = "no-provider/at-all"
    model.refuse(status=404)
    (run,) = model.runs()
    assert (run.status, run.error_code) == ("failed", "model_not_found")


def test_the_first_line_is_kept_only_where_the_operator_asks_for_it(tmp_path: Path) -> None:
    with ThreadedUpstream(stream(*text_chunks("Hello"))) as up:
        (tmp_path / "on").mkdir()
        (tmp_path / "off").mkdir()
        with Gateway(up.url, tmp_path / "on", config={"store": {"first_line": True}}) as gateway:
            name = gateway.create(input="Remember the milk\nand the bread").json["id"]
            record = gateway.request("GET", f"/v1/antiphon/runs/{name}").json
            assert record["first_line"] == "Remember the milk"
        with Gateway(up.url, tmp_path / "off") as gateway:
            name = gateway.create(input="Remember the milk").json["id"]
            assert "first_line" not in gateway.request("GET", f"/v1/antiphon/runs/{name}").json


def test_offsets_count_from_the_arrival_of_the_request(tmp_path: Path) -> None:
    with ThreadedUpstream(stream(*text_chunks("Hello"))) as up, Gateway(up.url, tmp_path) as gateway:
        name = gateway.create(input="Hi", stream=True).body.split(b'"id":"')[1][:37].decode()
        timing = gateway.request("GET", f"/v1/antiphon/runs/{name}").json["timing"]
    order = ["authenticated", "read", "history", "routed", "encoded", "first_event", "finished"]
    assert [timing[name] for name in order] == sorted(timing[name] for name in order)
    assert timing["first_text"] >= timing["first_event"]
