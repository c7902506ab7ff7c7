"""Where requests go when a name has several places, over real sockets, with two scripted providers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.edge.refusals import assert_refused
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, answer_like, error

CONDITIONS = {"x-antiphon-tags": "nightly"}


class Stage:
    """Two providers, `eu` with one key and `us` with two, and a gateway in front of both."""

    def __init__(self, gateway: Gateway, eu: ThreadedUpstream, us: ThreadedUpstream) -> None:
        self.gateway, self.eu, self.us = gateway, eu, us

    def ask(self, model: str, headers: Mapping[str, str] | None = None, **fields: object) -> Answer:
        body = {"model": model, "input": "Hi", **fields}
        return self.gateway.request("POST", "/v1/responses", body=body, headers=headers)

    def record(self, answer: Answer) -> Any:
        return self.gateway.request("GET", f"/v1/antiphon/runs/{answer.json['id']}").json

    def verdicts(self, answer: Answer) -> dict[str, str]:
        return {one["target"]: one["verdict"] for one in self.record(answer)["candidates"]}


def _answering(word: str) -> ThreadedUpstream:
    def brain(request: Seen) -> Reply:
        if request.path.endswith("/count_tokens"):
            return answer({"input_tokens": 77})
        if request.json["model"] == "down":
            return error(404, "no such model")
        return answer_like(request, word)

    return ThreadedUpstream(brain)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with _answering("eu") as eu, _answering("us") as us:
        config = {
            "providers": {
                "eu": {"base_url": eu.url, "region": "EU", "api_key": "sk-1"},
                "eu-claude": {"base_url": eu.url, "region": "eu", "api_key": "sk-2", "protocol": "anthropic"},
                "us": {"base_url": us.url, "region": "us", "api_keys": {"a": "sk-a", "b": "sk-b"}},
            },
            "models": {
                "both": {"targets": ["eu/m", "us/m"]},
                "even": {"targets": ["eu/m", "us/m"], "strategy": "weighted"},
                "nightly": {"targets": [{"target": "us/n", "when": {"tags": ["nightly"]}}, "eu/m"]},
                "counted": {"targets": ["eu-claude/m", "us/m"]},
                "backed": {"target": "eu/down", "fallbacks": ["us/m"]},
            },
        }
        with Gateway(None, tmp_path_factory.mktemp("routing"), config=config) as running:
            yield Stage(running, eu, us)


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Gateway:
    return stage.gateway


def test_a_request_stays_in_its_region(stage: Stage) -> None:
    assert stage.ask("both").headers["x-actual-model"] == "eu/m"
    bound = stage.ask("both", {"x-antiphon-region": "US, ch"})
    assert bound.headers["x-actual-model"] == "us/m"
    assert stage.verdicts(bound)["eu/m"] == "region_excluded"


def test_a_request_that_may_go_nowhere_is_refused_and_asks_nobody(stage: Stage) -> None:
    before = len(stage.eu.requests) + len(stage.us.requests)
    refused = stage.ask("both", {"x-antiphon-region": "ch"})
    assert_refused(refused, 503, "no_candidate")
    assert len(stage.eu.requests) + len(stage.us.requests) == before


def test_fallbacks_stay_in_the_region_too(stage: Stage) -> None:
    before = len(stage.us.requests)
    assert stage.ask("backed", {"x-antiphon-region": "eu"}).status >= 400
    assert len(stage.us.requests) == before


def test_a_tag_opens_the_target_that_asks_for_it(stage: Stage) -> None:
    assert stage.ask("nightly", CONDITIONS).headers["x-actual-model"] == "us/n"
    without = stage.ask("nightly")
    assert without.headers["x-actual-model"] == "eu/m"
    assert stage.verdicts(without) == {"us/n": "condition_excluded", "eu/m": "served"}


def test_an_explanation_tells_every_place_with_its_reason(stage: Stage) -> None:
    def explained(model: str, headers: Mapping[str, str] | None = None) -> tuple[str, list[Any]]:
        body = {"model": model, "input": "Hi"}
        told = stage.gateway.request("POST", "/v1/antiphon/explain", body=body, headers=headers).json
        return told["target"], told["candidates"]

    assert explained("both") == ("eu/m", [{"target": "eu/m"}, {"target": "us/m", "verdict": "not_needed"}])
    assert explained("both", {"x-antiphon-region": "us"}) == (
        "us/m",
        [{"target": "us/m"}, {"target": "eu/m", "verdict": "region_excluded"}],
    )
    assert explained("nightly")[1][-1] == {"target": "us/n", "verdict": "condition_excluded"}


def test_counting_stays_in_the_region_too(stage: Stage) -> None:
    body = {"model": "counted", "messages": [{"role": "user", "content": "Hi"}]}
    before = len(stage.eu.requests)
    path = "/v1/messages/count_tokens"
    assert stage.gateway.request("POST", path, body=body).json["input_tokens"] == 77
    assert len(stage.eu.requests) == before + 1
    bound = stage.gateway.request("POST", path, body=body, headers={"x-antiphon-region": "us"})
    assert bound.json["estimated"] is True
    assert len(stage.eu.requests) == before + 1


def test_a_conversation_goes_on_at_the_place_where_it_began(stage: Stage) -> None:
    seen = set()
    for number in range(12):
        answer = stage.ask("even", input=f"conversation {number}")
        place = answer.headers["x-actual-model"]
        seen.add(place)
        for _ in range(3):
            answer = stage.ask("even", previous_response_id=answer.json["id"])
            assert answer.headers["x-actual-model"] == place
    assert seen == {"eu/m", "us/m"}


def test_the_same_cache_key_goes_to_the_same_place_with_the_same_key(stage: Stage) -> None:
    for number in range(6):
        answers = [stage.ask("even", prompt_cache_key=f"key {number}") for _ in range(3)]
        (_,) = {(one.headers["x-actual-model"], stage.record(one)["attempts"][0]["credential"]) for one in answers}


def test_both_keys_of_a_provider_are_used(stage: Stage) -> None:
    for _ in range(24):
        assert stage.ask("us/m").status == 200
    seen = {request.headers["authorization"] for request in stage.us.requests}
    assert seen == {"Bearer sk-a", "Bearer sk-b"}


@pytest.mark.parametrize("name", ["x-antiphon-region", "x-antiphon-tags"])
@pytest.mark.parametrize("value", ["eu us", "e;u", "eu,,us", ",", "x" * 65, ",".join(["a"] * 33), "é"])
def test_headers_that_cannot_be_kept_are_refused(gateway: Gateway, name: str, value: str) -> None:
    answer = gateway.request(
        "POST", "/v1/responses", body={"model": "both", "input": "Hi"}, headers={name: value.encode().decode("latin-1")}
    )
    assert_refused(answer, 400, "invalid_value", param=name)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_headers_are_read_at_every_door(gateway: Gateway, path: str) -> None:
    body = {"model": "both", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    assert gateway.request("POST", path, body=body, headers={"x-antiphon-region": "a b"}).status == 400


@pytest.mark.parametrize(("status", "code"), [(401, "credential"), (402, "quota"), (429, "rate"), (500, "server")])
@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_another_key_of_the_same_place_is_no_fallback(
    tmp_path: Path, status: int, code: str, fallback: bool, streamed: bool
) -> None:
    """So it is also asked where the request wants no other place, and the client is not told of one."""

    def brain(request: Seen) -> Reply:
        first = request.headers["authorization"] == "Bearer sk-a"
        return error(status, code) if first else answer_like(request, "Hello.")

    two = {"api_keys": {"a": "sk-a", "b": "sk-b"}, "key_strategy": "ordered"}
    with ThreadedUpstream(brain) as upstream:
        config = {
            "providers": {"two": {"base_url": upstream.url, **two}, "other": {"base_url": upstream.url}},
            "routing": {"fallbacks": ["other/m"]},
            "retries": {"attempts": 3, "max_wait_s": 0},
        }
        with Gateway(None, tmp_path, config=config) as gateway:
            got = gateway.create(model="two/m", input="Hi", stream=streamed, fallback_enabled=fallback)
    assert got.status == 200, got.body
    assert got.headers["x-actual-model"] == "two/m"
    assert "x-fallback-used" not in got.headers
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-b"
