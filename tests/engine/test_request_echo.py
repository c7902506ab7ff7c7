"""What was asked stands in the answer, with its defaults, in the strict shape; and what of it reaches the provider."""

from typing import Any

import pytest

from tests.engine.stage import Stage
from tests.helpers.upstream import answer, chat_json, stream, text_chunks

Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}

#: What was sent, and how it is echoed.
ECHOED: list[tuple[Json, Json]] = [
    ({}, {"temperature": 1.0, "top_p": 1.0, "store": True, "truncation": "disabled", "metadata": {}, "tools": []}),
    ({}, {"parallel_tool_calls": True, "tool_choice": "auto", "service_tier": "default", "background": False}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"temperature": None, "top_p": None, "metadata": None, "tools": None}, {"temperature": 1.0, "metadata": {}}),
    ({"temperature": 2, "top_p": 0.25}, {"temperature": 2, "top_p": 0.25}),
    ({"presence_penalty": -1.5, "frequency_penalty": 2}, {"presence_penalty": -1.5, "frequency_penalty": 2}),
    ({"metadata": {"a": "1", "ключ": "значение"}}, {"metadata": {"a": "1", "ключ": "значение"}}),
    ({"metadata": {f"k{n}": "v" * 512 for n in range(16)}}, {"metadata": {f"k{n}": "v" * 512 for n in range(16)}}),
    ({"max_output_tokens": 100}, {"max_output_tokens": 100}),
    ({"max_tokens": 100}, {"max_output_tokens": 100}),
    ({"max_tokens": 100, "max_output_tokens": 50}, {"max_output_tokens": 50}),
    ({"max_tool_calls": 3}, {"max_tool_calls": 3}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ({"instructions": "Be \u0000 brief \U0001f600."}, {"instructions": "Be \u0000 brief \U0001f600."}),
    ({"reasoning": {"effort": "minimal"}}, {"reasoning": {"effort": "minimal", "summary": None}}),
    ({"reasoning": {"generate_summary": "concise"}}, {"reasoning": {"effort": None, "summary": "concise"}}),
    ({"text": {"verbosity": "verbose"}}, {"text": {"format": {"type": "text"}, "verbosity": "high"}}),
    ({"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "json_object"}}}),
    (
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}}},
        {
            "text": {
                "format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True, "description": None}
            }
        },
    ),
    ({"top_logprobs": 3}, {"top_logprobs": 3}),
    ({"truncation": "auto"}, {"truncation": "auto"}),
    ({"prompt_cache_key": "k", "safety_identifier": "s"}, {"prompt_cache_key": "k", "safety_identifier": "s"}),
    ({"user": "u"}, {"user": "u"}),
    ({"store": False}, {"store": False}),
    (
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}], "tool_choice": "required"},
        {
            "tools": [{"type": "function", "name": "f", "description": None, "parameters": SCHEMA, "strict": None}],
            "tool_choice": "required",
        },
    ),
    (
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"}},
        {"tool_choice": {"type": "function", "name": "f"}},
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
        {"tools": [{"type": "function", "name": "f", "description": None, "parameters": None, "strict": True}]},
    ),
]


@pytest.mark.parametrize(("sent", "echoed"), ECHOED)
def test_parameters_are_echoed_now_in_the_stream_and_when_read_back(stage: Stage, sent: Json, echoed: Json) -> None:
    model = stage.model(lambda request: _say(request.wants_stream))
    response = model.ask(**sent)
    assert {key: response[key] for key in echoed} == echoed
    streamed = model.stream(**sent).response
    changing = {"id", "created_at", "completed_at", "output", "usage"}
    assert {k: v for k, v in streamed.items() if k not in changing} == {
        k: v for k, v in response.items() if k not in changing
    }
    if response["store"]:
        assert model.get(f"responses/{response['id']}").json == response


def test_the_providers_service_tier_is_reported(stage: Stage) -> None:
    model = stage.model(
        [answer({**chat_json("Hi."), "service_tier": "flex"}), answer(chat_json("Hi."))], provider="like-openai"
    )
    assert model.ask(service_tier="flex")["service_tier"] == "flex"
    assert model.requests[0].json["service_tier"] == "flex"
    assert model.ask()["service_tier"] == "default"


def test_a_service_tier_that_the_provider_lacks_is_named(stage: Stage) -> None:
    got = stage.model(answer(chat_json("Hi."))).send(service_tier="flex")
    assert got.headers["x-antiphon-ignored"] == "service_tier"
    assert got.json["service_tier"] == "default"


LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]}


def _with_logprobs(streamed: bool) -> Any:
    if not streamed:
        body = chat_json("Hi")
        body["choices"][0]["logprobs"] = LOGPROBS
        return answer(body)
    chunks = text_chunks("Hi")
    chunks[1]["choices"][0]["logprobs"] = LOGPROBS
    return stream(*chunks)


@pytest.mark.parametrize("asked", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}])
def test_logprobs_are_given_to_who_asks(stage: Stage, asked: Json) -> None:
    model = stage.model(lambda request: _with_logprobs(request.wants_stream))
    for response in (model.ask(**asked), model.stream(**asked).response):
        (part,) = response["output"][0]["content"]
        assert part["logprobs"] == LOGPROBS["content"]
    assert model.requests[0].json["logprobs"] is True


def test_logprobs_that_nobody_asked_for_are_left_out(stage: Stage) -> None:
    model = stage.model(lambda request: _with_logprobs(request.wants_stream))
    for response in (model.ask(), model.stream().response):
        (part,) = response["output"][0]["content"]
        assert part["logprobs"] == []
    assert "logprobs" not in model.requests[0].json


def test_an_unknown_field_is_ignored_by_name(stage: Stage) -> None:
    got = stage.model(answer(chat_json("Hi."))).send(**{"client_metadata": {"a": 1}, "new_thing": 1, "a, b\n": 2})
    assert got.status == 200
    assert set(got.headers["x-antiphon-ignored"].split(",")) == {"client_metadata", "new_thing", "a%2C%20b%0A"}


def test_the_model_that_really_answered_is_told(stage: Stage) -> None:
    model = stage.model(answer(chat_json("Hi.")))
    assert model.send().headers["x-actual-model"] == model.name


def _say(streamed: bool) -> Any:
    return stream(*text_chunks("Hi.")) if streamed else answer(chat_json("Hi."))
