"""Providers that are spoken to in the dialect that suits the front door."""

import pytest

from antiphon.config.problems import ConfigError
from antiphon.protocol.request import Dialect
from antiphon.protocol.target import Ask
from antiphon.routing.router import ModelRouter
from tests.routing.conftest import Build


def spoken(router: ModelRouter, model: str, door: Dialect) -> str:
    candidates = router.route(Ask(model=model, door=door)).candidates
    assert len(candidates) == 1
    return candidates[0].target.protocol


@pytest.mark.parametrize(
    ("door", "protocol"), [("responses", "responses"), ("messages", "responses"), ("chat", "chat")]
)
def test_openai_is_spoken_to_as_suits_the_door(build: Build, door: Dialect, protocol: str) -> None:
    router = ModelRouter(build("models: {mine: openai/gpt-5.5}", OPENAI_API_KEY="k"))
    assert spoken(router, "openai/gpt-5.5", door) == protocol
    assert spoken(router, "mine", door) == protocol
    again = [router.route(Ask(model="mine", door=door)) for _ in range(2)]
    assert again[0] is again[1]


def test_a_fallback_is_spoken_to_as_suits_the_door_too(build: Build) -> None:
    router = ModelRouter(build("routing: {fallbacks: [openai/o3]}", OPENAI_API_KEY="k", GROQ_API_KEY="k"))
    for door in ("responses", "chat"):
        candidates = router.route(Ask(model="groq/m", door=door)).candidates
        assert [one.target.protocol for one in candidates] == ["chat", door]


def test_what_only_one_endpoint_serves_goes_there_through_every_door(build: Build) -> None:
    router = ModelRouter(build("{}", OPENAI_API_KEY="k"))
    assert spoken(router, "openai/gpt-5-pro", "chat") == "responses"
    assert router.model("openai/gpt-5.5").protocol == "responses"


@pytest.mark.parametrize(
    ("entry", "protocol"),
    [
        ("{api_key: k}", "responses"),
        ("{api_key: k, base_url: 'https://api.openai.com'}", "responses"),
        ("{api_key: k, base_url: 'https://proxy.example/v1'}", "chat"),
        ("{api_key: k, base_url: 'https://proxy.example/v1', protocol: auto}", "responses"),
        ("{api_key: k, protocol: chat}", "chat"),
    ],
)
def test_it_is_the_default_at_openais_own_address_only(build: Build, entry: str, protocol: str) -> None:
    router = ModelRouter(build(f"providers: {{openai: {entry}}}"))
    assert spoken(router, "openai/gpt-5.5", "responses") == protocol
    assert spoken(router, "openai/gpt-5.5", "chat") == "chat"


def test_others_have_it_where_they_speak_both(build: Build) -> None:
    router = ModelRouter(build("providers: {xai: {api_key: k, protocol: auto}, groq: {api_key: k}}"))
    assert spoken(router, "xai/grok", "responses") == "responses"
    assert spoken(router, "xai/grok", "chat") == "chat"
    assert spoken(router, "groq/m", "responses") == "chat"
    with pytest.raises(ConfigError, match="known to speak both"):
        build("providers: {acme: {base_url: 'http://acme', protocol: auto}}")
