"""Front doors: providers are spoken to in the dialect that suits them, and some models are only for one of them."""

import pytest

from antiphon.config.problems import ConfigError
from antiphon.protocol.faults import ServerFault
from antiphon.protocol.request import Dialect
from antiphon.protocol.target import Ask, Route
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


CLOSED = """
providers:
  eu: {base_url: "http://eu"}
models:
  mixed: {targets: [eu/gpt-5-pro, eu/a, eu/openai/o1-pro]}
  bound: {targets: [eu/gpt-5-pro, {target: eu/a, when: {tags: [x]}}]}
  both: {targets: [eu/gpt-5-pro, eu/o1-pro]}
routing: {fallbacks: [eu/gpt-5-pro, eu/b]}
"""


def verdicts(route: Route) -> dict[str, str | None]:
    """In the order of the candidates."""
    return {f"{one.target.provider}/{one.target.model}": one.verdict for one in route.candidates}


@pytest.mark.parametrize("door", ["chat", "messages"])
def test_models_for_one_endpoint_only_are_passed_over_at_the_others(build: Build, door: Dialect) -> None:
    router = ModelRouter(build(CLOSED))
    other = "endpoint_excluded"
    mixed = verdicts(router.route(Ask(model="mixed", door=door)))
    assert mixed == {"eu/a": None, "eu/b": None, "eu/gpt-5-pro": other, "eu/openai/o1-pro": other}
    alone = verdicts(router.route(Ask(model="eu/a", door=door)))
    assert alone == {"eu/a": None, "eu/b": None, "eu/gpt-5-pro": other}
    with pytest.raises(ServerFault, match="its tenant or tags or the endpoint it was sent to"):
        router.route(Ask(model="bound", door=door, fallback=False))


def test_models_for_one_endpoint_only_are_taken_there_and_where_they_are_bridged(build: Build) -> None:
    everywhere = {"eu/gpt-5-pro": None, "eu/a": None, "eu/openai/o1-pro": None, "eu/b": None}
    assert verdicts(ModelRouter(build(CLOSED)).route(Ask(model="mixed"))) == everywhere
    bridged = ModelRouter(build(CLOSED + "endpoints: {responses_only: bridge}\n"))
    assert verdicts(bridged.route(Ask(model="mixed", door="chat"))) == everywhere
