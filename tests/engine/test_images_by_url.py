"""Images that a client names by URL: fetched by the gateway, guarded, where the provider may not fetch for itself."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from antiphon.engine.media import MediaInliner
from tests.engine.alone import ask_alone
from tests.engine.stage import Stage, open_stage
from tests.helpers.far_end import PNG, far_end
from tests.helpers.far_end import answer as file_answer
from tests.helpers.upstream import ScriptedUpstream, answer, chat_json

DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def _picture(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": url}]
    return [{"role": "user", "content": parts}]


def test_an_image_is_fetched_and_sent_inline(tmp_path: Path) -> None:
    async def main() -> None:
        async with far_end(file_answer()) as far, ScriptedUpstream(answer(chat_json("A cat."))) as upstream:
            media = MediaInliner(far.fetcher())
            response = await ask_alone([upstream], media, data_dir=tmp_path, input=_picture(far.url()))
            assert response.status == "completed"
            (request,) = upstream.requests
            (message,) = request.json["messages"]
            assert message["content"][1] == {"type": "image_url", "image_url": {"url": DATA_URL}}
            assert len(far.requests) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/secret.png",
        "http://localhost/secret.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/secret.png",
        "http://10.0.0.1/secret.png",
        "http://127.0.0.1:6379/",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
    ],
)
def test_what_is_not_on_the_public_internet_is_refused(stage: Stage, url: str) -> None:
    model = stage.model(answer(chat_json("A cat.")))
    problem = model.refuse(_picture(url))
    assert (problem["type"], problem["param"]) == ("invalid_request_error", "input[0].content[1].image_url")
    assert not model.requests, "the provider was not asked"


def test_a_data_url_goes_through_unchanged(stage: Stage) -> None:
    model = stage.model(answer(chat_json("A cat.")))
    model.ask(_picture(DATA_URL))
    assert model.heard()[0]["content"][1]["image_url"]["url"] == DATA_URL


def test_a_provider_on_the_public_internet_fetches_for_itself(tmp_path: Path) -> None:
    with open_stage(tmp_path, provider={"fetches_urls": True}) as opened:
        model = opened.model(answer(chat_json("A cat.")))
        model.ask(_picture("https://example.com/cat.png"))
        assert model.heard()[0]["content"][1]["image_url"]["url"] == "https://example.com/cat.png"


def test_a_server_that_is_only_like_a_vendor_gets_no_url_to_fetch(stage: Stage) -> None:
    """It may stand in the operator's network, and reach there what the client must not."""
    model = stage.model(answer(chat_json("A cat.")), provider="like-openai")
    model.refuse(_picture("http://169.254.169.254/latest/meta-data/"))
    assert not model.requests


def test_a_url_in_the_output_of_a_tool_is_refused_by_its_place(stage: Stage) -> None:
    model = stage.model(answer(chat_json("A cat.")))
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": _picture("http://10.0.0.1/")[0]["content"]}
    problem = model.refuse([*_picture(DATA_URL), call, output])
    assert problem["param"] == "input[2].output[1].image_url"


def test_fetching_can_be_forbidden(tmp_path: Path) -> None:
    with open_stage(tmp_path, config={"fetch": {"enabled": False}}) as opened:
        model = opened.model(answer(chat_json("A cat.")))
        problem = model.refuse(_picture("https://example.com/cat.png"))
        assert "data URL" in problem["message"]
        model.ask(_picture(DATA_URL))


def test_a_file_at_the_providers_account_is_refused(stage: Stage) -> None:
    model = stage.model(answer(chat_json("A cat.")))
    parts = [{"type": "input_image", "file_id": "file-of-somebody"}]
    problem = model.refuse([{"role": "user", "content": parts}])
    assert problem["param"] == "input[0].content[0].file_id"
