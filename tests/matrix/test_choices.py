"""Which tool is to be called, and how a call that was cut is told: through every door before every kind of upstream."""

from typing import Any

import msgspec
import pytest

from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.stream import check_response, check_stream
from tests.matrix.scenarios import TOOLS, Asks, Call, Offer, Says, Scenario, Turn, Words
from tests.matrix.stage import Stage
from tests.matrix.test_matrix import UPSTREAMS
from tests.matrix.upstream import Upstream

Json = dict[str, Any]

_DOORS = ("responses", "chat", "messages")
_PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}

#: Door -> how it is asked for; upstream -> how it is passed on.
_ASKED: dict[str, Json] = {
    "auto": {"responses": "auto", "chat": "auto", "messages": {"type": "auto"}},
    "none": {"responses": "none", "chat": "none", "messages": {"type": "none"}},
    "required": {"responses": "required", "chat": "required", "messages": {"type": "any"}},
    "named": {
        "responses": {"type": "function", "name": "get_time"},
        "chat": {"type": "function", "function": {"name": "get_time"}},
        "messages": {"type": "tool", "name": "get_time"},
    },
}
_PASSED: dict[str, Json] = {
    "auto": {"chat": "auto", "native": "auto", "anthropic": {"type": "auto"}, "gemini": {"mode": "AUTO"}},
    "none": {"chat": "none", "native": "none", "anthropic": {"type": "none"}, "gemini": {"mode": "NONE"}},
    "required": {"chat": "required", "native": "required", "anthropic": {"type": "any"}, "gemini": {"mode": "ANY"}},
    "named": {
        "chat": {"type": "function", "function": {"name": "get_time"}},
        "native": {"type": "function", "name": "get_time"},
        "anthropic": {"type": "tool", "name": "get_time"},
        "gemini": {"mode": "ANY", "allowedFunctionNames": ["get_time"]},
    },
}
_EVERYWHERE = [pytest.param(door, upstream, id=f"{door}-{upstream}") for door in _DOORS for upstream in UPSTREAMS]


def _body(door: str, model: Upstream, **fields: Any) -> Json:
    body: Json = {"model": f"{model.provider}/{model.model}", "max_tokens": 100, **fields}
    if door == "responses":
        body |= {"input": "Hi", "store": False}
        body["tools"] = [{"type": "function", "name": name, "parameters": schema} for name, schema in TOOLS.items()]
        return body
    body["messages"] = [{"role": "user", "content": "Hi"}]
    functions = [{"name": name, "parameters": schema} for name, schema in TOOLS.items()]
    body["tools"] = [{"type": "function", "function": function} for function in functions]
    if door == "messages":
        body["tools"] = [{"name": name, "input_schema": schema} for name, schema in TOOLS.items()]
    return body


def _model(stage: Stage, upstream: str, says: Says) -> Upstream:
    stage.upstream = UPSTREAMS[upstream](Scenario("choice", [Turn(Asks("Hi"), says)], Offer(tools=True)))
    return stage.upstream


@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
@pytest.mark.parametrize("choice", _ASKED)
def test_a_choice_of_tools_keeps_its_meaning(stage: Stage, choice: str, door: str, upstream: str) -> None:
    says = Says([Call("call_a", "get_time")] if choice in ("required", "named") else [Words("Hi.")])
    model = _model(stage, upstream, says)
    body = _body(door, model, tool_choice=_ASKED[choice][door])
    answer = stage.gateway.request("POST", _PATHS[door], body=body)
    assert not model.broken, model.broken
    assert answer.status == 200, answer.body
    assert "x-antiphon-ignored" not in answer.headers
    sent = model.requests[0].json
    passed = (
        sent.get("toolConfig", {}).get("functionCallingConfig") if upstream == "gemini" else sent.get("tool_choice")
    )
    wanted = _PASSED[choice][upstream]
    no_tools = choice == "none" and not sent.get("tools")
    assert passed == wanted or (passed is None and (choice == "auto" or no_tools))


def _checked(door: str, raw: bytes, *, streamed: bool) -> Json:
    if door == "chat":
        return check_chat_stream(raw).answer if streamed else check_chat_answer(msgspec.json.decode(raw))
    if door == "messages":
        return check_messages_stream(raw) if streamed else check_message(msgspec.json.decode(raw))
    return check_stream(raw).response if streamed else check_response(msgspec.json.decode(raw))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("door", "upstream"), _EVERYWHERE)
def test_a_call_before_the_limit_is_told_with_the_end_it_had(
    stage: Stage, door: str, upstream: str, streamed: bool
) -> None:
    """A client must see that the answer was cut, also where a call of it looks whole."""
    says = Says([Words("So:"), Call("call_a", "get_weather", {"city": "Oslo"})], ending="length")
    model = _model(stage, upstream, says)
    answer = stage.gateway.request("POST", _PATHS[door], body=_body(door, model, stream=streamed))
    assert answer.status == 200, answer.body
    whole = _checked(door, answer.body, streamed=streamed)
    if door == "chat":
        assert whole["choices"][0]["finish_reason"] == "length"
    elif door == "messages":
        assert whole["stop_reason"] == "max_tokens"
    else:
        assert whole["incomplete_details"] == {"reason": "max_output_tokens"}
