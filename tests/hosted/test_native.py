"""Who searches: the provider where it can, else the gateway, or the gateway always where the operator says so."""

from collections.abc import Iterator
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from anthropic.types import ServerToolUseBlock, TextBlock, WebSearchToolResultBlock

from tests.engine.stage import Model, Stage, open_stage
from tests.helpers.chat_wire import chat_json, text_chunks
from tests.helpers.gateway import Answer
from tests.helpers.responses_wire import message, reply
from tests.helpers.stream import check_response, check_stream
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Reply, Seen, answer, stream
from tests.hosted.conftest import search_in

Json = dict[str, Any]
SEARCH = {"type": "web_search"}
URL = "https://a.example/"
CITATION = {"type": "url_citation", "url_citation": {"url": URL, "title": "A", "start_index": 0, "end_index": 2}}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[Stage]:
    """Providers that search themselves, and names for which they shall not."""
    models = {
        "here": {"target": "like-openrouter/switched", "hosted_tools": "gateway"},
    }
    config = {"web_search": search_in(web), "models": models}
    quirks = ["openrouter", "perplexity", "openai"]
    with open_stage(tmp_path_factory.mktemp("routes"), quirks=quirks, config=config) as stage:
        yield stage


def grounded(request: Seen) -> Reply:
    """A provider that has searched."""
    if not request.json.get("stream"):
        whole = chat_json("It is so.")
        whole["choices"][0]["message"]["annotations"] = [CITATION]
        return answer(whole)
    first, said, *rest = text_chunks("It is so.")
    cites = msgspec.json.decode(msgspec.json.encode(said))
    cites["choices"][0]["delta"] = {"annotations": [CITATION]}
    return stream(first, said, cites, *rest)


def offered(model: Model) -> list[str]:
    """The types of the tools that reached the provider."""
    return [tool["type"] for tool in model.requests[-1].json.get("tools", ())]


def ignored(got: Answer) -> str:
    """What was left out, as the answer's header says it."""
    return {name.lower(): value for name, value in got.headers.items()}["x-antiphon-ignored"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_search_at_the_provider_looks_like_one_of_openais(routes: Stage, streamed: bool) -> None:
    model = routes.model(grounded, provider="like-openrouter")
    got = model.send("Is it?", tools=[SEARCH], include=["web_search_call.action.sources"], stream=streamed)
    response = check_stream(got.body).response if streamed else check_response(got.json)
    assert offered(model) == ["openrouter:web_search"]
    message, search = response["output"]
    assert (search["type"], search["status"]) == ("web_search_call", "completed")
    assert search["action"]["sources"] == [{"type": "url", "url": URL}]
    assert message["content"][0]["annotations"] == [
        {"type": "url_citation", "start_index": 0, "end_index": 2, "url": URL, "title": "A"}
    ]
    if not streamed:  # of a stream it depends on what has come when the headers leave
        headers = {name.lower(): value for name, value in got.headers.items()}
        told = tuple(headers[f"x-web-search-{name}"] for name in ("used", "count", "status"))
        assert told == ("true", "1", "completed")


def test_a_chat_client_before_it_is_served_in_its_own_words(routes: Stage) -> None:
    model = routes.model(grounded, provider="like-openrouter")
    client: openai.OpenAI = routes.gateway.openai()
    raw = client.chat.completions.with_raw_response.create(
        model=model.name + ":web",
        messages=[{"role": "user", "content": "Is it?"}],
        extra_body={"web_results_count": 3, "provider": {"sort": "price"}},
    )
    completion = raw.parse()
    sent = model.requests[-1].json
    assert sent["tools"] == [{"type": "openrouter:web_search", "parameters": {"max_results": 3}}]
    assert "web_search_options" not in sent
    assert "x-antiphon-ignored" not in raw.headers
    assert (completion.model_extra or {})["web_sources"] == [{"title": "A", "url": URL, "snippet": ""}]
    annotations = completion.choices[0].message.annotations or []
    assert [one.url_citation.url for one in annotations] == [URL]


def test_a_limit_of_searches_that_the_provider_cannot_be_told_is_named(routes: Stage) -> None:
    model = routes.model(grounded, provider="like-openrouter")
    got = model.send("Is it?", tools=[SEARCH], max_tool_calls=2)
    assert got.headers["x-antiphon-ignored"] == "max_tool_calls"
    assert "max_tool_calls" not in model.requests[-1].json


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_of_anthropic_before_it_sees_a_search_as_there(routes: Stage, streamed: bool) -> None:
    model = routes.model(grounded, provider="like-openrouter")
    tool: Any = {"type": "web_search_20250305", "name": "web_search"}
    asked: Json = {"model": model.name, "max_tokens": 500, "messages": [{"role": "user", "content": "Is it?"}]}
    with anthropic.Anthropic(base_url=routes.gateway.url, api_key=routes.gateway.key, max_retries=0) as client:
        if streamed:
            with client.messages.stream(**asked, tools=[tool]) as events:
                found: anthropic.types.Message = events.get_final_message()
        else:
            found = client.messages.create(**asked, tools=[tool])
    text, call, result = found.content
    assert isinstance(text, TextBlock)
    assert isinstance(call, ServerToolUseBlock)
    assert isinstance(result, WebSearchToolResultBlock)
    assert [(one.url, one.title) for one in text.citations or () if one.type == "web_search_result_location"] == [
        (URL, "A")
    ]
    assert (call.name, call.id) == ("web_search", result.tool_use_id)
    assert isinstance(result.content, list)
    assert [(page.url, page.title) for page in result.content] == [(URL, "A")]
    assert found.usage.server_tool_use is not None
    assert found.usage.server_tool_use.web_search_requests == 1


def test_perplexity_searches_by_itself(routes: Stage) -> None:
    whole = {**chat_json("It is so [1]."), "search_results": [{"title": "A", "url": URL}]}
    model = routes.model(answer(whole), provider="like-perplexity")
    message, search = model.ask("Is it?", tools=[SEARCH])["output"]
    assert search["type"] == "web_search_call"
    assert message["content"][0]["annotations"][0]["url"] == URL
    assert offered(model) == []
    got = model.send("Is it?", tools=[SEARCH], web_results_count=3)
    assert ignored(got) == "web_results_count"


def test_for_a_name_the_gateway_searches_although_the_provider_could(routes: Stage) -> None:
    model = routes.known("switched", grounded, name="here")
    model.ask("Is it?", tools=[SEARCH])
    assert set(offered(model)) == {"function"}
    plain = routes.model(grounded, provider="like-openai")
    plain.ask("Is it?", tools=[SEARCH])
    assert set(offered(plain)) == {"function"}


def test_for_a_provider_too_and_a_name_may_say_otherwise(
    tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb
) -> None:
    provider = {"quirks": "openrouter", "hosted_tools": "gateway"}
    models = {"there": {"target": "test/mine", "hosted_tools": "native"}}
    config = {"web_search": search_in(web), "models": models}
    with open_stage(tmp_path_factory.mktemp("switch"), provider=provider, config=config) as stage:
        model = stage.model(grounded)
        model.ask("Is it?", tools=[SEARCH])
        assert set(offered(model)) == {"function"}
        there = stage.known("mine", grounded, name="there")
        there.ask("Is it?", tools=[SEARCH])
        assert offered(there) == ["openrouter:web_search"]


def test_where_the_gateway_shall_search_and_has_no_engine_nobody_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with open_stage(
        tmp_path_factory.mktemp("nobody"), provider={"quirks": "openrouter", "hosted_tools": "gateway"}
    ) as stage:
        model = stage.model(grounded)
        got = model.send("Is it?", tools=[SEARCH])
        assert got.status == 200, got.body
        assert "tools" not in model.requests[-1].json
        assert ignored(got) == "tools.web_search"


@pytest.mark.parametrize(("quirks", "native"), [("vllm", False), ("llamacpp", False), ("groq", False), ("xai", True)])
def test_servers_that_only_speak_responses_do_not_search(
    tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb, quirks: str, native: bool
) -> None:
    provider = {"quirks": quirks, "protocol": "responses"}
    config = {"web_search": search_in(web)}
    with open_stage(tmp_path_factory.mktemp("bare"), provider=provider, config=config) as stage:
        model = stage.model(lambda request: reply(request, [message("It is so.")]))
        model.ask("Is it?", tools=[{**SEARCH, "max_results": 3}])
        tools = model.requests[-1].json["tools"]
        assert {tool["type"] for tool in tools} == ({"web_search"} if native else {"function"})
        assert not native or tools == [SEARCH]
