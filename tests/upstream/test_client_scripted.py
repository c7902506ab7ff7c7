"""The scripted upstream itself, as clients see it: what it sends must be what providers send."""

import asyncio

import pytest
from openai import OpenAI, RateLimitError

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.upstream import (
    Gate,
    Reply,
    ScriptedUpstream,
    Seen,
    ThreadedUpstream,
    answer,
    chat_json,
    echo_brain,
    error,
    stream,
    text_brain,
    text_chunks,
    tool_brain,
)


def sdk(up: ThreadedUpstream) -> OpenAI:
    return OpenAI(base_url=up.url, api_key="sk-test", max_retries=0)


def test_sdk_reads_the_scripted_stream() -> None:
    with ThreadedUpstream(stream(*text_chunks("Hel", "lo"))) as up, sdk(up) as client:
        chunks = list(
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}], stream=True)
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello"
        assert chunks[-1].usage is not None
        assert up.received(1)[0].headers["authorization"] == "Bearer sk-test"


def test_replies_come_in_order_and_then_run_out() -> None:
    with (
        ThreadedUpstream([answer(chat_json("one")), error(429, "slow down", code="rate_limit")]) as up,
        sdk(up) as client,
    ):
        ask = client.chat.completions.with_raw_response.create
        assert "one" in ask(model="m", messages=[]).text
        with pytest.raises(RateLimitError, match="slow down"):
            ask(model="m", messages=[])
        with pytest.raises(Exception, match="no more replies"):
            ask(model="m", messages=[])


@pytest.mark.parametrize("streamed", [False, True])
def test_brains_answer_from_what_they_were_sent(streamed: bool) -> None:
    with ThreadedUpstream(echo_brain) as up, sdk(up) as client:
        made = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "42"}])
        assert made.choices[0].message.content == '[{"role":"user","content":"42"}]'
    with ThreadedUpstream(text_brain(lambda messages: f"{len(messages)} messages")) as up, sdk(up) as client:
        made = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "42"}])
        assert made.choices[0].message.content == "1 messages"
    seen = Seen("POST", "/", {}, b'{"stream":%s,"tools":[{"function":{"name":"now"}}],"messages":[{"role":"user"}]}'
                % str(streamed).lower().encode(), 0)  # fmt: skip
    assert b'"name":"now"' in b"".join(part for part in tool_brain(seen).parts if isinstance(part, bytes))


def test_gate_holds_a_reply_until_another_thread_opens_it() -> None:
    gate = Gate()
    with ThreadedUpstream(stream(*text_chunks("a"), gate, *text_chunks("b"))) as up, sdk(up) as client:
        chunks = client.chat.completions.create(model="m", messages=[], stream=True)
        first = next(iter(chunks))
        assert first.choices[0].delta.role == "assistant"
        gate.open()
        assert len(list(chunks)) == 7
    assert up.requests[0].wants_stream


def test_failing_brain_fails_its_test() -> None:
    def brain(request: Seen) -> Reply:
        raise AssertionError(f"unexpected {request.path}")

    async def scene() -> None:
        async with UpstreamClient() as client, ScriptedUpstream(brain) as up:
            with pytest.raises(Exception, match="without an answer"):
                await client.open(UpstreamRequest(url=up.url, body=b"{}"))

    with pytest.raises(AssertionError, match="unexpected /v1"):
        asyncio.run(scene())
