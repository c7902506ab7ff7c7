"""Chat Completions through the official clients, before a scripted provider and before the real local model."""

from pathlib import Path
from typing import Any

import msgspec
import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from tests.contract.node import run_example
from tests.contract.serving import SCRIPTED_TEXT, Serving
from tests.contract.tap import Tap
from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, answer_like, chat_json, tool_brain

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


class Composer(pydantic.BaseModel):
    """What an answer by a schema is parsed into."""

    name: str
    born: int


def limit(serving: Serving) -> dict[str, Any]:
    """Answers of the local model end after a few words."""
    return {"max_tokens": 16} if serving.is_real else {}


def test_a_completion(serving: Serving, tap: Tap) -> None:
    made = tap.client.chat.completions.create(model=serving.model, messages=HELLO, **limit(serving))
    check_chat_answer(msgspec.json.decode(tap.body))
    assert made.model == serving.model
    assert made.usage is not None
    text = made.choices[0].message.content
    assert text
    assert serving.is_real or text == SCRIPTED_TEXT


def test_a_stream(serving: Serving, tap: Tap) -> None:
    with tap.client.chat.completions.create(
        model=serving.model, messages=HELLO, stream=True, stream_options={"include_usage": True}, **limit(serving)
    ) as stream:
        chunks = list(stream)
    checked = check_chat_stream(tap.body, usage=True)
    told = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert told == checked.message["content"]
    assert serving.is_real or told == SCRIPTED_TEXT
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


def test_the_stream_helper(scripted: Serving) -> None:
    with (
        Tap(scripted.gateway) as tap,
        tap.client.chat.completions.stream(model=scripted.model, messages=HELLO) as stream,
    ):
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.content == check_chat_stream(tap.body).message["content"] == SCRIPTED_TEXT


def test_several_choices(serving: Serving, tap: Tap) -> None:
    made = tap.client.chat.completions.create(model=serving.model, messages=HELLO, n=2, **limit(serving))
    assert [choice.index for choice in made.choices] == [0, 1]
    with tap.client.chat.completions.create(
        model=serving.model, messages=HELLO, n=2, stream=True, **limit(serving)
    ) as stream:
        assert {choice.index for chunk in stream for choice in chunk.choices} == {0, 1}
    check_chat_stream(tap.body, choices=2)


def test_a_conversation_in_parts(serving: Serving, tap: Tap) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "My name is Alice."}]},
        {"role": "assistant", "content": "Hello Alice."},
        {"role": "user", "name": "alice", "content": "Who am I?"},
    ]
    made = tap.client.chat.completions.create(
        model=serving.model, messages=messages, seed=1, stop="\n\n\n", **limit(serving)
    )
    assert made.choices[0].finish_reason in ("stop", "length")


def test_a_tool_is_called_and_answered(tmp_path: Path) -> None:
    with ThreadedUpstream(tool_brain) as upstream, Gateway(upstream.url, tmp_path) as gateway, Tap(gateway) as tap:
        completions = tap.client.chat.completions
        made = completions.create(model="test/m", messages=HELLO, tools=[WEATHER], tool_choice="auto")
        (call,) = made.choices[0].message.tool_calls or []
        assert call.type == "function"
        with completions.stream(model="test/m", messages=HELLO, tools=[WEATHER]) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.tool_calls is not None
        said: Any = made.choices[0].message.model_dump(exclude_none=True)
        told = completions.create(
            model="test/m",
            messages=[*HELLO, said, {"role": "tool", "tool_call_id": call.id, "content": "rain"}],
            tools=[WEATHER],
        )
    assert told.choices[0].message.content == "The tool said: rain"


def test_an_answer_by_a_schema_is_parsed(tmp_path: Path) -> None:
    def composer(request: Seen) -> Reply:
        schema = request.json["response_format"]["json_schema"]
        assert schema["strict"] is True
        return answer_like(
            request,
            msgspec.json.encode(
                {name: 1685 if name == "born" else "Bach" for name in schema["schema"]["properties"]}
            ).decode(),
        )

    with ThreadedUpstream(composer) as upstream, Gateway(upstream.url, tmp_path) as gateway, Tap(gateway) as tap:
        made = tap.client.chat.completions.parse(model="test/m", messages=HELLO, response_format=Composer)
        with tap.client.chat.completions.stream(model="test/m", messages=HELLO, response_format=Composer) as stream:
            streamed = stream.get_final_completion()
    assert made.choices[0].message.parsed == Composer(name="Bach", born=1685)
    assert streamed.choices[0].message.parsed == made.choices[0].message.parsed


def test_the_predecessors_of_tools(tmp_path: Path) -> None:
    """Bodies as older LangChain versions send them."""
    called = answer(
        chat_json(None, finish="function_call")
        | {
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "function_call": {"name": "f", "arguments": "{}"},
                    },
                    "finish_reason": "function_call",
                }
            ]
        }
    )
    with ThreadedUpstream(called) as upstream, Gateway(upstream.url, tmp_path) as gateway, Tap(gateway) as tap:
        made = tap.client.chat.completions.create(model="test/m", messages=HELLO, functions=[{"name": "f"}])
        assert upstream.requests[-1].json["functions"] == [{"name": "f"}]
    assert made.choices[0].finish_reason == "function_call"
    assert made.choices[0].message.function_call is not None
    assert made.choices[0].message.function_call.name == "f"


def test_errors_are_the_clients_own(scripted: Serving) -> None:
    with scripted.gateway.openai() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="test/gpt-5-pro", messages=HELLO)
        assert refused.value.code == "unsupported_endpoint"
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-wrong").chat.completions.create(model="test/m", messages=HELLO)


def test_an_error_in_a_stream_is_raised(tmp_path: Path) -> None:
    cut = Reply(
        [b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n', "reset"],
        headers={"content-type": "text/event-stream"},
        framing="chunked",
    )
    with (
        ThreadedUpstream(cut) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        gateway.openai() as client,
        client.chat.completions.create(model="test/m", messages=HELLO, stream=True) as stream,
        pytest.raises(openai.APIError) as broken,
    ):
        list(stream)
    assert broken.value.code == "upstream_reset"


@pytest.mark.parametrize("streamed", [False, True])
def test_the_javascript_client(serving: Serving, *, streamed: bool) -> None:
    gateway = serving.gateway
    result = run_example(
        "chatStream" if streamed else "chat",
        {
            "ANTIPHON_URL": f"{gateway.url}/v1",
            "ANTIPHON_KEY": gateway.key,
            "ANTIPHON_MODEL": serving.model,
            "ANTIPHON_SHORT": msgspec.json.encode(limit(serving)).decode(),
        },
    )
    assert result["text"]
    assert serving.is_real or result["text"] == SCRIPTED_TEXT
    assert result["finish"] in ("stop", "length")
