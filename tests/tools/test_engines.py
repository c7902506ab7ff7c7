"""Each engine over a real socket, in its own words: what it is asked, what its answers become, how it fails."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from antiphon.config.load import load
from antiphon.config.problems import ConfigError
from antiphon.config.settings import Settings
from antiphon.tools.web.domains import DomainFilter
from antiphon.tools.web.engine import EngineFault, Hit, Location, Query, search
from antiphon.tools.web.engines.ddgs import Ddgs, hits_of
from antiphon.tools.web.engines.registry import ENGINES, build_engine
from antiphon.upstream.client import UpstreamClient
from tests.helpers.web import Respond, SmallWeb, reply, silence, small_web

KEY = "key-4711"
QUERY = Query(
    "how to bake bread",
    5,
    domains=DomainFilter(("a.example", "b.example"), ("bad.a.example",)),
    location=Location("de", "Berlin", "Berlin", "Europe/Berlin"),
)

ANSWERS: dict[str, object] = {
    "brave": {
        "type": "search",
        "query": {"original": "how to bake bread"},
        "web": {
            "type": "search",
            "results": [
                {
                    "title": "Bread &amp; butter",
                    "url": "https://a.example/1",
                    "description": "How to <strong>bake</strong> it",
                    "page_age": "2026-01-02T03:04:05",
                    "extra_snippets": ["more"],
                    "family_friendly": True,
                },
                {"title": "Elsewhere", "url": "https://c.example/2"},
            ],
        },
    },
    "tavily": {
        "query": "how to bake bread",
        "answer": None,
        "images": [],
        "results": [
            {"title": "Bread & butter", "url": "https://a.example/1", "content": "How to bake it … more", "score": 0.9},
            {"title": "Elsewhere", "url": "https://c.example/2", "content": "", "score": 0.1},
        ],
        "response_time": "1.67",
    },
    "exa": {
        "requestId": "x",
        "results": [
            {
                "id": "https://a.example/1",
                "title": "Bread & butter",
                "url": "https://a.example/1",
                "publishedDate": "2026-01-02T03:04:05.000Z",
                "author": None,
                "highlights": ["How to bake it", "more"],
            },
            {"id": "2", "title": None, "url": "https://c.example/2"},
        ],
        "costDollars": {"total": 0.005},
    },
    "searxng": {
        "query": "how to bake bread",
        "number_of_results": 0,
        "results": [
            {
                "title": "Bread & butter",
                "url": "https://a.example/1",
                "content": "How to bake it … more",
                "engine": "x",
            },
            {"title": "Elsewhere", "url": "https://c.example/2", "content": None, "publishedDate": None},
            {"title": "", "url": None, "content": "", "kvmap": {"a table": "no page"}},
        ],
        "unresponsive_engines": [["y", "timeout"]],
    },
}


def configured(name: str, url: str, tmp_path: Path, **more: object) -> Settings:
    settings = {"web_search": {"engine": name, "url": url, "api_key": KEY, **more}}
    (tmp_path / "antiphon.yaml").write_bytes(msgspec.json.encode(settings))
    return load(tmp_path / "antiphon.yaml", {})


def ask(name: str, respond: Respond, tmp_path: Path, *, timeout_s: float = 10.0) -> tuple[list[Hit], SmallWeb]:
    async def main() -> tuple[list[Hit], SmallWeb]:
        async with small_web() as web, UpstreamClient() as client:
            web.paths["/search"] = web.search = respond
            url = web.search_url if name == "searxng" else f"{web.search_url}/search"
            engine = build_engine(configured(name, url, tmp_path, timeout_s=timeout_s), client)
            assert engine is not None
            return await search(engine, QUERY, timeout_s=timeout_s), web

    return asyncio.run(main())


def json(answer: object, status: str = "200 OK") -> Respond:
    return reply(msgspec.json.encode(answer), "application/json", status)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_answer_becomes_hits_in_the_domains_asked_for(name: str, tmp_path: Path) -> None:
    hits, _ = ask(name, json(ANSWERS[name]), tmp_path)
    dates = {"brave": "2026-01-02", "exa": "2026-01-02"}
    assert hits == [Hit("https://a.example/1", "Bread & butter", "How to bake it … more", dates.get(name, ""))]


def test_searxng_is_asked_for_json_with_the_domains_as_operators(tmp_path: Path) -> None:
    _, web = ask("searxng", json(ANSWERS["searxng"]), tmp_path)
    parts = urlsplit(web.asked[0])
    assert parts.path == "/search"
    assert parse_qs(parts.query) == {
        "q": ["how to bake bread (site:a.example OR site:b.example) -site:bad.a.example"],
        "format": ["json"],
    }
    assert f"authorization: Bearer {KEY}".encode() in web.heads[0]


def test_brave_is_asked_with_key_country_and_place(tmp_path: Path) -> None:
    _, web = ask("brave", json(ANSWERS["brave"]), tmp_path)
    asked = parse_qs(urlsplit(web.asked[0]).query)
    assert (asked["count"], asked["country"], asked["result_filter"]) == (["5"], ["DE"], ["web"])
    for header in (f"x-subscription-token: {KEY}", "x-loc-city: Berlin", "x-loc-timezone: Europe/Berlin"):
        assert header.encode() in web.heads[0]


def test_tavily_is_asked_with_lists_of_domains(tmp_path: Path) -> None:
    _, web = ask("tavily", json(ANSWERS["tavily"]), tmp_path)
    assert msgspec.json.decode(web.bodies[0]) == {
        "query": "how to bake bread",
        "max_results": 5,
        "search_depth": "basic",
        "include_domains": ["a.example", "b.example"],
        "exclude_domains": ["bad.a.example"],
    }
    assert f"authorization: Bearer {KEY}".encode() in web.heads[0]


def test_exa_is_asked_with_lists_of_domains_and_the_country(tmp_path: Path) -> None:
    _, web = ask("exa", json(ANSWERS["exa"]), tmp_path)
    assert msgspec.json.decode(web.bodies[0]) == {
        "query": "how to bake bread",
        "type": "auto",
        "numResults": 5,
        "contents": {"highlights": {"maxCharacters": 600}},
        "includeDomains": ["a.example", "b.example"],
        "excludeDomains": ["bad.a.example"],
        "userLocation": "DE",
    }
    assert f"x-api-key: {KEY}".encode() in web.heads[0]


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize(
    ("respond", "said"),
    [
        (json({"error": f"bad key {KEY}"}, "401 Unauthorized"), "refuses this gateway's access"),
        (json({"detail": {"error": "limit"}}, "429 Too Many Requests"), "takes no more searches"),
        (json({}, "503 Service Unavailable"), "answered with status 503"),
        (reply(b"<html>", "text/html"), "cannot be read"),
        (json({"results": "none", "web": 1}), "cannot be read"),
        (reply(b"", "text/html", "302 Found", "Location: /login"), "status 302|could not be reached"),
    ],
)
def test_failure_says_what_happened_and_never_the_key(name: str, respond: Respond, said: str, tmp_path: Path) -> None:
    with pytest.raises(EngineFault, match=said) as caught:
        ask(name, respond, tmp_path)
    assert KEY not in str(caught.value) + caught.value.detail


def test_wrong_key_at_brave_is_told_from_a_wrong_request(tmp_path: Path) -> None:
    refusal = {"type": "ErrorResponse", "error": {"code": "SUBSCRIPTION_TOKEN_INVALID", "status": 422}}
    with pytest.raises(EngineFault, match="refuses this gateway's access"):
        ask("brave", json(refusal, "422 Unprocessable Entity"), tmp_path)


def test_searxng_without_any_engine_that_answers_has_failed(tmp_path: Path) -> None:
    with pytest.raises(EngineFault, match="no answer from the engines behind it"):
        ask("searxng", json({"results": [], "unresponsive_engines": [["x", "timeout"]]}), tmp_path)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_nothing_found_is_no_failure(name: str, tmp_path: Path) -> None:
    hits, _ = ask(name, json({"results": []}), tmp_path)
    assert hits == []


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_silent_engine_is_given_up_in_time(name: str, tmp_path: Path) -> None:
    with pytest.raises(EngineFault, match="did not answer"):
        ask(name, silence, tmp_path, timeout_s=0.2)


def test_unreachable_engine_is_a_fault(tmp_path: Path) -> None:
    async def main() -> Sequence[Hit]:
        async with UpstreamClient() as client:
            engine = build_engine(configured("searxng", "http://127.0.0.1:1", tmp_path), client)
            assert engine is not None
            return await search(engine, QUERY, timeout_s=5)

    with pytest.raises(EngineFault, match="could not be reached"):
        asyncio.run(main())


def test_results_are_cut_to_the_number_wanted_and_told_once() -> None:
    class Many:
        name = "many"

        async def search(self, query: Query) -> Sequence[Hit]:
            return [Hit(f"https://{query.text}.example/{number // 2}") for number in range(30)]

    hits = asyncio.run(search(Many(), Query("q", 3), timeout_s=1))
    assert [hit.url for hit in hits] == [f"https://q.example/{number}" for number in range(3)]


def test_ddgs_results_become_hits() -> None:
    assert hits_of([{"title": "T", "href": "https://a.example", "body": "B <b>x</b>"}]) == [
        Hit("https://a.example", "T", "B x")
    ]


def test_ddgs_that_reaches_nobody_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDGS_PROXY", "http://127.0.0.1:1")
    engine = Ddgs(5.0)
    try:
        with pytest.raises(EngineFault):
            asyncio.run(search(engine, QUERY, timeout_s=20))
    finally:
        engine.close()


def test_engine_is_the_default_only_where_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).search_engine == "ddgs"
    (tmp_path / "antiphon.yaml").write_text("server: {port: 8001}")
    assert load(None, {}).search_engine == "off"
    (tmp_path / "antiphon.yaml").write_text("web_search: ddgs")
    assert load(None, {}).search_engine == "ddgs"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web_search: searxng", "`searxng` needs `web_search.url`"),
        ("web_search: brave", "BRAVE_API_KEY"),
        ("web_search: {engine: exa}", "EXA_API_KEY"),
        ("web_search: bing", "expected one of"),
    ],
)
def test_engine_that_lacks_something_stops_the_start(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "antiphon.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "antiphon.yaml", {})


def test_key_comes_from_the_usual_variable(tmp_path: Path) -> None:
    async def main() -> bytes:
        async with small_web() as web, UpstreamClient() as client:
            web.search = json(ANSWERS["tavily"])
            (tmp_path / "antiphon.yaml").write_text(f"web_search: {{engine: tavily, url: '{web.search_url}/search'}}")
            engine = build_engine(load(tmp_path / "antiphon.yaml", {"TAVILY_API_KEY": "from-env"}), client)
            assert engine is not None
            await engine.search(QUERY)
            return web.heads[0]

    assert b"authorization: Bearer from-env" in asyncio.run(main())


def test_every_engine_can_be_configured(tmp_path: Path) -> None:
    async def main() -> set[str]:
        async with UpstreamClient() as client:
            built = {name: build_engine(configured(name, "http://x.example", tmp_path), client) for name in ENGINES}
            return {name for name, engine in built.items() if engine is not None and engine.name == name}

    assert asyncio.run(main()) == {"searxng", "brave", "tavily", "exa", "ddgs"}
