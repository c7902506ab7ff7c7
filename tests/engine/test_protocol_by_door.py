"""A provider with two endpoints: each front door uses the one that says the most, and what was said stays together."""

from collections.abc import Iterator

import pytest

from tests.engine.stage import Model, Stage, open_stage, output_text
from tests.helpers import responses_wire as native
from tests.helpers.chat_wire import chat_json
from tests.helpers.upstream import Reply, Seen, answer

QUESTION = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    provider = {"quirks": "openai", "protocol": "auto"}
    with open_stage(tmp_path_factory.mktemp("doors"), provider=provider) as opened:
        yield opened


def both(request: Seen) -> Reply:
    """Says which of its endpoints was asked."""
    if request.path.endswith("/responses"):
        return native.reply(request, [native.thought("Hm.", sealed="gAAA"), native.message("native")])
    return answer(chat_json("chat"))


def paths(model: Model) -> list[str]:
    return [request.path.rpartition("/")[2] for request in model.requests]


def test_each_door_has_its_endpoint(stage: Stage) -> None:
    model = stage.model(both, name="gpt-5.5")
    assert output_text(model.ask(reasoning={"effort": "low"})) == "native"
    chat = model.gateway.request("POST", "/v1/chat/completions", body={"model": model.name, "messages": QUESTION})
    assert chat.json["choices"][0]["message"]["content"] == "chat"
    body = {"model": model.name, "messages": QUESTION, "max_tokens": 99}
    message = model.gateway.request("POST", "/v1/messages", body=body)
    assert message.json["content"][-1]["text"] == "native"
    assert paths(model) == ["responses", "completions", "responses"]


def test_a_conversation_keeps_its_thoughts(stage: Stage) -> None:
    model = stage.model(both, name="gpt-5.5")
    first = model.ask(reasoning={"effort": "low"})
    model.ask("Sure?", previous_response_id=first["id"])
    thoughts = [item for item in model.requests[-1].json["input"] if item.get("type") == "reasoning"]
    assert [thought["encrypted_content"] for thought in thoughts] == ["gAAA"]


def test_embeddings_are_there_as_ever(stage: Stage) -> None:
    vectors = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    model = stage.model(answer(vectors), name="text-embedding-3-small")
    got = model.gateway.request("POST", "/v1/embeddings", body={"model": model.name, "input": "Hi"})
    assert got.status == 200
    assert paths(model) == ["embeddings"]
