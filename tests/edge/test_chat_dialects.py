"""Chat clients before upstreams of every other dialect: no client can tell which one answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import anthropic_wire, gemini_wire, responses_wire
from tests.helpers.anthropic_wire import Claude
from tests.helpers.chat_requests import HELLO
from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.gemini_wire import Gemini
from tests.helpers.upstream import Brain, Reply, Seen, ThreadedUpstream

Json = dict[str, Any]

MODELS = {"anthropic": "claude-opus-4-6", "gemini": "gemini-3-pro", "responses": "gpt-5.1"}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("get_weather", "get_time")
]
SEARCHED = "It rains."
FULL: Json = {
    "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
    "tools": TOOLS,
    "reasoning_effort": "low",
    "max_completion_tokens": 4000,
    "prediction": {"type": "content", "content": "x"},
}


class Native:
    """A model behind the Responses API, with the turns of the others."""

    broken: tuple[str, ...] = ()

    def __init__(self, turns: list[list[Json]]) -> None:
        self._turns = turns

    def __call__(self, request: Seen) -> Reply:
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        return responses_wire.reply(request, turn)


def called(dialect: str) -> list[Json]:
    """A thought, words, and two calls."""
    match dialect:
        case "anthropic":
            calls = [anthropic_wire.call(f"toolu_{name}", name, city="Oslo") for name in ("get_weather", "get_time")]
            return [anthropic_wire.thinking("Hm.", "Esig"), anthropic_wire.text("Both."), *calls]
        case "gemini":
            weather = gemini_wire.call("get_weather", signature="Gsig", city="Oslo")
            thought = gemini_wire.text("Hm.", thought=True)
            return [thought, gemini_wire.text("Both."), weather, gemini_wire.call("get_time", city="Oslo")]
    calls = [
        responses_wire.call(name, '{"city":"Oslo"}', number=number)
        for number, name in enumerate(("get_weather", "get_time"))
    ]
    return [responses_wire.thought("Hm.", sealed="Rsealed"), responses_wire.message("Both."), *calls]


def said(dialect: str, words: str) -> list[Json]:
    match dialect:
        case "anthropic":
            return [anthropic_wire.text(words)]
        case "gemini":
            return [gemini_wire.text(words)]
    return [responses_wire.message(words)]


def brain(dialect: str, turns: list[list[Json]]) -> Brain:
    match dialect:
        case "anthropic":
            return Claude(turns)
        case "gemini":
            return Gemini(turns)
    return Native(turns)


class Stand:
    """A gateway before such a model."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream, model: str) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.model = model

    def send(self, **body: Any) -> Answer:
        return self.gateway.request("POST", "/v1/chat/completions", body={"model": self.model, **body})

    def ask(self, *, streamed: bool, **body: Any) -> Json:
        """The answer, whichever way it came; checked."""
        if not streamed:
            return check_chat_answer(self.send(**body).json)
        got = self.send(stream=True, stream_options={"include_usage": True}, **body)
        checked = check_chat_stream(got.body, usage=True)
        assert checked.error is None
        return checked.answer


@contextmanager
def stand(folder: Path, dialect: str, *turns: list[Json]) -> Iterator[Stand]:
    model = brain(dialect, list(turns))
    with ThreadedUpstream(model) as upstream:
        entry = {"base_url": upstream.url, "protocol": dialect, "api_key": "sk-upstream"}
        with Gateway(upstream.url, folder, config={"providers": {"test": entry}}) as gateway:
            yield Stand(gateway, upstream, f"test/{MODELS[dialect]}")
    assert not getattr(model, "broken", ())


DIALECTS = pytest.mark.parametrize("dialect", MODELS)
BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


@DIALECTS
@BOTH_WAYS
def test_thought_words_calls_and_their_results(tmp_path: Path, dialect: str, streamed: bool) -> None:
    """The results come back by value, with the thought as text or without it: the provider gets its own back anyway."""
    with stand(tmp_path, dialect, called(dialect), said(dialect, "Rain at noon.")) as at:
        first = at.ask(streamed=streamed, **FULL)
        (choice,) = first["choices"]
        assert choice["finish_reason"] == "tool_calls"
        message = choice["message"]
        assert (message["reasoning_content"], message["content"]) == ("Hm.", "Both.")
        assert [call["function"]["name"] for call in message["tool_calls"]] == ["get_weather", "get_time"]
        assert [call["function"]["arguments"].replace(" ", "") for call in message["tool_calls"]] == [
            '{"city":"Oslo"}'
        ] * 2
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": f"answer {number}"}
            for number, call in enumerate(message["tool_calls"])
        ]
        for kept in (message, {**message, "reasoning_content": None}):
            told = at.ask(streamed=streamed, **{**FULL, "messages": [*FULL["messages"], kept, *results[::-1]]})
            assert told["choices"][0]["message"]["content"] == "Rain at noon."
            assert told["choices"][0]["finish_reason"] == "stop"
        seals = {"anthropic": b"Esig", "gemini": b"Gsig", "responses": b"Rsealed"}
        assert all(seals[dialect] in request.body for request in at.upstream.requests[1:])


@DIALECTS
@BOTH_WAYS
def test_usage_is_in_the_words_of_this_api(tmp_path: Path, dialect: str, streamed: bool) -> None:
    with stand(tmp_path, dialect, said(dialect, "Hi")) as at:
        usage = at.ask(streamed=streamed, messages=HELLO)["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert set(usage["prompt_tokens_details"]) == {"cached_tokens", "cache_write_tokens"}


@DIALECTS
def test_what_only_a_chat_upstream_can_be_told_is_named(tmp_path: Path, dialect: str) -> None:
    with stand(tmp_path, dialect, said(dialect, "Hi")) as at:
        got = at.send(messages=[{"role": "user", "name": "bob", "content": "Hi"}], zzz=1, prediction={})
        ignored = got.headers["x-antiphon-ignored"].split(",")
        assert {"zzz", "prediction", "messages[0].name"} <= set(ignored)
        assert b"zzz" not in at.upstream.requests[0].body


@DIALECTS
def test_several_choices(tmp_path: Path, dialect: str) -> None:
    with stand(tmp_path, dialect, said(dialect, "Hi")) as at:
        got = at.send(messages=HELLO, n=2, stream=True)
        checked = check_chat_stream(got.body, choices=2)
        assert [choice["message"]["content"] for choice in checked.answer["choices"]] == ["Hi", "Hi"]
        assert len(at.upstream.requests) == 2


@DIALECTS
def test_the_predecessors_of_tools(tmp_path: Path, dialect: str) -> None:
    functions = [tool["function"] for tool in TOOLS]
    turn = called(dialect)
    with stand(tmp_path, dialect, turn[:-1], said(dialect, "Rain.")) as at:
        first = at.ask(streamed=True, messages=HELLO, functions=functions, max_tokens=4000)
        message = first["choices"][0]["message"]
        assert message["function_call"]["name"] == "get_weather"
        assert first["choices"][0]["finish_reason"] == "function_call"
        result = {"role": "function", "name": "get_weather", "content": "rain"}
        told = at.ask(streamed=False, messages=[*HELLO, message, result], functions=functions, max_tokens=4000)
    assert told["choices"][0]["message"]["content"] == "Rain."
