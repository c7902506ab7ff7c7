"""`MODEL:web` and its fields, through every door, with the official SDKs."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import WebSearchToolResultBlock

from tests.engine.stage import Model, Stage, open_stage, output_text
from tests.helpers.chat_wire import chat_json, text_chunks, tool_call_chunks
from tests.helpers.gateway import Answer, add_key
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Reply, Seen, answer, stream

Json = dict[str, Any]
DOORS = ("responses", "chat/completions", "messages")
PAGES = 12


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, ThreadedWeb]]:
    """A gateway that finds a dozen pages, each with more words than most models want to read."""
    with ThreadedWeb() as web:
        for number in range(PAGES):
            web.web.page(f"/{number}", "", title=f"Bread {number}", snippet="word " * 400, host="127.0.0.1")
        search = {"engine": "searxng", "url": web.web.search_url, "robots": False}
        models = {"known:web": "test/known"}
        with open_stage(tmp_path_factory.mktemp("web"), config={"web_search": search, "models": models}) as stage:
            yield stage, web


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway that searches nothing."""
    with open_stage(tmp_path_factory.mktemp("bare")) as stage:
        yield stage


def searches(request: Seen) -> Reply:
    """A model that searches once, where it can."""
    streams = request.json.get("stream")
    names = [tool["function"]["name"] for tool in request.json.get("tools", ())]
    if "web_search" in names and not shown(request):
        if streams:
            return stream(*tool_call_chunks("web_search", '{"query":"bread"}'))
        call = {"id": "call_1", "name": "web_search", "arguments": '{"query":"bread"}'}
        return answer(chat_json(None, tool_calls=[call]))
    return stream(*text_chunks("So it is [1].")) if streams else answer(chat_json("So it is [1]."))


def shown(request: Seen) -> list[str]:
    """What the model was given to read."""
    return [message["content"] for message in request.json["messages"] if message["role"] == "tool"]


def ask(
    model: Model, door: str, *, name: str = "", key: str | None = None, more: Json | None = None, **fields: object
) -> Answer:
    """A question through a door, for the model's name with the suffix."""
    body: Json = {"model": name or model.name + ":web", **(more or {}), **fields}
    if door == "responses":
        body["input"] = "Bread?"
    else:
        body["messages"] = [{"role": "user", "content": "Bread?"}]
    if door == "messages":
        body["max_tokens"] = 500
    return model.gateway.request("POST", f"/v1/{door}", body=body, key=model.key if key is None else key)


def told(got: Answer) -> tuple[str, str, str]:
    """Used, count and status."""
    headers = {name.lower(): value for name, value in got.headers.items()}
    return headers["x-web-search-used"], headers["x-web-search-count"], headers["x-web-search-status"]


@pytest.mark.parametrize("door", DOORS)
def test_the_suffix_turns_the_search_on_through_every_door(many: tuple[Stage, ThreadedWeb], door: str) -> None:
    model = many[0].model(searches)
    got = ask(model, door)
    assert got.status == 200, got.body
    assert told(got) == ("true", "5", "completed")
    assert got.json["model"] == model.name + ":web"
    (read,) = shown(model.requests[-1])
    assert read.count("http://127.0.0.1") == 5
    sent = model.requests[0].json
    assert sent["model"] == model.name.removeprefix("test/")
    assert not any("web" in name for name in sent)


@pytest.mark.parametrize("door", DOORS)
def test_its_fields_say_how_much_and_are_never_sent_on(many: tuple[Stage, ThreadedWeb], door: str) -> None:
    model = many[0].model(searches)
    got = ask(model, door, web_results_count=2, web_content_length="full", surprise=1)
    assert told(got) == ("true", "2", "completed")
    (read,) = shown(model.requests[-1])
    assert read.count("http://127.0.0.1") == 2
    assert read.count("word") > 500
    assert "web_results_count" not in model.requests[0].json
    ask(model, door, web_results_count=1, web_content_length="short")
    (read,) = shown(model.requests[-1])
    assert 0 < read.count("word") < 100


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("field", "value"),
    [("web_results_count", 0), ("web_results_count", 11), ("web_results_count", "5"), ("web_content_length", "long")],
)
def test_wrong_values_are_named(many: tuple[Stage, ThreadedWeb], door: str, field: str, value: object) -> None:
    model = many[0].model(searches)
    got = ask(model, door, more={field: value})
    assert got.status == 400
    assert field in got.json["error"]["message"]
    assert not model.requests


@pytest.mark.parametrize("door", DOORS)
def test_in_a_stream_the_headers_tell_what_is_known_when_they_leave(many: tuple[Stage, ThreadedWeb], door: str) -> None:
    got = ask(many[0].model(searches), door, stream=True)
    assert got.status == 200
    # `/v1/responses` has something to say while the search is still running, and so sends its headers then.
    assert told(got) == (("false", "0", "pending") if door == "responses" else ("true", "5", "completed"))


def test_chat_answers_have_their_sources(many: tuple[Stage, ThreadedWeb]) -> None:
    stage, web = many
    model = stage.model(searches)
    client = stage.gateway.openai()
    messages: Any = [{"role": "user", "content": "Bread?"}]
    whole = client.chat.completions.create(model=model.name + ":web", messages=messages)
    sources: list[Json] = (whole.model_extra or {})["web_sources"]
    assert len(sources) == 5
    assert sources[0] == {"title": "Bread 0", "url": web.web.url("/0", "127.0.0.1"), "snippet": sources[0]["snippet"]}
    assert sources[0]["snippet"].startswith("word word")
    cited = whole.choices[0].message.annotations or []
    assert [one.url_citation.url for one in cited] == [sources[0]["url"]]
    chunks = list(client.chat.completions.create(model=model.name + ":web", messages=messages, stream=True))
    assert (chunks[-1].model_extra or {})["web_sources"] == sources
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all("web_sources" not in (chunk.model_extra or {}) for chunk in chunks[:-1])


def test_a_model_of_exactly_that_name_is_meant_itself(many: tuple[Stage, ThreadedWeb]) -> None:
    stage, _ = many
    got = ask(stage.known("known", searches, name="known:web"), "responses", name="known:web")
    assert got.status == 200, got.body
    assert "x-web-search-used" not in {name.lower() for name in got.headers}
    assert output_text(got.json) == "So it is [1]."


@pytest.mark.parametrize("door", DOORS)
def test_a_keys_list_of_models_sees_the_name_without_it(many: tuple[Stage, ThreadedWeb], door: str) -> None:
    stage, _ = many
    model = stage.model(searches)
    database = stage.gateway.settings.database_url
    may = add_key(database, models=(model.name,))
    may_not = add_key(database, models=("*:web",))
    assert ask(model, door, key=may).status == 200
    assert ask(model, door, key=may_not).status == 403


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("streams", [False, True])
def test_a_search_that_fails_is_done_without_and_told(bare: Stage, door: str, *, streams: bool) -> None:
    """Nobody searches here: the answer is made without, and says so."""
    model = bare.model(searches)
    got = ask(model, door, stream=streams)
    assert got.status == 200, got.body
    assert b"So it is" in got.body
    assert told(got) == ("false", "0", "unavailable")
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert headers["x-antiphon-ignored"] == "tools.web_search"
    assert "tools" not in model.requests[0].json


@pytest.mark.parametrize("door", DOORS)
def test_a_search_engine_that_is_down_is_done_without_and_told(
    tmp_path_factory: pytest.TempPathFactory, door: str
) -> None:
    search = {"engine": "searxng", "url": "http://127.0.0.1:9", "robots": False}
    with open_stage(tmp_path_factory.mktemp("down"), config={"web_search": search}) as stage:
        got = ask(stage.model(searches), door)
        assert got.status == 200, got.body
        assert b"So it is" in got.body
        assert told(got) == ("false", "0", "failed")


def test_a_model_that_does_not_search_says_so(many: tuple[Stage, ThreadedWeb]) -> None:
    got = ask(many[0].model(answer(chat_json("I know that."))), "chat/completions")
    assert told(got) == ("false", "0", "unused")
    assert got.json["web_sources"] == []


def test_fields_without_a_search_are_named(many: tuple[Stage, ThreadedWeb]) -> None:
    model = many[0].model(searches)
    got = ask(model, "responses", name=model.name, web_results_count=3)
    assert got.status == 200
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert headers["x-antiphon-ignored"] == "web_results_count"


def test_fields_belong_to_a_tool_of_the_clients_own_too(many: tuple[Stage, ThreadedWeb]) -> None:
    model = many[0].model(searches)
    ask(model, "responses", name=model.name, tools=[{"type": "web_search"}], web_results_count=3)
    (read,) = shown(model.requests[-1])
    assert read.count("http://127.0.0.1") == 3


def test_several_choices_cannot_search(many: tuple[Stage, ThreadedWeb]) -> None:
    got = ask(many[0].model(searches), "chat/completions", n=2)
    assert (got.status, got.json["error"]["param"]) == (400, "n")


def test_the_official_clients_read_all_of_it(many: tuple[Stage, ThreadedWeb]) -> None:
    stage, _ = many
    model = stage.model(searches)
    response = stage.gateway.openai().responses.create(model=model.name + ":web", input="Bread?")
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    with anthropic.Anthropic(base_url=stage.gateway.url, api_key=stage.gateway.key, max_retries=0) as client:
        message = client.messages.create(
            model=model.name + ":web", max_tokens=500, messages=[{"role": "user", "content": "Bread?"}]
        )
        counted = client.messages.count_tokens(
            model=model.name + ":web", messages=[{"role": "user", "content": "Bread?"}]
        )
    assert [block.type for block in message.content] == ["server_tool_use", "web_search_tool_result", "text"]
    found = message.content[1]
    assert isinstance(found, WebSearchToolResultBlock)
    assert isinstance(found.content, list)
    assert [page.title for page in found.content] == [f"Bread {number}" for number in range(5)]
    assert counted.input_tokens
