"""The conveniences of the official client: its stream helper, parsed output, the async client, the list of models."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import msgspec
import openai
import pydantic
import pytest

from tests.contract.serving import SCRIPTED_TEXT, Serving
from tests.contract.tap import Tap
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, answer, chat_json, stream, text_chunks


class City(pydantic.BaseModel):
    """Small, so that a small model fills it in quickly."""

    country: Literal["France", "Spain"]
    large: bool


def test_the_stream_helper_sees_every_step(scripted: Serving) -> None:
    # Not on the local model: the helper raises for an answer that its length limit cut.
    with Tap(scripted.gateway) as tap:
        with tap.client.responses.stream(model=scripted.model, input="Hello") as helper:
            texts = [event.snapshot for event in helper if event.type == "response.output_text.delta"]
            final = helper.get_final_response()
        tap.stream()
    assert texts[-1] == final.output_text == SCRIPTED_TEXT


def test_structured_output_is_parsed_on_the_local_model(local: Serving) -> None:
    with Tap(local.gateway) as tap:
        response = tap.client.responses.parse(
            model=local.model, input="Paris is the capital of which country?", text_format=City, max_output_tokens=64
        )
        tap.response()
    assert response.status == "completed"
    assert isinstance(response.output_parsed, City)


def test_structured_output_is_streamed_and_parsed_on_the_local_model(local: Serving) -> None:
    with Tap(local.gateway) as tap:
        with tap.client.responses.stream(
            model=local.model, input="Where is Madrid?", text_format=City, max_output_tokens=64
        ) as helper:
            final = helper.get_final_response()
        tap.stream()
    assert isinstance(final.output_parsed, City)


def test_a_schema_reaches_the_provider_unchanged(tmp_path: Path) -> None:
    text = '{"country": "France", "large": true}'
    with (
        ThreadedUpstream(answer(chat_json(text))) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        Tap(gateway) as tap,
    ):
        response = tap.client.responses.parse(model="test/m", input="Where is Paris?", text_format=City)
        echo = tap.response()["text"]["format"]
        (request,) = upstream.requests
    assert response.output_parsed == City(country="France", large=True)
    sent = request.json["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] == echo["name"] == "City"
    assert sent["json_schema"]["schema"] == echo["schema"]
    assert sent["json_schema"]["strict"] is True
    assert echo["schema"]["additionalProperties"] is False


def test_functions_are_parsed_from_a_stream(tmp_path: Path) -> None:
    pieces = [msgspec.json.encode({"country": "Spain", "large": False}).decode()]
    with (
        ThreadedUpstream(stream(*text_chunks(*pieces))) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        Tap(gateway) as tap,
    ):
        with tap.client.responses.stream(model="test/m", input="Where is Madrid?", text_format=City) as helper:
            final = helper.get_final_response()
        tap.stream()
    assert final.output_parsed == City(country="Spain", large=False)


def test_the_async_client_streams_and_continues(serving: Serving) -> None:
    gateway = serving.gateway

    async def talk() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, _strict_response_validation=True
        ) as client:
            first = await client.responses.create(model=serving.model, input="Hello", **serving.short)
            stream = await client.responses.create(
                model=serving.model, input="Go on", previous_response_id=first.id, stream=True, **serving.short
            )
            async with stream:
                events = [event async for event in stream]
        assert first.output_text
        last = events[-1]
        assert last.type in ("response.completed", "response.incomplete")
        assert last.response.previous_response_id == first.id

    asyncio.run(talk())


def test_many_async_requests_at_once_are_kept_apart(scripted: Serving) -> None:
    gateway = scripted.gateway

    async def talk() -> set[str]:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, _strict_response_validation=True
        ) as client:
            asked = [client.responses.create(model=scripted.model, input=f"Number {n}") for n in range(20)]
            answers = await asyncio.gather(*asked)
        assert {one.output_text for one in answers} == {SCRIPTED_TEXT}
        return {one.id for one in answers}

    assert len(asyncio.run(talk())) == 20


def test_models_are_listed_and_retrieved(local: Serving) -> None:
    with local.gateway.openai() as client:
        names = [model.id for model in client.models.list()]
        assert "local" in names
        model = client.models.retrieve("local")
        assert (model.id, model.object) == ("local", "model")
        with pytest.raises(openai.NotFoundError) as unknown:
            client.models.retrieve("no-such-model")
    assert unknown.value.code == "model_not_found"


def test_errors_are_the_clients_own_exceptions(scripted: Serving) -> None:
    with scripted.gateway.openai() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=scripted.model, input="Hello", temperature=3)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_" + "0" * 32)
    assert refused.value.param == "temperature"
    assert refused.value.request_id
    with scripted.gateway.openai(api_key="sk-wrong") as client, pytest.raises(openai.AuthenticationError) as denied:
        client.responses.create(model=scripted.model, input="Hello")
    assert denied.value.code == "invalid_api_key"


def test_what_the_local_model_cannot_take_is_the_requests_fault(local: Serving) -> None:
    """And so the official clients, which repeat what failed with a 5xx, do not repeat it."""
    picture: Any = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    with local.gateway.openai() as client:
        with pytest.raises(openai.BadRequestError) as blind:
            client.responses.create(model=local.model, input=[{"role": "user", "content": [picture]}])
        with pytest.raises(openai.BadRequestError) as full:
            client.responses.create(model=local.model, input="word " * 3000)
    assert blind.value.code == "unsupported_parameter"
    assert full.value.code == "context_length_exceeded"
