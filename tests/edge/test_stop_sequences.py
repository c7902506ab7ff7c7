"""Stop sequences before an upstream that has no such parameter: every door tells the end in its own words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import responses_wire as native
from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.messages_client import post_messages
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Gate, Reply, Seen, ThreadedUpstream

Json = dict[str, Any]

BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
HELLO = [{"role": "user", "content": "Hi"}]


def endless(request: Seen) -> Reply:
    """Goes on behind the sequence, and as a stream never ends."""
    output = [native.message("One, two END three"), native.message("four", number=1)]
    if not request.wants_stream:
        return native.reply(request, output)
    *most, _ = native.events(output)
    parts = [native.sse([event]) for event in most]
    return Reply([*parts, Gate()], headers={"content-type": "text/event-stream"}, framing="chunked")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedUpstream]:
    with ThreadedUpstream(endless) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: ThreadedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("stops")
    provider = {"base_url": upstream.url, "protocol": "responses", "quirks": "openai", "api_key": "sk-up"}
    with Gateway(None, folder, config={"providers": {"test": provider}}) as running:
        yield running


def no_loss(answer: Answer) -> Answer:
    assert answer.status == 200, answer.body
    assert "x-antiphon-ignored" not in answer.headers
    return answer


@BOTH_WAYS
def test_a_chat_client_is_told_stop(gateway: Gateway, streamed: bool) -> None:
    body: Json = {"model": "test/gpt-5", "messages": HELLO, "stop": ["zzz", "END"], "stream": streamed}
    got = no_loss(gateway.request("POST", "/v1/chat/completions", body=body))
    told = check_chat_stream(got.body).answer if streamed else check_chat_answer(got.json)
    (choice,) = told["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("One, two ", "stop")


@BOTH_WAYS
def test_a_messages_client_is_told_which_one_it_was(gateway: Gateway, streamed: bool) -> None:
    got = no_loss(post_messages(gateway, model="test/gpt-5", stop_sequences=["zzz", "END"], stream=streamed))
    message = check_messages_stream(got.body) if streamed else check_message(got.json)
    assert [block["text"] for block in message["content"]] == ["One, two "]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


@BOTH_WAYS
def test_a_responses_client_gets_a_completed_response(gateway: Gateway, streamed: bool) -> None:
    body: Json = {"model": "test/gpt-5", "input": "Hi", "stop": "END", "include": ["antiphon.fidelity"]}
    got = no_loss(gateway.request("POST", "/v1/responses", body={**body, "stream": streamed}))
    response = check_stream(got.body).response if streamed else check_response(got.json)
    (item,) = response["output"]
    assert (response["status"], item["status"], item["content"][0]["text"]) == ("completed", "completed", "One, two ")
    (notice,) = [one for one in response["antiphon"]["notices"] if one["where"] == "stop"]
    assert notice["kind"] == "emulated"
    # What the upstream writes behind the end is never seen, so its count is not either.
    assert response["usage"].get("estimated", False) is streamed


def test_the_upstream_is_hung_up_on(gateway: Gateway, upstream: ThreadedUpstream) -> None:
    """It would go on writing, and costing."""
    body: Json = {"model": "test/gpt-5", "messages": HELLO, "stop": "END", "stream": True}
    no_loss(gateway.request("POST", "/v1/chat/completions", body=body))
    upstream.closed(upstream.requests[-1].connection)
    assert "stop" not in upstream.requests[-1].json
