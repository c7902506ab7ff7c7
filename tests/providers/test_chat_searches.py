"""Searches of the web that a provider does itself when Chat is spoken with it: asked for, and told as searches."""

from typing import Any

import msgspec
import pytest

from antiphon.protocol.deltas import Annotation, Delta, SearchDone, SearchOpened, Stopped, Text
from tests.helpers.requests import make_request
from tests.providers.corpus import replay, target_for
from tests.providers.script import CODEC, DONE, SSE, STOP, chunk

Json = dict[str, Any]

F = {"type": "function", "name": "f"}
PLACE = {"type": "approximate", "city": "Oslo", "country": "NO"}
FILTERS = {"allowed_domains": ["a.example"], "blocked_domains": ["b.example"]}
SEARCH: Json = {"type": "web_search", "search_context_size": "low", "user_location": PLACE, "max_results": 3}
ROUTER, OPENAI, SONAR = "openrouter/x-ai/grok-5", "openai/gpt-4o-search-preview", "perplexity/sonar-pro"


def encode(model: str, **fields: Any) -> tuple[Json, list[str]]:
    """The body's fields that speak of tools, and what was dropped."""
    encoded = CODEC.encode(make_request(**fields), target_for(model), media={})
    body: Json = msgspec.json.decode(encoded.body)
    names = ("tools", "tool_choice", "web_search_options", "search_domain_filter")
    return {name: body[name] for name in names if name in body}, [notice.where for notice in encoded.notices]


def read(model: str, *frames: object, whole: bool = False, **fields: Any) -> list[Delta]:
    target = target_for(model)
    kind = "application/json" if whole else SSE
    decoder = CODEC.decoder(make_request(**fields), target, content_type=kind)
    encoded = [frame if isinstance(frame, bytes) else msgspec.json.encode(frame) for frame in frames]
    body = encoded[0] if whole else b"".join(b"data: " + one + b"\n\n" if one != DONE else one for one in encoded)
    return replay(decoder, [body])


def urls(deltas: list[Delta]) -> list[str]:
    """What the one search found. It is told before the end."""
    kinds = [type(delta) for delta in deltas]
    assert kinds.index(SearchDone) == kinds.index(SearchOpened) + 1 == kinds.index(Stopped) - 1
    (done,) = (delta for delta in deltas if isinstance(delta, SearchDone))
    action = msgspec.json.decode(done.action)
    assert action["type"] == "search"
    return [source["url"] for source in action["sources"]]


@pytest.mark.parametrize(
    ("model", "hosts"),
    [
        (ROUTER, True),
        (OPENAI, True),
        ("openai/gpt-5-search-api", True),
        (SONAR, True),
        ("openai/gpt-4o", False),
        ("groq/openai/gpt-oss-120b", False),
        ("xai/grok-4", False),
        ("generic/m", False),
    ],
)
def test_who_searches_is_known(model: str, hosts: bool) -> None:
    target = target_for(model)
    assert CODEC.hosts("web_search_preview", target) is hosts
    assert not CODEC.hosts("file_search", target)


def test_openrouter_is_given_a_tool() -> None:
    body, notices = encode(ROUTER, tools=[F, {**SEARCH, "filters": {"blocked_domains": ["b.example"]}}])
    assert [tool["type"] for tool in body["tools"]] == ["function", "openrouter:web_search"]
    assert body["tools"][1]["parameters"] == {
        "max_results": 3,
        "search_context_size": "low",
        "excluded_domains": ["b.example"],
        "user_location": PLACE,
    }
    assert notices == []
    body, notices = encode(ROUTER, tools=[{**SEARCH, "filters": FILTERS}])
    assert body["tools"][0]["parameters"]["allowed_domains"] == ["a.example"]
    assert notices == ["tools.web_search.filters.blocked_domains"]


def test_a_server_tool_cannot_be_forced() -> None:
    assert encode(ROUTER, tools=[SEARCH], tool_choice={"type": "web_search"})[1] == ["tool_choice"]
    assert encode(OPENAI, tools=[SEARCH], tool_choice={"type": "web_search"})[1] == []


def test_openais_search_models_are_given_options() -> None:
    body, notices = encode(OPENAI, tools=[SEARCH])
    place = {"type": "approximate", "approximate": {"city": "Oslo", "country": "NO"}}
    assert body == {"web_search_options": {"search_context_size": "low", "user_location": place}}
    assert notices == []
    assert encode(OPENAI, tools=[{"type": "web_search", "filters": FILTERS}])[1] == ["tools.web_search.filters"]
    assert encode(OPENAI, tools=[{"type": "web_search"}])[0] == {"web_search_options": {}}


def test_perplexity_is_told_size_place_and_domains() -> None:
    body, notices = encode(SONAR, tools=[{**SEARCH, "filters": FILTERS}])
    assert body == {
        "web_search_options": {"search_context_size": "low", "user_location": {"country": "NO", "city": "Oslo"}},
        "search_domain_filter": ["a.example"],
    }
    assert notices == ["tools.web_search.filters.blocked_domains"]
    body, notices = encode(SONAR, tools=[{**SEARCH, "filters": {"blocked_domains": ["b.example"]}}])
    assert body["search_domain_filter"] == ["-b.example"]
    assert notices == []


def test_a_model_without_search_is_asked_for_none() -> None:
    body, notices = encode("openai/gpt-4o", tools=[F, SEARCH])
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert notices == ["tools[1].web_search"]


def cite(url: str, start: int, end: int) -> Json:
    return {"type": "url_citation", "url_citation": {"url": url, "title": "T", "start_index": start, "end_index": end}}


def test_citations_tell_of_a_search() -> None:
    frames = [
        chunk({"content": "Yes."}),
        chunk({"annotations": [cite("https://a.example/", 0, 3), cite("https://b.example/", 0, 3)]}),
        chunk({"annotations": [cite("https://a.example/", 3, 4)]}),
        STOP,
        DONE,
    ]
    deltas = read(ROUTER, *frames, tools=[SEARCH])
    assert urls(deltas) == ["https://a.example/", "https://b.example/"]
    assert sum(isinstance(delta, Annotation) for delta in deltas) == 3


def test_the_same_in_one_piece() -> None:
    message = {"role": "assistant", "content": "Yes.", "annotations": [cite("https://a.example/", 0, 3)]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    assert urls(read(OPENAI, body, whole=True, tools=[SEARCH])) == ["https://a.example/"]


def test_without_a_citation_nobody_knows_of_a_search() -> None:
    deltas = read(ROUTER, chunk({"content": "Yes."}), STOP, DONE, tools=[SEARCH])
    assert [type(delta) for delta in deltas] == [Text, Stopped]


RESULTS = [{"title": "A", "url": "https://a.example/"}, {"title": "B", "url": "https://b.example/"}]


def test_perplexitys_numbers_become_citations_at_their_characters() -> None:
    text = "😀 Bread[2][1], not x[9] nor [1](https://c.example/)."
    frames = [
        chunk({"content": text[:9]}, search_results=RESULTS),
        chunk({"content": text[9:]}, search_results=RESULTS, citations=["https://z.example/"]),
        STOP,
        DONE,
    ]
    deltas = read(SONAR, *frames, tools=[SEARCH])
    cited = [msgspec.json.decode(delta.annotation) for delta in deltas if isinstance(delta, Annotation)]
    assert [(one["url"], one["title"]) for one in cited] == [("https://b.example/", "B"), ("https://a.example/", "A")]
    assert [text[one["start_index"] : one["end_index"]] for one in cited] == ["[2]", "[1]"]
    assert urls(deltas) == ["https://a.example/", "https://b.example/"]


def test_an_older_list_of_addresses_does_too_and_a_search_is_told_only_to_who_asked() -> None:
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "So [1]."}, "finish_reason": "stop"}],
        "citations": ["https://z.example/"],
    }
    deltas = read(SONAR, body, whole=True)
    assert [type(delta) for delta in deltas] == [Text, Annotation, Stopped]
    assert urls(read(SONAR, body, whole=True, tools=[SEARCH])) == ["https://z.example/"]
