"""`item_reference`: an item named by its id stands for the item, wherever it was stored."""

import pytest

from tests.engine.stage import Stage, output_text, user
from tests.helpers.upstream import answer, chat_json, echo_brain, error, stream, text_chunks

TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
CALL = {"id": "call_1", "name": "weather", "arguments": "{}"}


def _reference(item_id: str) -> dict[str, str]:
    return {"type": "item_reference", "id": item_id}


def test_a_client_may_replay_by_reference_instead_of_continuing(stage: Stage) -> None:
    model = stage.model([answer(chat_json(None, tool_calls=[CALL])), answer(chat_json("Sunny."))])
    called = model.ask("Weather?", tools=TOOLS)
    (call,) = called["output"]
    replay = [
        user("Weather?"),
        _reference(call["id"]),
        {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
    ]
    assert output_text(model.ask(replay, tools=TOOLS)) == "Sunny."
    assert [message["role"] for message in model.heard()] == ["user", "assistant", "tool"]


def test_a_reference_may_leave_its_type_out(stage: Stage) -> None:
    model = stage.model([answer(chat_json("First.")), answer(chat_json("Second."))])
    (message,) = model.ask("One")["output"]
    model.ask([user("One"), {"id": message["id"]}, user("Two")])
    assert [heard["content"] for heard in model.heard()] == ["One", "First.", "Two"]


def test_references_reach_into_several_responses_and_their_inputs(stage: Stage) -> None:
    model = stage.model(echo_brain)
    responses = [model.ask(f"Question {number}") for number in range(2)]
    inputs = [model.get(f"responses/{one['id']}/input_items").json["data"][0]["id"] for one in responses]
    model.ask([*map(_reference, reversed(inputs)), user("So?")])
    assert [heard["content"] for heard in model.heard()] == ["Question 1", "Question 0", "So?"]


def test_a_reference_goes_on_working_when_what_it_was_used_in_is_continued(stage: Stage) -> None:
    model = stage.model([answer(chat_json(text)) for text in ("First.", "Second.", "Third.")])
    (message,) = model.ask("One")["output"]
    second = model.ask([_reference(message["id"]), user("Two")])
    model.ask("Three", previous_response_id=second["id"])
    assert [heard["content"] for heard in model.heard()] == ["First.", "Two", "Second.", "Three"]


def test_a_reference_inside_its_own_conversation_is_listed_under_an_id_of_its_own(stage: Stage) -> None:
    """Otherwise a client that pages through the items by id never comes to an end."""
    model = stage.model(answer(chat_json("Yes.")))
    first = model.ask("One")
    second = model.ask([_reference(first["output"][0]["id"]), user("Two")], previous_response_id=first["id"])
    items, after = [], ""
    while True:
        page = model.get(f"responses/{second['id']}/input_items?limit=1&order=asc{after}").json
        items += page["data"]
        if not page["has_more"]:
            break
        assert len(items) < 10, "the list has no end"
        after = f"&after={page['last_id']}"
    assert [item["content"][0]["text"] for item in items] == ["One", "Yes.", "Yes.", "Two"]
    assert len({item["id"] for item in items}) == 4


@pytest.mark.parametrize(
    "name", ["msg_" + "0" * 36, "msg_unknown", "rs_67ccd2bed1ec8190b14f964abc054267", "", "x" * 3000]
)
def test_an_unknown_item_is_named(stage: Stage, name: str) -> None:
    model = stage.model(echo_brain)
    problem = model.refuse([user("One"), _reference(name)], status=404)
    assert (problem["code"], problem["param"]) == ("item_not_found", "input[1].id")
    assert name[:80] in problem["message"]
    assert not model.requests


def test_another_tenants_item_is_not_found_in_the_same_words(stage: Stage) -> None:
    model = stage.model(echo_brain)
    secret = model.ask("Secret")["output"][0]["id"]
    unknown = "msg_" + "7" * 36
    stranger = model.as_tenant("reference-stranger")
    foreign = stranger.refuse([_reference(secret)], status=404)
    missing = stranger.refuse([_reference(unknown)], status=404)
    assert foreign["message"].replace(secret, unknown) == missing["message"]
    assert {**foreign, "message": ""} == {**missing, "message": ""}


def test_items_of_responses_that_were_not_stored_or_were_deleted_are_unknown(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Yes.")))
    unstored = model.ask(store=False)["output"][0]["id"]
    deleted = model.ask()
    model.delete(deleted)
    for name in (unstored, deleted["output"][0]["id"]):
        assert model.refuse([_reference(name)], status=404)["code"] == "item_not_found"


def test_an_item_that_was_cut_short_cannot_be_referenced(stage: Stage) -> None:
    model = stage.model([stream(*text_chunks("Once upon", finish="length")), error(500, "not to be asked")])
    cut = model.stream("Tell me").items[0]
    assert cut["status"] == "incomplete"
    assert model.refuse([_reference(cut["id"])], status=404)["code"] == "item_not_found"
