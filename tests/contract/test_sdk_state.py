"""State through the official client: continuing, reading back, deleting, paging."""

from pathlib import Path

import openai
import pytest

from tests.contract.serving import Serving
from tests.contract.tap import Tap
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, answer, chat_json, echo_brain


def test_a_streamed_conversation_of_three_turns(serving: Serving, tap: Tap) -> None:
    previous: str | None = None
    sizes: list[int] = []
    roles: list[str] = []
    for line in ("My name is Alice.", "I live in Paris.", "Who am I, and where do I live?"):
        with tap.client.responses.create(
            model=serving.model, input=line, previous_response_id=previous, stream=True, **serving.short
        ) as stream:
            last = list(stream)[-1]
        checked = tap.stream()
        assert last.type in ("response.completed", "response.incomplete")
        assert last.response.previous_response_id == previous
        assert last.response.output_text == checked.text
        assert last.response.usage is not None
        sizes.append(last.response.usage.input_tokens)
        previous = last.response.id
        roles += ["user", "assistant"] if last.type == "response.completed" else ["user"]
    if serving.is_real:
        assert sizes == sorted(set(sizes)), "each turn reads all turns before it"
    assert previous is not None
    items = list(tap.client.responses.input_items.list(previous, order="asc"))
    # What was cut short is not carried on, and the last turn's answer is no input.
    last_user = len(roles) - roles[::-1].index("user")
    assert [item.role for item in items if item.type == "message"] == roles[:last_user]


def test_a_response_can_be_continued_at_once(scripted: Serving) -> None:
    """The commit goes before the terminal event, so that nobody has to wait for it."""
    with scripted.gateway.openai() as client:
        previous: str | None = None
        for _ in range(10):
            with client.responses.create(
                model=scripted.model, input="Go on.", previous_response_id=previous, stream=True
            ) as stream:
                terminal = next(event for event in stream if event.type == "response.completed")
                # The stream is still open here: [DONE] has not been read.
                followed = client.responses.create(
                    model=scripted.model, input="And?", previous_response_id=terminal.response.id
                )
                assert client.responses.retrieve(terminal.response.id).status == "completed"
            previous = followed.id


def test_a_conversation_survives_a_restart(tmp_path: Path) -> None:
    with ThreadedUpstream(echo_brain) as upstream:
        with Gateway(upstream.url, tmp_path) as gateway, gateway.openai() as client:
            key = gateway.key
            first = client.responses.create(model="test/m", input="My name is Alice.")
        with Gateway(upstream.url, tmp_path) as gateway, gateway.openai(api_key=key) as client:
            assert client.responses.retrieve(first.id).output_text == first.output_text
            second = client.responses.create(model="test/m", input="Who am I?", previous_response_id=first.id)
    assert "My name is Alice." in second.output_text


def test_a_response_is_read_back_as_it_was_sent(serving: Serving, tap: Tap) -> None:
    sent = tap.client.responses.create(
        model=serving.model,
        input="Hello",
        instructions="Be brief.",
        metadata={"ticket": "42"},
        temperature=0.5,
        **serving.short,
    )
    tap.response()
    read = tap.client.responses.retrieve(sent.id)
    tap.response()
    assert read.to_dict() == sent.to_dict()


def test_a_stored_response_is_replayed_as_a_stream(serving: Serving, tap: Tap) -> None:
    sent = tap.client.responses.create(model=serving.model, input="Hello", **serving.short)
    with tap.client.responses.retrieve(sent.id, stream=True) as stream:
        events = list(stream)
    checked = tap.stream()
    assert events[-1].type in ("response.completed", "response.incomplete")
    assert events[-1].response.to_dict() == sent.to_dict()
    with tap.client.responses.retrieve(sent.id, stream=True, starting_after=3) as stream:
        rest = list(stream)
    assert [event.sequence_number for event in rest] == list(range(4, len(checked.events)))


def test_a_deleted_response_is_gone(scripted: Serving) -> None:
    with scripted.gateway.openai() as client:
        sent = client.responses.create(model=scripted.model, input="Hello")
        client.responses.delete(sent.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(sent.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.delete(sent.id)
        with pytest.raises(openai.NotFoundError):
            list(client.responses.input_items.list(sent.id))
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=scripted.model, input="Go on", previous_response_id=sent.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


def test_what_is_not_stored_cannot_be_read_or_continued(scripted: Serving) -> None:
    with scripted.gateway.openai() as client:
        sent = client.responses.create(model=scripted.model, input="Hello", store=False)
        assert sent.to_dict()["store"] is False  # newer than the type
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(sent.id)
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=scripted.model, input="Go on", previous_response_id=sent.id)
    assert refused.value.code == "previous_response_not_found"


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_input_items_are_paged(scripted: Serving, order: str, limit: int) -> None:
    lines = [f"line {number}" for number in range(5)]
    with scripted.gateway.openai() as client:
        sent = client.responses.create(
            model=scripted.model, input=[{"role": "user", "content": line} for line in lines]
        )
        page = client.responses.input_items.list(sent.id, limit=limit, order="asc" if order == "asc" else "desc")
        assert len(page.data) == min(limit, 5)
        items = list(page)  # the client fetches the pages behind it
    texts = [item.content[0].text for item in items if item.type == "message" and item.content[0].type == "input_text"]
    assert texts == (lines if order == "asc" else lines[::-1])
    assert len({item.id for item in items}) == 5


def test_items_of_every_kind_are_listed_in_the_clients_own_types(tmp_path: Path) -> None:
    called = chat_json("A moment.", tool_calls=[{"id": "c1", "name": "f", "arguments": "{}"}])
    called["choices"][0]["message"]["reasoning_content"] = "Hm."
    script = [answer(called), answer(chat_json("Done."))]
    with (
        ThreadedUpstream(script) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        gateway.openai() as client,
    ):
        first = client.responses.create(
            model="test/m", input="Go.", tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}]
        )
        second = client.responses.create(
            model="test/m",
            previous_response_id=first.id,
            input=[
                {"type": "function_call_output", "call_id": "c1", "output": "x"},
                {"role": "developer", "content": "!"},
            ],
        )
        items = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    kinds = ["message", "reasoning", "message", "function_call", "function_call_output", "message"]
    assert [item.type for item in items] == kinds
    assert all(item.id for item in items)
