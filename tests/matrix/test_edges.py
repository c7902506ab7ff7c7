"""What bridges between dialects are known to lose, tried through every door before every kind of upstream."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.matrix.scenarios import IMAGE, Asks, Call, Offer, Says, Scenario, Turn, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS
from tests.matrix.upstream import Upstream

Json = dict[str, Any]

_DOORS = ("/v1/responses", "/v1/chat/completions", "/v1/messages")
_EVERYWHERE = [pytest.param(door, upstream, id=f"{door[4:]}-{upstream}") for door in _DOORS for upstream in UPSTREAMS]

_DATA_URL = f"data:image/png;base64,{IMAGE}"
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
_NAMES = ("get_weather", "get_time")


def _model(stage: Stage, upstream: str, *says: Says, offer: Offer = Offer(tools=True)) -> Upstream:  # noqa: B008 - frozen
    stage.upstream = UPSTREAMS[upstream](Scenario("edge", [Turn(Asks(), one) for one in says], offer))
    return stage.upstream


def _post(stage: Stage, door: str, model: Upstream, body: Mapping[str, Any]) -> Json:
    answer = stage.gateway.request("POST", door, body={"model": f"{model.provider}/{model.model}", **body})
    assert not model.broken, model.broken
    assert answer.status == 200, answer.body
    parsed: Json = answer.json
    return parsed


def _history(door: str, calls: list[Json], results: list[Json], tail: str) -> Json:
    """A conversation of a client that kept it: a question, calls with a text before them, results, a question."""
    if door.endswith("responses"):
        asked: list[Json] = [{"role": "user", "content": "Both?"}, {"role": "assistant", "content": "Both, then."}]
        asked += [{"type": "function_call", **call, "arguments": '{"city":"Oslo"}'} for call in calls]
        asked += [{"type": "function_call_output", **result} for result in results]
        tools = [{"type": "function", "name": name, "parameters": _SCHEMA, "strict": False} for name in _NAMES]
        return {"input": [*asked, {"role": "user", "content": tail}], "tools": tools, "store": False}
    if door.endswith("completions"):
        made = [
            {
                "id": call["call_id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": '{"city":"Oslo"}'},
            }
            for call in calls
        ]
        said = [
            {"role": "user", "content": "Both?"},
            {"role": "assistant", "content": "Both, then.", "tool_calls": made},
        ]
        answers = [{"role": "tool", "tool_call_id": each["call_id"], "content": each["output"]} for each in results]
        functions = [{"type": "function", "function": {"name": name, "parameters": _SCHEMA}} for name in _NAMES]
        return {"messages": [*said, *answers, {"role": "user", "content": tail}], "tools": functions}
    used = [
        {"type": "tool_use", "id": call["call_id"], "name": call["name"], "input": {"city": "Oslo"}} for call in calls
    ]
    blocks = [{"type": "tool_result", "tool_use_id": each["call_id"], "content": each["output"]} for each in results]
    messages = [
        {"role": "user", "content": "Both?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Both, then."}, *used]},
        {"role": "user", "content": [*blocks, {"type": "text", "text": tail}]},
    ]
    tools = [{"name": name, "input_schema": _SCHEMA} for name in _NAMES]
    return {"messages": messages, "tools": tools, "max_tokens": 100}


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_results_in_another_order_find_their_calls(stage: Stage, door: str, upstream: str) -> None:
    """Together behind the calls, each once, and the words that came with them behind all of them."""
    model = _model(stage, upstream, Says([Words("Fine.")]))
    calls = [{"call_id": "toolu_a", "name": "get_weather"}, {"call_id": "toolu_b", "name": "get_time"}]
    results = [{"call_id": "toolu_b", "output": "noon"}, {"call_id": "toolu_a", "output": "rain"}]
    _post(stage, door, model, _history(door, calls, results, "And now?"))
    heard = [line for line in model.transcript(0) if line[0] != "thought"]
    assert heard[:4] == [
        ("user", "Both?"),
        ("model", "Both, then."),
        ("call", "get_weather", {"city": "Oslo"}),
        ("call", "get_time", {"city": "Oslo"}),
    ]
    assert sorted(heard[4:6]) == [("result", "get_time", "noon"), ("result", "get_weather", "rain")]
    assert heard[6:] == [("user", "And now?")]


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_developers_words_in_the_middle_reach_the_model(stage: Stage, door: str, upstream: str) -> None:
    model = _model(stage, upstream, Says([Words("Fine.")]), offer=Offer())
    role = "system" if door.endswith("messages") else "developer"
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": role, "content": "The word is xyzzy."},
        {"role": "user", "content": "Which word?"},
    ]
    if door.endswith("messages"):
        said[2], said[3] = said[3], said[2]  # there it has to follow a user's words
    _post(stage, door, model, {"input": said} if door.endswith("responses") else {"messages": said, "max_tokens": 100})
    assert model.requests[0].body.count(b"The word is xyzzy.") == 1


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_an_image_in_a_result_stays_an_image(stage: Stage, door: str, upstream: str) -> None:
    model = _model(stage, upstream, Says([Words("A dot.")]))
    part: Json = {"type": "input_image", "image_url": _DATA_URL}
    if door.endswith("completions"):
        part = {"type": "image_url", "image_url": {"url": _DATA_URL}}
    if door.endswith("messages"):
        part = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}
    kind = "input_text" if door.endswith("responses") else "text"
    output = [{"type": kind, "text": "A screenshot."}, part]
    calls, results = [{"call_id": "toolu_a", "name": "get_weather"}], [{"call_id": "toolu_a", "output": output}]
    _post(stage, door, model, _history(door, calls, results, "What is it?"))
    body = model.requests[0].body
    assert body.count(IMAGE.encode()) == 1
    assert body.count(b"A screenshot.") == 1
    assert b'\\"image' not in body  # as a text within JSON it would be quoted
    kinds = {"chat": b'"image_url"', "anthropic": b'"type":"image"', "gemini": b"inlineData", "native": b"input_image"}
    assert kinds[upstream] in body


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_a_call_without_arguments_has_an_empty_object(stage: Stage, door: str, upstream: str) -> None:
    model = _model(stage, upstream, Says([Call("call_a", "get_time")]))
    asked = [{"role": "user", "content": "Time?"}]
    body = _history(door, [], [], "Time?")
    body |= {"input": asked} if door.endswith("responses") else {"messages": asked}
    answer = _post(stage, door, model, body)
    if door.endswith("responses"):
        assert [item["arguments"] for item in answer["output"] if item["type"] == "function_call"] == ["{}"]
    elif door.endswith("completions"):
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        assert call["function"]["arguments"] == "{}"
    else:
        assert answer["content"][-1]["input"] == {}


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_a_stream_ends_with_the_marker_of_its_dialect(stage: Stage, door: str, upstream: str) -> None:
    model = _model(stage, upstream, Says([Words("Fine.")]), offer=Offer())
    body: Json = {"input": "Hi"} if door.endswith("responses") else {"messages": [{"role": "user", "content": "Hi"}]}
    asked = {"model": f"{model.provider}/{model.model}", "max_tokens": 100, "stream": True, **body}
    answer = stage.gateway.request("POST", door, body=asked)
    last = answer.body.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
    wanted = b'event: message_stop\ndata: {"type":"message_stop"}' if door.endswith("messages") else b"data: [DONE]"
    assert last == wanted
