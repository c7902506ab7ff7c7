"""Continuing a response: what the model hears of earlier turns, and which turns cannot be continued."""

import http.client
import threading
from typing import Any, Self

import msgspec
import pytest

from tests.engine.stage import Model, Stage, user
from tests.helpers.chat_wire import JSON
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, answer, chat_json, echo_brain, stream, text_chunks, tool_call_chunks

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]


def test_all_earlier_turns_are_heard_in_order(stage: Stage) -> None:
    model = stage.model([answer(chat_json(f"Answer {n}.")) for n in range(3)])
    previous = None
    for number in range(3):
        previous = model.ask(f"Question {number}?", previous_response_id=previous)["id"]
    assert model.heard() == [
        {"role": "user", "content": "Question 0?"},
        {"role": "assistant", "content": "Answer 0."},
        {"role": "user", "content": "Question 1?"},
        {"role": "assistant", "content": "Answer 1."},
        {"role": "user", "content": "Question 2?"},
    ]


def test_a_turn_may_be_continued_in_two_ways(stage: Stage) -> None:
    model = stage.model(echo_brain)
    root = model.ask("Root")
    for branch in ("left", "right"):
        model.ask(branch, previous_response_id=root["id"])
        assert [message["content"] for message in model.heard() if message["role"] == "user"] == ["Root", branch]


def test_input_may_be_left_out_of_a_continuation(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    first = model.ask("Question?")
    got = model.gateway.create(model=model.name, previous_response_id=first["id"])
    assert got.status == 200
    assert [message["role"] for message in model.heard()] == ["user", "assistant"]


def test_instructions_hold_for_one_turn_only(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    first = model.ask("Question?", instructions="Speak like a pirate.")
    second = model.ask("And?", previous_response_id=first["id"])
    assert second["instructions"] is None
    assert "pirate" not in msgspec.json.encode(model.heard()).decode()
    third = model.ask("And?", previous_response_id=second["id"], instructions="Be brief.")
    assert third["instructions"] == "Be brief."
    assert model.heard()[0] == {"role": "system", "content": "Be brief."}


def test_tools_hold_for_one_turn_only(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    first = model.ask("Question?", tools=TOOLS)
    second = model.ask("And?", previous_response_id=first["id"])
    assert second["tools"] == []
    assert "tools" not in model.requests[-1].json


def test_a_deleted_turn_in_the_middle_ends_the_conversation(stage: Stage) -> None:
    model = stage.model(echo_brain)
    first = model.ask("One")
    second = model.ask("Two", previous_response_id=first["id"])
    third = model.ask("Three", previous_response_id=second["id"])
    assert model.delete(second).status == 200
    problem = model.refuse("Four", previous_response_id=third["id"])
    assert (problem["code"], problem["param"]) == ("previous_response_not_found", "previous_response_id")
    assert model.get(f"responses/{third['id']}").status == 200, "it is only no longer continued"
    assert model.ask("Two again", previous_response_id=first["id"])["status"] == "completed"


def test_deleting_a_middle_turn_leaves_the_last_ones_own_input_readable(stage: Stage) -> None:
    model = stage.model(echo_brain)
    first = model.ask("One")
    second = model.ask("Two", previous_response_id=first["id"])
    model.delete(first)
    (item,) = model.get(f"responses/{second['id']}/input_items").json["data"]
    assert item["content"] == [{"type": "input_text", "text": "Two"}]


@pytest.mark.parametrize(
    "name",
    [
        "resp_unknown",
        "resp_" + "0" * 32,
        "",
        "msg_" + "0" * 36,
        "resp_" + "A" * 32,
        "x" * 5000,
        "resp_'; DROP TABLE runs",
    ],
)
def test_whatever_is_no_response_of_ours_is_not_found(stage: Stage, name: str) -> None:
    problem = stage.model(echo_brain).refuse(previous_response_id=name)
    assert problem["code"] == "previous_response_not_found"
    assert len(problem["message"]) < 200


def test_another_tenants_response_is_not_found_in_the_same_words(stage: Stage) -> None:
    model = stage.model(echo_brain)
    mine = model.ask("Secret")
    stranger = model.as_tenant("continuation-stranger")
    unknown = "resp_" + "7" * 32
    foreign = stranger.refuse(previous_response_id=mine["id"])
    missing = stranger.refuse(previous_response_id=unknown)
    assert msgspec.json.encode(foreign).decode().replace(mine["id"], unknown) == msgspec.json.encode(missing).decode()
    assert stranger.get(f"responses/{mine['id']}").status == 404
    assert stranger.get(f"responses/{mine['id']}/input_items").status == 404
    assert stranger.get(f"antiphon/runs/{mine['id']}").status == 404
    assert stranger.delete(mine).status == 404


def test_an_incomplete_turn_is_continued_with_the_items_that_were_finished(stage: Stage) -> None:
    model = stage.model([_two_calls_cut_by_length(), answer(chat_json("Fine."))])
    cut = model.stream("Weather?", tools=TOOLS)
    assert cut.response["status"] == "incomplete"
    assert [item["status"] for item in cut.items] == ["completed", "incomplete"]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    model.ask([output], previous_response_id=cut.response["id"], tools=TOOLS)
    _, assistant, tool = model.heard()
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1"]
    assert tool["content"] == "rain"


def test_a_failed_turn_is_continued_with_the_items_that_were_finished(stage: Stage) -> None:
    broken = stream(*tool_call_chunks("weather", "{}")[:3], *text_chunks("And so")[1:2], "close", done=False)
    model = stage.model([broken, answer(chat_json("Fine."))])
    failed = model.stream("Weather?", tools=TOOLS)
    assert failed.response["status"] == "failed"
    assert [(item["type"], item["status"]) for item in failed.items] == [
        ("function_call", "completed"),
        ("message", "incomplete"),
    ]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    model.ask([output], previous_response_id=failed.response["id"], tools=TOOLS)
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool"]


def test_a_cancelled_turn_is_continued_without_the_item_that_was_cut(stage: Stage) -> None:
    model = stage.model([stream(*text_chunks("Once upon a time")[:2], "stall"), answer(chat_json("Fine."))])
    response_id = _leave_after(model, b"output_text.delta")
    _until_status(model, response_id, "cancelled")
    model.ask("Go on", previous_response_id=response_id)
    assert [message["role"] for message in model.heard()] == ["user", "user"]


def test_a_turn_in_progress_cannot_be_continued(stage: Stage) -> None:
    gate = Gate()
    chunks = text_chunks("Once", " upon a time")
    model = stage.model([stream(*chunks[:2], gate, *chunks[2:]), answer(chat_json("Fine."))])
    with _Open(model) as running:
        running.read_until(b"output_text.delta")
        problem = model.refuse("Go on", previous_response_id=running.response_id)
        assert problem["code"] == "response_in_progress"
        assert problem["param"] == "previous_response_id"
        stranger = model.as_tenant("progress-stranger")
        assert stranger.refuse(previous_response_id=running.response_id)["code"] == "previous_response_not_found"
        snapshot = model.get(f"responses/{running.response_id}").json
        assert snapshot["status"] == "in_progress"
        assert snapshot["output"][0]["content"][0]["text"] == "Once"
        gate.open()
        checked = check_stream(running.read_all())
    assert checked.text == "Once upon a time"
    model.ask("Go on", previous_response_id=running.response_id)


def _two_calls_cut_by_length() -> Reply:
    """The first call is whole; the second one stops in the middle of its arguments."""
    chunks: list[JSON] = tool_call_chunks("weather", "{}")[:3]
    begun = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    chunks.append({"choices": [{"index": 0, "delta": {"tool_calls": [begun]}, "finish_reason": None}]})
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
    return stream(*chunks)


class _Open:
    """A stream that is read piece by piece."""

    def __init__(self, model: Model) -> None:
        self._connection = http.client.HTTPConnection(*model.gateway.address, timeout=30)
        body = msgspec.json.encode({"model": model.name, "input": [user("Hello")], "stream": True})
        headers = {"content-type": "application/json", "authorization": f"Bearer {model.gateway.key}"}
        self._connection.request("POST", "/v1/responses", body, headers)
        self._answer = self._connection.getresponse()
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def response_id(self) -> str:
        found: Any = msgspec.json.decode(self.received.split(b"data: ", 1)[1].split(b"\n", 1)[0])
        return str(found["response"]["id"])

    def read_until(self, mark: bytes) -> None:
        while mark not in self.received:
            piece = self._answer.read1(65536)
            assert piece, self.received
            self.received += piece

    def read_all(self) -> bytes:
        return self.received + self._answer.read()


def _leave_after(model: Model, mark: bytes) -> str:
    with _Open(model) as running:
        running.read_until(mark)
        return running.response_id


def _until_status(model: Model, response_id: str, status: str) -> None:
    """The gateway notices that its client has left in its own time."""
    pause = threading.Event()
    for _ in range(500):
        got = model.get(f"responses/{response_id}")
        if got.status == 200 and got.json["status"] == status:
            return
        pause.wait(0.01)
    raise AssertionError(f"it never became {status}")
