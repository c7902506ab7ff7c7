"""Calls and their outputs: in parallel, over turns, replayed by value, and where they do not match."""

from typing import Any

import pytest

from tests.engine.stage import Model, Stage, output_text, user
from tests.helpers.upstream import Reply, Seen, answer, chat_json, stream

TOOLS = [
    {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}
    for name in ("weather", "time")
]
CALLS = [
    {"id": "call_w", "name": "weather", "arguments": '{"city":"Rome"}'},
    {"id": "call_t", "name": "time", "arguments": '{"zone":"CET"}'},
]


def _two_calls(request: Seen) -> Reply:
    """Calls both functions side by side, and then says what they answered."""
    outputs = [message["content"] for message in request.json["messages"] if message["role"] == "tool"]
    if outputs:
        return answer(chat_json(" and ".join(outputs)))
    return stream(*_call_chunks()) if request.wants_stream else answer(chat_json(None, tool_calls=CALLS))


def _call_chunks() -> list[dict[str, Any]]:
    """Both calls, their arguments interleaved."""
    opened = [
        {"index": n, "id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": ""}}
        for n, call in enumerate(CALLS)
    ]
    pieces = [
        {"index": n, "function": {"arguments": call["arguments"][half]}}
        for half in (slice(0, 7), slice(7, None))
        for n, call in enumerate(CALLS)
    ]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [call]} for call in opened]
    deltas += [{"tool_calls": [piece]} for piece in pieces]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]


def _outputs(*call_ids: str) -> list[dict[str, str]]:
    return [{"type": "function_call_output", "call_id": one, "output": f"output of {one}"} for one in call_ids]


@pytest.mark.parametrize("order", [("call_w", "call_t"), ("call_t", "call_w")])
def test_parallel_calls_are_answered_in_any_order_by_previous_response(stage: Stage, order: tuple[str, str]) -> None:
    model = stage.model(_two_calls)
    called = model.stream("Where and when?", tools=TOOLS)
    assert [(item["call_id"], item["name"], item["arguments"]) for item in called.items] == [
        ("call_w", "weather", '{"city":"Rome"}'),
        ("call_t", "time", '{"zone":"CET"}'),
    ]
    final = model.ask(_outputs(*order), previous_response_id=called.response["id"], tools=TOOLS)
    assert set(output_text(final).split(" and ")) == {"output of call_w", "output of call_t"}
    _, assistant, *tools = model.heard()
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_w", "call_t"], "one message holds both calls"
    assert {tool["tool_call_id"]: tool["content"] for tool in tools} == {
        "call_w": "output of call_w",
        "call_t": "output of call_t",
    }


def test_parallel_calls_are_answered_by_full_replay_without_any_state(stage: Stage) -> None:
    model = stage.model(_two_calls)
    called = model.ask("Where and when?", tools=TOOLS, store=False)
    replay = [user("Where and when?"), *called["output"], *_outputs("call_w", "call_t")]
    final = model.ask(replay, tools=TOOLS, store=False)
    assert output_text(final) == "output of call_w and output of call_t"


def test_an_output_without_its_call_is_refused_by_its_id(stage: Stage) -> None:
    model = stage.model(_two_calls)
    called = model.ask("Where and when?", tools=TOOLS)
    problem = model.refuse(
        _outputs("call_w", "call_t", "call_of_nobody"), previous_response_id=called["id"], tools=TOOLS
    )
    assert problem["message"] == "No tool call found for function call output with call_id call_of_nobody."
    assert problem["param"] == "input[2]"
    assert len(model.requests) == 1, "nothing was sent to the provider"


def test_an_output_before_its_call_is_refused(stage: Stage) -> None:
    model = stage.model(_two_calls)
    called = model.ask(tools=TOOLS, store=False)
    problem = model.refuse([*_outputs("call_w"), *called["output"], *_outputs("call_t")], tools=TOOLS)
    assert problem["param"] == "input[0]"


@pytest.mark.parametrize("answered", [[], ["call_w"]])
def test_a_call_that_is_not_answered_is_refused_by_its_id(stage: Stage, answered: list[str]) -> None:
    model = stage.model(_two_calls)
    called = model.ask(tools=TOOLS)
    problem = model.refuse([*_outputs(*answered), user("Well?")], previous_response_id=called["id"])
    assert problem["message"] == "No tool output found for function call call_t."
    assert problem["param"] == "input"


def test_the_same_call_id_may_come_again_in_a_later_turn(stage: Stage) -> None:
    """Some servers number their calls from zero in every answer."""
    call = [{"id": "call_0", "name": "weather", "arguments": "{}"}]
    model = stage.model(
        [
            answer(chat_json(None, tool_calls=call)),
            answer(chat_json(None, tool_calls=call)),
            answer(chat_json("Enough.")),
        ]
    )
    first = model.ask(tools=TOOLS)
    second = model.ask(_outputs("call_0"), previous_response_id=first["id"], tools=TOOLS)
    third = model.ask(_outputs("call_0"), previous_response_id=second["id"], tools=TOOLS)
    assert output_text(third) == "Enough."
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool", "assistant", "tool"]


def test_parallel_calls_that_share_an_id_are_told_apart(stage: Stage) -> None:
    twins = [{"id": "call_0", "name": name, "arguments": "{}"} for name in ("weather", "time")]
    model = stage.model([answer(chat_json(None, tool_calls=twins)), answer(chat_json("Fine."))])
    called = model.ask(tools=TOOLS)
    ids = [item["call_id"] for item in called["output"]]
    assert len(set(ids)) == 2
    assert output_text(model.ask(_outputs(*ids), previous_response_id=called["id"], tools=TOOLS)) == "Fine."


def test_a_call_that_the_choice_does_not_allow_never_reaches_the_client(stage: Stage) -> None:
    model = stage.model(_two_calls)
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]}
    for items in (
        model.stream(tools=TOOLS, tool_choice=choice).items,
        model.ask(tools=TOOLS, tool_choice=choice)["output"],
    ):
        assert [item["name"] for item in items] == ["time"]
    assert [tool["function"]["name"] for tool in model.requests[0].json["tools"]] == ["time"]


def test_a_call_that_was_not_allowed_is_noted_in_the_record(stage: Stage) -> None:
    model = stage.model(_two_calls)
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]}
    response = model.ask(tools=TOOLS, tool_choice=choice)
    (notice,) = model.record(response["id"])["notices"]
    assert (notice["where"], notice["reason"], notice["asked"]) == ("tool_choice", "call_not_allowed", "weather")


def test_without_parallel_calls_only_the_first_one_is_left(stage: Stage) -> None:
    """Whatever the upstream makes of the field."""
    model = stage.model(_two_calls)
    for response in (
        model.stream(tools=TOOLS, parallel_tool_calls=False).response,
        model.ask(tools=TOOLS, parallel_tool_calls=False),
    ):
        assert [item["name"] for item in response["output"]] == ["weather"]
        (notice,) = model.record(response["id"])["notices"]
        assert (notice["where"], notice["reason"], notice["asked"]) == ("parallel_tool_calls", "too_many_calls", "time")


def test_a_turn_with_no_allowed_call_ends_without_output(stage: Stage) -> None:
    model = stage.model(answer(chat_json(None, tool_calls=CALLS[:1])))
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]}
    response = model.ask(tools=TOOLS, tool_choice=choice)
    assert response["output"] == []
    model.ask("Go on", previous_response_id=response["id"])  # there is no call to be answered
    assert [message["role"] for message in model.heard()] == ["user", "user"]


def test_items_of_a_turn_have_ids_of_their_own_beside_the_call_id(stage: Stage) -> None:
    model = stage.model(_two_calls)
    called = model.ask(tools=TOOLS)
    model.ask(_outputs("call_w", "call_t"), previous_response_id=called["id"], tools=TOOLS)
    items = [*called["output"], *_listed(model, called)]
    assert len({item["id"] for item in items}) == len(items)
    assert not {item["id"] for item in items} & {"call_w", "call_t"}


def _listed(model: Model, response: dict[str, Any]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = model.get(f"responses/{response['id']}/input_items").json["data"]
    return data
