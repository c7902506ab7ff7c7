"""The local llama.cpp server, asked through its Responses endpoint: a real bare upstream."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from antiphon.local.supervisor import LocalSettings
from tests.helpers.gateway import Gateway
from tests.helpers.local_model import local_model_path, running_local_model
from tests.helpers.stream import check_response, check_stream, output_text


def test_a_real_bare_server_works_through_its_responses_endpoint(tmp_path: Path) -> None:
    asyncio.run(through_the_local_model(local_model_path(), tmp_path))


async def through_the_local_model(model: Path, folder: Path) -> None:
    async with running_local_model(LocalSettings(model)) as local:
        provider = {
            "base_url": local.base_url,
            "protocol": "responses",
            "quirks": "llamacpp",
            "api_key": local.api_key.value,
        }
        await asyncio.to_thread(talk, folder, {"test": provider})


def talk(folder: Path, providers: dict[str, Any]) -> None:
    with Gateway(None, folder, config={"providers": providers}) as gateway:
        streamed = check_stream(gateway.stream(input="Count to a hundred.", max_output_tokens=12, temperature=0))
        assert streamed.text
        assert streamed.response["incomplete_details"] == {"reason": "max_output_tokens"}  # it says "completed" itself
        assert streamed.response["usage"]["output_tokens"] == 12

        first = check_response(gateway.create(input="Say hi.", max_output_tokens=200, temperature=0).json)
        tools = [{"type": "custom", "name": "patch"}, {"type": "web_search"}]
        again = gateway.create(
            previous_response_id=first["id"],
            instructions="Be brief.",
            input=[{"role": "assistant", "content": "And?"}, {"role": "user", "content": "Go on."}],
            include=["reasoning.encrypted_content"],
            tools=tools,
            top_k=5,
            max_output_tokens=16,
        )
        assert again.headers["x-antiphon-ignored"] == "tools[1].web_search"
        assert output_text(check_response(again.json))

        with gateway.openai() as client:
            told = client.responses.create(model="test/m", input="Say hi.", max_output_tokens=16)
            assert told.output_text
        for path, body in (
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 16}),
            ("/v1/messages", {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 16}),
        ):
            for stream in (False, True):
                got = gateway.request("POST", path, body={"model": "test/m", "stream": stream, **body})
                assert got.status == 200, got.body
                assert stream or msgspec.json.decode(got.body)
