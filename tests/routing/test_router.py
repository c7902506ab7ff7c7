import time

import pytest

from antiphon.engine.ports import Router
from antiphon.protocol.faults import RequestFault
from antiphon.routing.catalog import Catalog, local_provider
from antiphon.routing.router import ModelInfo, ModelRouter, PriceInfo
from tests.routing.conftest import Build

CONFIG = """
providers:
  openai: {api_key: a, models: [gpt-5, gpt-5-mini, shared]}
  openrouter: {api_key: b, models: [claude-*, shared]}
  vllm: {models: [Qwen/Qwen3-8B, claude-local-*, gpt-5.1-*]}
  acme: {base_url: http://acme}
models:
  fast: openai/gpt-5-mini
  default: fast
  gpt-5: vllm/not-this-either
  gpt-*: openrouter/openai/gpt-*
  gpt-4*: openai/gpt-4*
  gpt-4o: openai/gpt-4o-2024-11-20
  "*:free": openrouter/*:free
  a*-b*: openrouter/*/*
  plain-*: shared
"""


@pytest.fixture
def router(build: Build) -> ModelRouter:
    return ModelRouter(build(CONFIG, local_provider("http://127.0.0.1:1")), created=1_700_000_000)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        # provider/model comes first, and works for models that nobody listed
        ("openai/gpt-5", ["openai gpt-5"]),
        ("openai/o3", ["openai o3"]),
        ("openrouter/anthropic/claude-4", ["openrouter anthropic/claude-4"]),
        ("local/anything", ["local anything"]),
        # aliases: exact before pattern, then the longest literal beginning
        ("fast", ["openai gpt-5-mini"]),
        ("default", ["openai gpt-5-mini"]),
        ("gpt-5", ["vllm not-this-either"]),
        ("gpt-5-mini", ["openrouter openai/gpt-5-mini"]),
        ("gpt-4o", ["openai gpt-4o-2024-11-20"]),
        ("gpt-4o-mini", ["openai gpt-4o-mini"]),
        ("gpt-4", ["openai gpt-4"]),
        ("gpt-", ["openrouter openai/gpt-"]),
        ("llama:free", ["openrouter llama:free"]),
        ("ax-by", ["openrouter x/y"]),
        ("plain-1", ["openai shared", "openrouter shared"]),
        # names that providers list
        ("shared", ["openai shared", "openrouter shared"]),
        ("Qwen/Qwen3-8B", ["vllm Qwen/Qwen3-8B"]),
        ("claude-4", ["openrouter claude-4"]),
        ("claude-local-7b", ["vllm claude-local-7b", "openrouter claude-local-7b"]),
        ("local", ["local smollm2-135m-instruct"]),
        ("smollm2-135m-instruct", ["local smollm2-135m-instruct"]),
        # the one provider without a list
        ("whatever", ["acme whatever"]),
        ("mistralai/whatever", ["acme mistralai/whatever"]),
    ],
)
def test_names_go_where_they_should(router: ModelRouter, name: str, places: list[str]) -> None:
    assert [f"{target.provider} {target.model}" for target in router.targets(name)] == places
    assert router.targets(name) is router.targets(name)


def test_targets_carry_what_the_provider_has(router: ModelRouter) -> None:
    (target,) = router.targets("fast")
    assert target.base_url == "https://api.openai.com/v1"
    assert target.credential is not None


def test_it_is_the_router_that_the_engine_asks_for(router: ModelRouter) -> None:
    port: Router = router
    assert port.targets("fast")


def test_the_list_has_every_name_once_and_no_patterns(router: ModelRouter) -> None:
    assert [(model.id, model.owned_by) for model in router.models()] == [
        ("fast", "openai"),
        ("default", "openai"),
        ("gpt-5", "vllm"),
        ("gpt-4o", "openai"),
        ("gpt-5-mini", "openrouter"),
        ("shared", "openai"),
        ("Qwen/Qwen3-8B", "vllm"),
        ("smollm2-135m-instruct", "local"),
        ("local", "local"),
    ]


def test_a_model_that_is_served_but_not_listed_can_be_asked_for(router: ModelRouter) -> None:
    expected = ModelInfo(id="openai/of-mine", created=1_700_000_000, owned_by="openai", protocol="responses")
    assert router.model("openai/of-mine") == expected


def test_what_is_known_of_a_model_is_told(router: ModelRouter) -> None:
    info = router.model("openai/o3")
    assert (info.context_length, info.max_output_tokens, info.released) == (200_000, 100_000, "2025-04-16")
    assert info.created == 1_744_761_600  # that day
    assert info.input_modalities == ("text", "image", "pdf")
    assert isinstance(info.pricing, PriceInfo)
    (target,) = router.targets("openai/o3")
    assert target.context_tokens == 200_000
    assert target.price is not None
    assert (target.price.input, target.price.output) == (info.pricing.input, info.pricing.output)


SAID = """
providers:
  openai: {api_key: a}
  strict: {base_url: "http://gpu:1", models: [strictly], strict: on}
  searched: {base_url: "http://gpu:1", models: [found], hosted_tools: gateway}
models:
  mine: {target: openai/o3, context: 1000, prices: {input: 1, output: 2, cached: 0.5}, strict: on}
  yours: {target: mine, context: 500, max_output: 100, input: [text], output: [text]}
  lax: {target: strictly, strict: off, hosted_tools: gateway}
  laxer: {target: lax, hosted_tools: native}
"""


def test_what_the_operator_says_wins_and_the_outermost_name_first(build: Build) -> None:
    router = ModelRouter(build(SAID))
    mine, yours = router.model("mine"), router.model("yours")
    assert (mine.context_length, mine.max_output_tokens, mine.released) == (1000, 100_000, "2025-04-16")
    assert (yours.context_length, yours.max_output_tokens, yours.input_modalities) == (500, 100, ("text",))
    assert mine.pricing == yours.pricing == PriceInfo(input=1.0, cached_input=0.5, output=2.0)
    assert router.targets("openai/o3")[0].context_tokens == 200_000  # the name itself is not the alias


def test_strictness_is_the_names_else_the_providers(build: Build) -> None:
    router = ModelRouter(build(SAID))
    strict = {name: router.targets(name)[0].strict for name in ("mine", "yours", "openai/o3", "strictly", "lax")}
    assert strict == {"mine": True, "yours": True, "openai/o3": False, "strictly": True, "lax": False}


def test_who_runs_hosted_tools_is_the_names_word_else_the_providers(build: Build) -> None:
    router = ModelRouter(build(SAID))
    runs = {name: router.targets(name)[0].hosted_tools for name in ("mine", "found", "lax", "laxer")}
    assert runs == {"mine": "native", "found": "gateway", "lax": "gateway", "laxer": "native"}


def test_another_server_has_the_known_limits_but_not_the_prices(build: Build) -> None:
    catalog = build("providers: {reseller: {quirks: openai, base_url: 'http://reseller:1', api_key: a}}")
    (target,) = ModelRouter(catalog).targets("reseller/o3")
    assert (target.context_tokens, target.price) == (200_000, None)


CLOSED = """
providers:
  openai: {api_key: a, models: [gpt-5, gpt-5-mini, gpt-5-nano, gpt-5-pro]}
  openrouter: {api_key: b, models: ["claude-*"]}
models:
  Fast: openai/gpt-5-mini
"""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gpt-5-min", "Near ones: `gpt-5-mini`, `gpt-5-nano`, `gpt-5`."),
        ("GPT-5", "Near ones: `gpt-5`, `gpt-5-pro`, `gpt-5-nano`."),
        ("fast", "Near ones: `Fast`."),
        ("opnai/o3", "Near ones: `openai/o3`, `openai/gpt-5`."),
        ("llama", "Write `provider/model`, with one of: `openai`, `openrouter`."),
        ("openai/", "Near ones: `openai/gpt-5`, `openai/gpt-5-pro`."),
        ("", "Write `provider/model`, with one of: `openai`, `openrouter`."),
    ],
)
def test_unknown_names_are_404_with_near_ones(build: Build, name: str, hint: str) -> None:
    router = ModelRouter(build(CLOSED))
    with pytest.raises(RequestFault) as caught:
        router.targets(name)
    fault = caught.value
    assert (fault.status, fault.type, fault.code, fault.param) == (
        404,
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    assert fault.message == f"The model `{name}` does not exist here. {hint}"
    assert not fault.retryable


def test_without_any_provider_the_message_says_so() -> None:
    with pytest.raises(RequestFault) as caught:
        ModelRouter(Catalog()).targets("gpt-5")
    assert caught.value.message == "The model `gpt-5` does not exist here. No provider is configured."


def test_nothing_is_guessed_between_several_providers_without_lists(build: Build) -> None:
    router = ModelRouter(build("providers: {openai: {api_key: a}, groq: {api_key: b}}"))
    with pytest.raises(RequestFault):
        router.targets("gpt-5")
    assert router.targets("groq/gpt-5")[0].provider == "groq"


def test_a_single_provider_takes_every_name(build: Build) -> None:
    router = ModelRouter(build("", OPENAI_API_KEY="a"))
    assert router.targets("gpt-5")[0].provider == "openai"
    assert router.models() == []


def test_patterns_that_feed_themselves_with_some_names_only_end_in_404(build: Build) -> None:
    router = ModelRouter(build("providers: {a: {base_url: 'http://a'}}\nmodels: {'q*': '*q'}"))
    assert router.targets("qa")[0].model == "aq"
    with pytest.raises(RequestFault, match="The model `qq` does not exist here"):
        router.targets("qq")


def test_long_and_hostile_names_are_refused_quickly(router: ModelRouter) -> None:
    start = time.perf_counter()
    for name in ("a" * 1_000_000, "*" * 100_000, "a-b" * 50_000, "openai/" + "x" * 300):
        with pytest.raises(RequestFault) as caught:
            router.targets(name)
        assert len(caught.value.message) < 1000
    assert time.perf_counter() - start < 2


def test_remembered_names_are_bounded(router: ModelRouter) -> None:
    for number in range(5000):
        router.targets(f"openai/m{number}")
    assert router._lookup.cache_info().currsize == 2048
