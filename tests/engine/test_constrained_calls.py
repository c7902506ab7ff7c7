"""Calls from a model that cannot call: what it is asked, and what becomes of its answers, through every door."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.stream import check_response, check_stream, output_text
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, answer_like, chat_json, error

Json = dict[str, Any]

CALL = '{"name": "set_heat", "arguments": {"room": "kitchen", "degrees": 21, "on": true}}'
ARGUMENTS = '{"room": "kitchen", "degrees": 21, "on": true}'
PARAMETERS: Json = {
    "type": "object",
    "properties": {
        "room": {"type": "string", "enum": ["kitchen", "bath"]},
        "degrees": {"type": "integer"},
        "on": {"type": "boolean"},
        "why": {"type": "string"},
    },
    "required": ["room", "degrees", "on"],
}
HEAT: Json = {"type": "function", "name": "set_heat", "description": "Heats a room.", "parameters": PARAMETERS}
WEATHER: Json = {"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": None}


class House:
    """A gateway before a scripted model that cannot call."""

    gateway: Gateway
    upstream: ThreadedUpstream

    def __init__(self) -> None:
        self.replies: list[str | Reply] = []

    def reply(self, seen: Seen) -> Reply:
        said = self.replies.pop(0) if self.replies else error(400, "nothing more to say")
        return answer_like(seen, said) if isinstance(said, str) else said

    def script(self, *replies: str | Reply) -> None:
        self.replies = list(replies)
        self._from = len(self.upstream.requests)

    @property
    def heard(self) -> list[Json]:
        return [seen.json for seen in self.upstream.requests[self._from :]]

    def create(self, **body: Any) -> Answer:
        return self.gateway.create(**{"input": "Heat the kitchen.", "tools": [HEAT, WEATHER], "store": False, **body})

    def response(self, **body: Any) -> Json:
        got = self.create(**body)
        assert got.status == 200, got.body
        return check_response(got.json)

    def record(self, response_id: str) -> Json:
        found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        while found.status == 404:
            found = self.gateway.request("GET", f"/v1/antiphon/runs/{response_id}")
        record: Json = found.json
        return record


@contextmanager
def open_house(data_dir: Path, **provider: Any) -> Iterator[House]:
    house = House()
    with ThreadedUpstream(house.reply) as upstream:
        entry = {"base_url": upstream.url, "protocol": "chat", "api_key": "sk-up", "calls": "constrained", **provider}
        retries = {"attempts": 3, "max_wait_s": 0}
        with Gateway(None, data_dir, config={"providers": {"test": entry}, "retries": retries}) as gateway:
            house.gateway, house.upstream = gateway, upstream
            yield house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def schema_of(request: Json) -> Any:
    assert request["response_format"]["type"] == "json_schema"
    assert "tools" not in request
    assert "tool_choice" not in request
    return request["response_format"]["json_schema"]["schema"]


def test_a_forced_call_is_asked_for_by_its_schema(house: House) -> None:
    house.script(CALL)
    response = house.response(tool_choice="required")
    (call,) = response["output"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "set_heat", ARGUMENTS)
    (asked,) = house.heard
    heat, weather = schema_of(asked)["anyOf"]
    assert heat["properties"]["name"]["enum"] == ["set_heat"]
    assert list(heat["properties"]) == ["name", "arguments"]
    assert heat["properties"]["arguments"]["properties"]["why"]["maxLength"] <= 2000
    assert weather["properties"]["arguments"] == {"type": "object", "properties": {}, "additionalProperties": False}
    assert "set_heat: Heats a room." in asked["messages"][0]["content"]


def test_a_named_function_is_the_only_one(house: House) -> None:
    house.script('{"name": "weather", "arguments": {}}')
    response = house.response(tool_choice={"type": "function", "name": "weather"})
    assert response["output"][0]["name"] == "weather"
    assert schema_of(house.heard[0])["properties"]["name"]["enum"] == ["weather"]


def test_of_allowed_tools_only_those(house: House) -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    house.script('{"name": "weather", "arguments": {}}')
    assert house.response(tool_choice=allowed)["output"][0]["name"] == "weather"
    assert schema_of(house.heard[0])["properties"]["name"]["enum"] == ["weather"]


def test_a_stream_writes_the_call_while_it_comes(house: House) -> None:
    house.script(CALL)
    got = house.create(tool_choice="required", stream=True)
    checked = check_stream(got.body)
    assert [item["type"] for item in checked.items] == ["function_call"]
    assert checked.items[0]["arguments"] == ARGUMENTS


def test_whether_to_call_is_asked_first(house: House) -> None:
    house.script('"set_heat"', CALL)
    response = house.response()
    assert response["output"][0]["arguments"] == ARGUMENTS
    question, asked = house.heard
    assert schema_of(question) == {"type": "string", "enum": ["answer", "set_heat", "weather"]}
    assert not question.get("stream")
    assert question["temperature"] == 0
    assert schema_of(asked)["properties"]["name"]["enum"] == ["set_heat"]


def test_an_answer_is_an_ordinary_one(house: House) -> None:
    house.script('"answer"', "It is warm.")
    assert output_text(house.response(stop=["x"], max_output_tokens=99)) == "It is warm."
    question, asked = house.heard
    assert "stop" not in question
    assert question["max_tokens"] < 99
    assert asked["messages"] == [{"role": "user", "content": "Heat the kitchen."}]
    assert (asked["stop"], asked["max_tokens"]) == (["x"], 99)
    assert "response_format" not in asked


@pytest.mark.parametrize("said", ["Hm.", '"nothing"', "", '"answer'])
def test_what_is_no_choice_is_one_to_answer(house: House, said: str) -> None:
    house.script(answer(chat_json(said)), "It is warm.")
    assert output_text(house.response()) == "It is warm."


def test_an_answer_keeps_the_clients_own_format(house: House) -> None:
    form = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
    house.script('"answer"', "{}")
    house.response(text=form)
    assert house.heard[1]["response_format"]["json_schema"]["name"] == "n"


def test_none_is_an_answer_without_a_question(house: House) -> None:
    house.script("It is warm.")
    assert output_text(house.response(tool_choice="none")) == "It is warm."
    assert len(house.heard) == 1
    assert "tools" not in house.heard[0]


def test_what_the_question_cost_counts_and_stands_in_the_record(house: House) -> None:
    house.script("It is warm.")
    alone = house.response(tool_choice="none")["usage"]
    house.script('"answer"', "It is warm.")
    response = house.response()
    assert response["usage"]["input_tokens"] == 2 * alone["input_tokens"]
    assert response["usage"]["output_tokens"] == 2 * alone["output_tokens"]
    first, second = house.record(response["id"])["attempts"]
    assert (first["outcome"], first["decision"]) == ("served", "answer")
    assert second["outcome"] == "served"
    assert "decision" not in second


def test_a_question_that_fails_is_asked_again(house: House) -> None:
    house.script(error(500, "no"), '"set_heat"', error(500, "no"), CALL)
    response = house.response()
    assert response["output"][0]["arguments"] == ARGUMENTS
    attempts = house.record(response["id"])["attempts"]
    assert [attempt.get("decision") for attempt in attempts] == ["retry", "call", "retry", None]


def test_calls_and_results_are_told_in_words(house: House) -> None:
    turns = [
        {"role": "user", "content": "Heat the kitchen."},
        {"type": "function_call", "call_id": "c1", "name": "set_heat", "arguments": ARGUMENTS},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** go"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
    ]
    house.script("It is warm.", "It is warm.")
    house.response(input=turns, tool_choice="none")
    house.response(input=turns, tools=[])
    for asked in house.heard:
        first, second, third = asked["messages"]
        assert first == {"role": "user", "content": "Heat the kitchen."}
        assert second["role"] == "assistant"
        assert f"set_heat with {ARGUMENTS}" in second["content"]
        assert "patch with *** go" in second["content"]
        assert third["role"] == "user"
        said = "".join(part["text"] for part in third["content"])
        assert said == "Result of set_heat:\ndoneResult of patch:\nok"


def test_custom_tools_get_plain_text(house: House) -> None:
    tool = {
        "type": "custom",
        "name": "patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
    }
    house.script('{"name": "patch", "arguments": {"input": "*** \\"go\\"\\n"}}')
    (call,) = house.response(tools=[tool], tool_choice={"type": "custom", "name": "patch"})["output"]
    assert (call["type"], call["input"]) == ("custom_tool_call", '*** "go"\n')
    arguments = schema_of(house.heard[0])["properties"]["arguments"]
    assert arguments["properties"]["input"]["maxLength"] > 0


def test_what_is_done_otherwise_is_told(house: House) -> None:
    price = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}
    house.script('{"name": "buy", "arguments": {"price": 1}}')
    tools = [{"type": "function", "name": "buy", "parameters": price}]
    response = house.response(tools=tools, tool_choice="required", include=["antiphon.fidelity"])
    told = {(one["where"], one["kind"], one["reason"]): one for one in response["antiphon"]["notices"]}
    assert ("tools", "emulated", "not_supported_by_upstream") in told
    assert ("parallel_tool_calls", "emulated", "one_call_per_answer") in told
    assert told["tools.parameters", "approximated", "not_enforced"]["asked"] == "minimum"


def test_parameters_that_nobody_can_be_held_to_are_refused(house: House) -> None:
    house.script()
    endless = {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}
    got = house.create(tools=[{"type": "function", "name": "f", "parameters": endless}])
    assert got.status == 400
    assert got.json["error"]["code"] == "invalid_function_parameters"
    assert got.json["error"]["param"] == "tools[0].parameters"
    assert not house.heard


def test_an_upstream_that_does_not_obey_answers_in_words(house: House) -> None:
    house.script("I would rather not.")
    assert output_text(house.response(tool_choice="required")) == "I would rather not."


def test_without_tools_nothing_is_different(house: House) -> None:
    house.script("It is warm.")
    assert output_text(house.response(tools=[])) == "It is warm."
    assert len(house.heard) == 1


def test_the_chat_door(house: House) -> None:
    body: Json = {
        "model": "test/m",
        "messages": [{"role": "user", "content": "Heat the kitchen."}],
        "tools": [{"type": "function", "function": {"name": "set_heat", "parameters": PARAMETERS}}],
        "tool_choice": "required",
    }
    house.script(CALL, CALL)
    whole = check_chat_answer(house.gateway.request("POST", "/v1/chat/completions", body=body).json)
    streamed = house.gateway.request("POST", "/v1/chat/completions", body={**body, "stream": True})
    checked = check_chat_stream(streamed.body)
    assert checked.finish == "tool_calls"
    for message in (whole["choices"][0]["message"], checked.message):
        (call,) = message["tool_calls"]
        assert (call["function"]["name"], call["function"]["arguments"]) == ("set_heat", ARGUMENTS)
    assert all("tools" not in asked for asked in house.heard)


def test_the_messages_door(house: House) -> None:
    body: Json = {
        "model": "test/m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "Heat the kitchen."}],
        "tools": [{"name": "set_heat", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "any"},
    }
    house.script(CALL, CALL)
    whole = check_message(house.gateway.request("POST", "/v1/messages", body=body).json)
    streamed = house.gateway.request("POST", "/v1/messages", body={**body, "stream": True})
    for message in (whole, check_messages_stream(streamed.body)):
        (call,) = message["content"]
        assert message["stop_reason"] == "tool_use"
        assert (call["name"], call["input"]) == ("set_heat", msgspec.json.decode(ARGUMENTS))


def test_the_smallest_models_are_to_answer_after_two_calls(house: House, tmp_path: Path) -> None:
    calls = [
        item
        for number in "123"
        for item in (
            {"type": "function_call", "call_id": number, "name": "set_heat", "arguments": ARGUMENTS},
            {"type": "function_call_output", "call_id": number, "output": "done"},
        )
    ]
    user = {"role": "user", "content": "Heat the kitchen."}
    house.script('"set_heat"', CALL)
    house.response(input=[user, *calls])
    assert len(house.heard) == 2
    with open_house(tmp_path, quirks="llamacpp", calls=None) as small:
        small.script("It is warm.")
        assert output_text(small.response(model="test/smollm2", input=[user, *calls[:4]])) == "It is warm."
        small.script('"set_heat"', CALL)
        small.response(model="test/smollm2", input=[user, *calls[:4], user])
        assert len(small.heard) == 2


def test_models_that_call_are_sent_what_they_always_were(tmp_path: Path) -> None:
    function = {"name": "set_heat", "description": "Heats a room.", "parameters": PARAMETERS}
    said = [{"role": "user", "content": "Heat the kitchen."}]
    doors: list[tuple[str, Json]] = [
        ("responses", {"input": said, "tools": [HEAT], "tool_choice": "required"}),
        ("responses", {"input": said, "tools": [HEAT, WEATHER]}),
        ("chat/completions", {"messages": said, "tools": [{"type": "function", "function": function}]}),
        ("messages", {"messages": said, "max_tokens": 9, "tools": [{"name": "set_heat", "input_schema": PARAMETERS}]}),
    ]
    with ThreadedUpstream(lambda seen: answer_like(seen, "It is warm.")) as upstream:
        entry = {"base_url": upstream.url, "protocol": "chat", "api_key": "sk-up"}
        providers = {"plain": entry, "weak": {**entry, "calls": "constrained"}}
        models = {"able": {"target": "weak/m", "calls": "native"}}
        with Gateway(None, tmp_path, config={"providers": providers, "models": models}) as gateway:
            for door, body in doors:
                for stream in (False, True):
                    for model in ("plain/m", "able"):
                        asked = {"model": model, "stream": stream, **body}
                        assert gateway.request("POST", f"/v1/{door}", body=asked).status == 200
        sent = [seen.body for seen in upstream.requests]
        assert len(sent) == 4 * len(doors)
        assert sent[::2] == sent[1::2]
        assert all(b'"tools":' in body and b"response_format" not in body for body in sent)
