"""How long what was stored is kept, and what is kept once."""

import json
from typing import Any

import pytest

from tests.engine.stage import Model, Stage, open_stage
from tests.helpers.upstream import answer, chat_json, echo_brain

DAY_S = 86_400
MONTH_S = 30 * DAY_S


def _expiries(model: Model) -> list[int]:
    return [expires_at for (expires_at,) in model.turns("expires_at")]


def _age(model: Model, seconds: int) -> None:
    """Make what is stored that much older."""
    model.gateway.sql(f"UPDATE responses SET expires_at = expires_at - {seconds} WHERE model = '{model.name}'")  # noqa: S608 - numbers and names of the test's own


def test_a_stored_response_is_kept_for_thirty_days(stage: Stage) -> None:
    model = stage.model(echo_brain)
    response = model.ask()
    assert _expiries(model) == [response["created_at"] + MONTH_S]


def test_a_continuation_keeps_all_earlier_turns_alive(stage: Stage) -> None:
    model = stage.model(echo_brain)
    first = model.ask("One")
    second = model.ask("Two", previous_response_id=first["id"])
    _age(model, 20 * DAY_S)
    third = model.ask("Three", previous_response_id=second["id"])
    assert all(expires_at >= third["created_at"] + MONTH_S - 5 for expires_at in _expiries(model))


def test_an_expired_response_is_gone_and_so_is_what_continues_it(stage: Stage) -> None:
    model = stage.model(echo_brain)
    first = model.ask("One")
    _age(model, MONTH_S + 1)
    second_hand = model.refuse("Two", previous_response_id=first["id"])
    assert second_hand["code"] == "previous_response_not_found"
    path = f"responses/{first['id']}"
    assert [model.get(path).status, model.get(f"{path}/input_items").status, model.delete(first).status] == [404] * 3


def test_nothing_of_an_unstored_response_is_kept_but_its_row(stage: Stage) -> None:
    model = stage.model(echo_brain)
    response = model.ask("A secret question", store=False)
    assert not model.turns("id")
    assert model.get(f"responses/{response['id']}").status == 404
    (run,) = model.runs()
    assert run.response_id == response["id"]
    record = model.record(response["id"])
    assert record["store"] is False
    assert "secret" not in json.dumps(record)


def test_without_a_retention_responses_are_kept_for_ever(tmp_path: Any) -> None:
    with open_stage(tmp_path, config={"store": {"retention_days": 0}}) as stage:
        model = stage.model(echo_brain)
        first = model.ask("One")
        model.ask("Two", previous_response_id=first["id"])
        assert _expiries(model) == [None, None]


def _agents_request(number: int, agent: str) -> dict[str, Any]:
    """About 40 KB: twenty tools and long instructions, the same in every turn."""
    parameters = {
        "type": "object",
        "properties": {f"argument_{n}": {"type": "string", "description": "What it is. " * 8} for n in range(8)},
        "required": ["argument_0"],
    }
    tools = [
        {
            "type": "function",
            "name": f"tool_{n}",
            "description": "What it does. " * 20,
            "parameters": parameters,
            "strict": False,
        }
        for n in range(20)
    ]
    return {"content": f"Turn {number}", "tools": tools, "instructions": f"You are {agent}. " * 600}


def test_what_an_agent_repeats_in_every_turn_is_stored_once_and_echoed_whole(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Done.")))
    request = _agents_request(0, "one")
    assert 35_000 < len(json.dumps(request)) < 60_000
    before = _blobs(model)
    previous = None
    responses = []
    for number in range(4):
        responses.append(model.ask(**_agents_request(number, "one"), previous_response_id=previous))
        previous = responses[-1]["id"]
    assert _blobs(model) == before + 1
    for response in responses:
        assert response["tools"] == request["tools"]
        assert response["instructions"] == request["instructions"]
        assert model.get(f"responses/{response['id']}").json == response
    sizes = [size for (size,) in model.turns("length(response) + length(input) + coalesce(length(echo), 0)")]
    assert max(sizes) < 4096, "a turn's own row is small"
    assert len(model.requests[-1].json["tools"]) == 20


def test_deleting_one_turn_leaves_what_others_share(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Done.")))
    first, second = (model.ask(**_agents_request(number, "two")) for number in range(2))
    model.delete(first)
    assert model.get(f"responses/{second['id']}").json == second


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_stored_once_is_stored_for_each_tenant(stage: Stage, shared: bool) -> None:
    """Otherwise one tenant could learn from a size or a time what another one has sent."""
    model = stage.model(answer(chat_json("Done.")))
    other = model if shared else model.as_tenant("retention-stranger")
    instructions = f"Shared or not: {shared}. " * 500
    before = _blobs(model)
    model.ask(instructions=instructions)
    other.ask(instructions=instructions)
    assert _blobs(model) == before + (1 if shared else 2)


def _blobs(model: Model) -> int:
    ((count,),) = model.gateway.sql("SELECT count(*) FROM blobs")
    return int(count)
