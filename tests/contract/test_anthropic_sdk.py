"""Anthropic's official client, in strict validation, before models that speak Chat, Messages, and the local one."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from tests.contract.serving import SCRIPTED_TEXT, Serving
from tests.helpers.anthropic_wire import Claude, api_error, call, message, text, thinking
from tests.helpers.gateway import Gateway
from tests.helpers.messages_client import messages_client
from tests.helpers.upstream import (
    Brain,
    Reply,
    Seen,
    ThreadedUpstream,
    answer,
    answer_like,
    chat_json,
    error,
    stream,
    text_chunks,
    tool_call_chunks,
)

HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = [
    {
        "name": "get_weather",
        "description": "Current weather of a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def calls_then_speaks(request: Seen) -> Reply:
    """A model behind Chat: it calls the tool, and speaks once it has the result."""
    if request.json["messages"][-1]["role"] == "tool":
        return answer_like(request, "It rains.")
    arguments = '{"city":"Oslo"}'
    if request.wants_stream:
        return stream(*tool_call_chunks("get_weather", arguments))
    return answer(chat_json(None, tool_calls=[{"id": "call_1", "name": "get_weather", "arguments": arguments}]))


class Site:
    """A gateway, and the scripted model behind it."""

    def __init__(self, gateway: Gateway, upstream: ThreadedUpstream) -> None:
        self.gateway = gateway
        self.upstream = upstream

    @property
    def sent(self) -> list[Any]:
        return [seen.json for seen in self.upstream.requests]


def site(folder: Path, protocol: str, script: Brain | Reply) -> Iterator[Site]:
    with ThreadedUpstream(script) as upstream:
        entry = {"base_url": upstream.url, "protocol": protocol, "api_key": "sk-upstream"}
        with Gateway(upstream.url, folder, config={"providers": {"test": entry}}) as gateway:
            yield Site(gateway, upstream)


@pytest.fixture(params=["chat", "anthropic"])
def weather(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A model that calls a tool first, in either dialect."""
    claude = Claude([[text("Let me see."), call("toolu_1", "get_weather", city="Oslo")], [text("It rains.")]])
    yield from site(tmp_path, request.param, calls_then_speaks if request.param == "chat" else claude)
    assert not claude.broken


def test_a_message_is_created(serving: Serving) -> None:
    with messages_client(serving.gateway) as client:
        made = client.messages.create(model=serving.model, max_tokens=16, messages=HELLO)
    assert made.model == serving.model
    assert made.usage.input_tokens > 0
    assert made.usage.output_tokens > 0
    assert made.content[0].type == "text"
    if not serving.is_real:
        assert (made.content[0].text, made.stop_reason) == (SCRIPTED_TEXT, "end_turn")


def test_a_message_is_streamed(serving: Serving) -> None:
    with (
        messages_client(serving.gateway) as client,
        client.messages.stream(model=serving.model, max_tokens=16, messages=HELLO, system="Be brief.") as helper,
    ):
        said = "".join(helper.text_stream)
        final = helper.get_final_message()
    assert final.content[0].type == "text"
    assert final.content[0].text == said
    assert final.stop_reason in ("end_turn", "max_tokens")
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_tool_is_called_and_answered(weather: Site, streamed: bool) -> None:
    with messages_client(weather.gateway) as client:

        def ask(messages: Any) -> anthropic.types.Message:
            fields: Any = {"model": "test/m", "max_tokens": 200, "messages": messages, "tools": WEATHER}
            if not streamed:
                made: anthropic.types.Message = client.messages.create(**fields)
                return made
            with client.messages.stream(**fields) as helper:
                return helper.get_final_message()

        first = ask(HELLO)
        assert first.stop_reason == "tool_use"
        called = first.content[-1]
        assert called.type == "tool_use"
        assert (called.name, called.input) == ("get_weather", {"city": "Oslo"})
        result = {"type": "tool_result", "tool_use_id": called.id, "content": "rain", "is_error": False}
        content: Any = [block.to_dict() for block in first.content]
        second = ask([*HELLO, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}])
    assert second.stop_reason == "end_turn"
    assert second.content[0].type == "text"
    assert second.content[0].text == "It rains."


def test_a_choice_of_tools_is_kept(weather: Site) -> None:
    with messages_client(weather.gateway) as client:
        client.messages.create(
            model="test/m",
            max_tokens=200,
            messages=HELLO,
            tools=WEATHER,
            tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        )
    choice = weather.sent[0]["tool_choice"]
    if "parallel_tool_calls" in weather.sent[0]:
        assert choice == {"type": "function", "function": {"name": "get_weather"}}
        assert weather.sent[0]["parallel_tool_calls"] is False
    else:
        assert choice == {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_a_thought_comes_back_to_the_model_that_had_it(tmp_path: Path, display: str) -> None:
    """Through Chat: as `reasoning_content` on the turn that it led to, whether the client saw it or not."""
    chunks = tool_call_chunks("get_weather", '{"city":"Oslo"}')
    thought: Any = {**chunks[0], "choices": [{"index": 0, "delta": {"reasoning_content": "I see."}}]}
    with ThreadedUpstream(stream(thought, *chunks)) as upstream:
        config = {"providers": {"deepseek": {"base_url": upstream.url, "api_key": "sk-upstream"}}}
        with Gateway(None, tmp_path, config=config) as gateway, messages_client(gateway) as client:
            fields: Any = {"model": "deepseek/m", "max_tokens": 5000, "tools": WEATHER}
            fields["thinking"] = {"type": "adaptive", "display": display}
            with client.messages.stream(**fields, messages=HELLO) as helper:
                first = helper.get_final_message()
            shown = first.content[0]
            assert shown.type == "thinking"
            assert shown.thinking == ("I see." if display == "summarized" else "")
            assert shown.signature
            content: Any = [block.to_dict() for block in first.content]
            result: Any = {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"}
            turn: Any = [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
            with client.messages.stream(**fields, messages=[*HELLO, *turn]) as helper:
                helper.get_final_message()
    replayed = upstream.requests[1].json["messages"][1]
    assert replayed["reasoning_content"] == "I see."
    assert replayed["tool_calls"][0]["id"] == "call_1"


def test_thoughts_survive_with_their_signature(tmp_path: Path) -> None:
    claude = Claude([[thinking("I see.", "E1+/=="), call("toolu_1", "get_weather", city="Oslo")], [text("It rains.")]])
    for at in site(tmp_path, "anthropic", claude):
        with messages_client(at.gateway) as client:
            fields: Any = {"model": "test/m", "max_tokens": 5000, "tools": WEATHER}
            fields["thinking"] = {"type": "enabled", "budget_tokens": 2000}
            first = client.messages.create(**fields, messages=HELLO)
            thought = first.content[0]
            assert thought.type == "thinking"
            assert thought.signature not in ("", "E1+/==")
            content: Any = [block.to_dict(exclude_none=True) for block in first.content]
            result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
            client.messages.create(
                **fields,
                messages=[*HELLO, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}],
            )
        assert at.sent[1]["messages"][1]["content"][0] == thinking("I see.", "E1+/==")
    assert not claude.broken


@pytest.mark.parametrize("protocol", ["chat", "anthropic"])
def test_pictures_reach_the_model(tmp_path: Path, protocol: str) -> None:
    source: Any = {"type": "base64", "media_type": "image/png", "data": PNG}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    said = (
        (lambda request: answer_like(request, "A picture.")) if protocol == "chat" else Claude([[text("A picture.")]])
    )
    for at in site(tmp_path, protocol, said):
        with messages_client(at.gateway) as client:
            client.messages.create(model="test/m", max_tokens=9, messages=[{"role": "user", "content": content}])
        sent = at.sent[0]["messages"][0]["content"][0]
        if protocol == "chat":
            assert sent["image_url"]["url"] == f"data:image/png;base64,{PNG}"
        else:
            assert sent == {"type": "image", "source": source}


@pytest.mark.parametrize("protocol", ["chat", "anthropic"])
def test_a_schema_reaches_the_model(tmp_path: Path, protocol: str) -> None:
    schema: Any = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    said = (lambda request: answer_like(request, '{"a":1}')) if protocol == "chat" else Claude([[text('{"a":1}')]])
    for at in site(tmp_path, protocol, said):
        with messages_client(at.gateway) as client:
            client.messages.create(
                model="test/m",
                max_tokens=99,
                messages=HELLO,
                output_config={"format": {"type": "json_schema", "schema": schema}},
            )
        sent = at.sent[0]
        if protocol == "chat":
            assert sent["response_format"]["json_schema"]["schema"] == schema
        else:
            assert sent["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


#: What the provider says, and how the client is told.
REFUSALS: list[tuple[Reply, type[anthropic.APIStatusError], str]] = [
    (error(400, "Bad field."), anthropic.BadRequestError, "invalid_request_error"),
    (error(404, "No such model."), anthropic.NotFoundError, "not_found_error"),
    (error(429, "Slow down."), anthropic.RateLimitError, "rate_limit_error"),
    (error(401, "Bad key."), anthropic.InternalServerError, "api_error"),
    (error(500, "Oops."), anthropic.InternalServerError, "api_error"),
    (error(503, "Busy."), anthropic.OverloadedError, "overloaded_error"),
    (api_error(529, "overloaded_error", "Overloaded"), anthropic.OverloadedError, "overloaded_error"),
]


@pytest.mark.parametrize(("said", "kind", "word"), REFUSALS, ids=[f"{case[0].status}" for case in REFUSALS])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_refusals_have_the_clients_own_errors(
    tmp_path: Path, said: Reply, kind: type[anthropic.APIStatusError], word: str, *, streamed: bool
) -> None:
    for at in site(tmp_path, "chat", said):
        with messages_client(at.gateway) as client, pytest.raises(kind) as caught:
            client.messages.create(model="test/m", max_tokens=9, messages=HELLO, stream=streamed)
        assert caught.value.type == word
        assert caught.value.request_id is not None
        assert caught.value.request_id.startswith("req_")


def test_a_wrong_key_is_told_in_the_clients_words(scripted: Serving) -> None:
    with messages_client(scripted.gateway, api_key="sk-wrong") as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model=scripted.model, max_tokens=9, messages=HELLO)


def test_a_bearer_token_is_a_key_too(scripted: Serving) -> None:
    with messages_client(scripted.gateway, api_key=None, auth_token=scripted.gateway.key) as client:
        made = client.messages.create(model=scripted.model, max_tokens=9, messages=HELLO)
    assert made.stop_reason == "end_turn"


def test_what_breaks_in_the_middle_raises(tmp_path: Path) -> None:
    chunks = text_chunks("Hel")[:2]
    frames = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks]
    broken = Reply([*frames, "reset"], headers={"content-type": "text/event-stream"}, framing="chunked")
    for at in site(tmp_path, "chat", broken):
        with (
            messages_client(at.gateway) as client,
            client.messages.stream(model="test/m", max_tokens=9, messages=HELLO) as helper,
            pytest.raises(anthropic.APIStatusError) as caught,
        ):
            for _ in helper.text_stream:
                pass
        assert caught.value.type == "api_error"


def test_tokens_are_estimated_where_nobody_counts(scripted: Serving) -> None:
    with messages_client(scripted.gateway) as client:
        raw = client.messages.with_raw_response.count_tokens(model=scripted.model, messages=HELLO, tools=WEATHER)
        assert raw.headers["x-antiphon-estimated"] == "input_tokens"
        assert raw.parse().input_tokens > 20


def test_tokens_are_counted_by_the_provider_that_does_it(tmp_path: Path) -> None:
    def counts(request: Seen) -> Reply:
        assert request.path.endswith("/messages/count_tokens")
        return answer({"input_tokens": 2095})

    for at in site(tmp_path, "anthropic", counts):
        with messages_client(at.gateway) as client:
            raw = client.messages.with_raw_response.count_tokens(
                model="test/m", messages=HELLO, tools=WEATHER, system="Be brief.", thinking={"type": "adaptive"}
            )
            assert "x-antiphon-estimated" not in raw.headers
            assert raw.parse().input_tokens == 2095
        assert at.sent[0] == {
            "model": "m",
            "messages": HELLO,
            "tools": WEATHER,
            "system": "Be brief.",
            "thinking": {"type": "adaptive"},
        }
        assert at.upstream.requests[0].headers["x-api-key"] == "sk-upstream"


@pytest.mark.parametrize(("status", "kind"), [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError)])
def test_a_provider_that_does_not_want_to_count_is_told(
    tmp_path: Path, status: int, kind: type[anthropic.APIStatusError]
) -> None:
    for at in site(tmp_path, "anthropic", api_error(status, "invalid_request_error", "No.")):
        with messages_client(at.gateway) as client, pytest.raises(kind):
            client.messages.count_tokens(model="test/m", messages=HELLO)


def test_a_provider_without_counting_is_estimated(tmp_path: Path) -> None:
    for at in site(tmp_path, "anthropic", api_error(404, "not_found_error", "Not here.")):
        with messages_client(at.gateway) as client:
            assert client.messages.count_tokens(model="test/m", messages=HELLO).input_tokens > 0


def test_a_count_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for at in site(tmp_path, "anthropic", answer({"tokens": 5})):
        with messages_client(at.gateway) as client, pytest.raises(anthropic.InternalServerError):
            client.messages.count_tokens(model="test/m", messages=HELLO)


def test_betas_reach_a_provider_of_the_same_dialect(tmp_path: Path) -> None:
    claude = Claude([message([text("Hi")], context_management={"applied_edits": []})])
    edits: Any = {"edits": [{"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": 2}}]}
    for at in site(tmp_path, "anthropic", claude):
        with messages_client(at.gateway) as client:
            made = client.beta.messages.create(
                model="test/m",
                max_tokens=9,
                messages=HELLO,
                betas=["context-management-2025-06-27", "interleaved-thinking-2025-05-14"],
                context_management=edits,
            )
        assert made.context_management is not None
        seen = at.upstream.requests[0]
        assert seen.json["context_management"] == edits
        assert "betas" not in seen.json
        assert {"context-management-2025-06-27", "interleaved-thinking-2025-05-14"} <= set(
            seen.headers["anthropic-beta"].split(",")
        )


def test_other_providers_are_not_told_and_the_client_is(scripted: Serving) -> None:
    edits: Any = {"edits": [{"type": "compact_20260112"}]}
    system: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    with messages_client(scripted.gateway) as client:
        raw = client.beta.messages.with_raw_response.create(
            model=scripted.model, max_tokens=9, messages=HELLO, system=system, context_management=edits
        )
    assert raw.headers["x-antiphon-ignored"] == "cache_control,context_management"


def test_a_model_that_is_served_elsewhere_says_where(scripted: Serving) -> None:
    with messages_client(scripted.gateway) as client, pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="test/gpt-5-pro", max_tokens=9, messages=HELLO)
    assert "/v1/responses" in caught.value.message
