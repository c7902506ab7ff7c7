"""The real local model, which cannot call functions, calls them: what it writes always fits the function."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest

from tests.contract.serving import local_gateway
from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Gateway
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.stream import check_response, check_stream

Json = dict[str, Any]

PARAMETERS: Json = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},  # whose length nobody limits
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "metric": {"type": "boolean"},
    },
    "required": ["city", "days", "metric"],
    "additionalProperties": False,
}
ABOUT = "Tells the weather of the next days in a city."
FORECAST: Json = {"type": "function", "name": "forecast", "description": ABOUT, "parameters": PARAMETERS}
CLOCK: Json = {"type": "function", "name": "clock", "description": "Tells what time it is."}
NAMED: Json = {"type": "function", "name": "forecast"}

#: Not all of them have to do with weather: small models stray.
QUESTIONS = (
    "What is the weather in Paris?",
    "Tell me a joke.",
    "Wie wird das Wetter in Köln?",
    "",
    "Write a very long story about a dragon, with many chapters.",
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with local_gateway(tmp_path_factory.mktemp("calls")) as opened:
        yield opened


@pytest.mark.parametrize("number", range(10))
def test_a_forced_call_fits_its_function(gateway: Gateway, number: int) -> None:
    check_forced(gateway, number)


@pytest.mark.long
def test_a_hundred_forced_calls_out_of_a_hundred_fit_their_function(gateway: Gateway) -> None:
    for number in range(10, 110):
        check_forced(gateway, number)


def check_forced(gateway: Gateway, number: int) -> None:
    """One call: by name or by `required`, whole or streamed, each at its door, hot as clients leave it."""
    question = QUESTIONS[number % len(QUESTIONS)]
    calls = (responses_call, chat_call, messages_call)[number % 3]
    name, arguments = calls(gateway, question, named=number // 2 % 2 == 0, streams=number % 2 == 1)
    assert name == "forecast"
    jsonschema.Draft202012Validator(PARAMETERS).validate(msgspec.json.decode(arguments))


def responses_call(gateway: Gateway, question: str, *, named: bool, streams: bool) -> tuple[str, str]:
    choice = NAMED if named else "required"
    body: Json = {"model": "local", "input": question, "tools": [FORECAST], "tool_choice": choice}
    got = gateway.request("POST", "/v1/responses", body={**body, "stream": streams})
    response = check_stream(got.body).response if streams else check_response(got.json)
    assert response["status"] == "completed"
    (call,) = response["output"]
    return call["name"], call["arguments"]


def chat_call(gateway: Gateway, question: str, *, named: bool, streams: bool) -> tuple[str, str]:
    function = {"name": "forecast", "description": ABOUT, "parameters": PARAMETERS}
    choice: Any = {"type": "function", "function": {"name": "forecast"}} if named else "required"
    body: Json = {"model": "local", "messages": [{"role": "user", "content": question}], "tool_choice": choice}
    body["tools"] = [{"type": "function", "function": function}]
    got = gateway.request("POST", "/v1/chat/completions", body={**body, "stream": streams})
    if streams:
        message = check_chat_stream(got.body).message
    else:
        (choice,) = check_chat_answer(got.json)["choices"]
        assert choice["finish_reason"] == "tool_calls"
        message = choice["message"]
    (call,) = message["tool_calls"]
    return call["function"]["name"], call["function"]["arguments"]


def messages_call(gateway: Gateway, question: str, *, named: bool, streams: bool) -> tuple[str, str]:
    choice: Json = {"type": "tool", "name": "forecast"} if named else {"type": "any"}
    body: Json = {"model": "local", "max_tokens": 512, "tool_choice": choice}
    body["messages"] = [{"role": "user", "content": question or "."}]
    body["tools"] = [{"name": "forecast", "description": ABOUT, "input_schema": PARAMETERS}]
    got = gateway.request("POST", "/v1/messages", body={**body, "stream": streams})
    message = check_messages_stream(got.body) if streams else check_message(got.json)
    assert message["stop_reason"] == "tool_use"
    (call,) = message["content"]
    return call["name"], msgspec.json.encode(call["input"]).decode()


@pytest.mark.parametrize(
    ("question", "kind"), [("What is the weather in Paris?", "function_call"), ("Tell me a joke.", "message")]
)
def test_it_says_first_whether_it_calls(gateway: Gateway, question: str, kind: str) -> None:
    got = gateway.create(model="local", input=question, tools=[FORECAST, CLOCK], max_output_tokens=80, stream=True)
    checked = check_stream(got.body)
    assert [item["type"] for item in checked.items] == [kind]


def test_after_the_result_it_answers(gateway: Gateway) -> None:
    turns = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"type": "function_call", "call_id": "c1", "name": "forecast", "arguments": '{"city":"Paris"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Sunny."},
    ]
    got = gateway.create(model="local", input=turns, tools=[FORECAST], tool_choice="none", max_output_tokens=16)
    assert [item["type"] for item in check_response(got.json)["output"]] == ["message"]
