from antiphon.providers.registry import KNOWN
from antiphon.routing.facts import NOTHING_KNOWN, KnownModels, ModelFacts, load_known_models


def test_the_table_is_of_providers_that_are_known() -> None:
    table = load_known_models()
    assert set(table.providers) <= {entry.name for entry in KNOWN}
    assert {"openai", "anthropic", "gemini", "openrouter"} <= set(table.providers)
    assert not table.of("nobody").models


def test_every_line_of_the_table_makes_sense() -> None:
    table = load_known_models()
    for provider in table.providers:
        for name, facts in table.of(provider).models.items():
            assert name
            assert facts != NOTHING_KNOWN, name
            price = facts.price
            rates = [] if price is None else [price.input, price.cached, price.cache_write, price.output]
            assert all(rate is None or 0 <= rate < 2000 for rate in rates), name
            assert price is None or list(price.steps) == sorted(price.steps, key=lambda step: step.tokens)


def test_a_dated_name_is_known_by_the_name_without_its_date() -> None:
    plain, dated = ModelFacts(context=10, max_output=5), ModelFacts(context=20)
    known = KnownModels({"m": plain, "m-2026-01-02": dated, "n-20260102": dated})
    assert known.find("m-2025-12-31") == plain
    assert known.find("m-20251231") == plain
    assert known.find("m-2026-01-02") == ModelFacts(context=20, max_output=5)
    assert known.find("n-20260102") == dated
    assert known.find("m-preview") == NOTHING_KNOWN
    assert known.find("-20260102") == NOTHING_KNOWN
