"""Model name to the places that can serve it. Implements `engine.ports.Router`.

A name is looked up in this order: `provider/model` of a configured provider; the operator's aliases and patterns; bare
names that providers list; the one provider that has no list. Nothing is guessed between several such providers.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import final

from msgspec import UNSET, Struct, UnsetType, structs

from antiphon.config.patterns import Pattern
from antiphon.config.suggest import nearest
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Ask, Candidate, Route, Target
from antiphon.routing.catalog import Catalog, Provider
from antiphon.routing.facts import NOTHING_KNOWN, ModelFacts
from antiphon.routing.names import AliasTable

__all__ = ["ModelInfo", "ModelRouter", "PriceInfo"]

_CACHED_NAMES = 2048
_LONGEST_NAME = 256
_MOST_ALIASES = 32


class PriceInfo(Struct, frozen=True, kw_only=True):
    """What a million tokens cost, in US dollars. Longer inputs may cost more."""

    input: float | None
    cached_input: float | None
    output: float | None
    currency: str = "USD"
    per_tokens: int = 1_000_000


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One entry of the model list, in its wire form. What is not known is left out.

    Attributes:
        protocol: the dialect that is spoken with its provider.
        endpoints: the ways in that serve it.
    """

    id: str
    created: int
    owned_by: str
    object: str = "model"
    context_length: int | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    input_modalities: tuple[str, ...] | UnsetType = UNSET
    output_modalities: tuple[str, ...] | UnsetType = UNSET
    pricing: PriceInfo | UnsetType = UNSET
    released: str | UnsetType = UNSET
    protocol: str | UnsetType = UNSET
    endpoints: tuple[str, ...] | UnsetType = UNSET


class _Found(Struct, frozen=True):
    """Where a name leads, and what is known of the model at the first of these places."""

    targets: tuple[Target, ...]
    facts: ModelFacts


@final
class ModelRouter:
    """Routes by name alone. Immutable; answers for at most 2048 names are remembered, the oldest are forgotten."""

    def __init__(self, catalog: Catalog, *, created: int = 0) -> None:
        """`created` is the time that the model list shows, as nobody knows better: the start of the process."""
        self._providers = {provider.name: provider for provider in catalog.providers}
        self._aliases = AliasTable(catalog.aliases)
        self._names = tuple(alias.pattern.text for alias in catalog.aliases if not alias.pattern.stars)
        self._listed = tuple(_listed(catalog.providers))
        unlisted = [provider for provider in catalog.providers if not provider.models]
        self._catch_all = unlisted[0] if len(unlisted) == 1 else None
        self._created = created
        self._lookup = lru_cache(maxsize=_CACHED_NAMES)(self._resolve)

    def targets(self, model: str) -> Sequence[Target]:
        """At least one target, best first. Raises `RequestFault` (404 `model_not_found`, naming near ones)."""
        if len(model) > _LONGEST_NAME:
            raise self._unknown(model)
        return self._lookup(model).targets

    def route(self, ask: Ask) -> Route:
        """The places of one name, in the order of the configuration. Raises as `targets` does."""
        return Route(tuple(Candidate(target, ask.model) for target in self.targets(ask.model)))

    def models(self) -> list[ModelInfo]:
        """Every name that can be told: aliases and listed models, no patterns. In the order of the configuration."""
        return [self.model(name) for name in self._known()]

    def model(self, name: str) -> ModelInfo:
        """One model, also one that is served but not listed. Raises as `targets` does."""
        return _model_info(name, self._lookup(name), created=self._created)

    def _resolve(self, model: str) -> _Found:
        name, facts, strict = model, NOTHING_KNOWN, None
        for _ in range(_MOST_ALIASES):
            provider, slash, rest = name.partition("/")
            if slash and rest and provider in self._providers:
                return _found([(self._providers[provider], rest)], facts, strict=strict)
            found = self._aliases.find(name)
            if found is None:
                break
            alias, name = found
            facts = facts.over(alias.facts)
            strict = alias.strict if strict is None else strict
        else:  # patterns that feed each other with some names only: the check at the start cannot see all of them
            raise self._unknown(model)
        places = list(self._bare(name))
        if not places:
            raise self._unknown(model)
        return _found(places, facts, strict=strict)

    def _bare(self, name: str) -> Iterator[tuple[Provider, str]]:
        """Every provider once: exact listings before patterns, more specific patterns first."""
        used: set[str] = set()
        for pattern, provider, upstream in self._listed:
            if provider.name not in used and pattern.match(name) is not None:
                used.add(provider.name)
                yield provider, upstream or name
        if not used and self._catch_all is not None and name:
            yield self._catch_all, name

    def _known(self) -> list[str]:
        """Names without repetition, in order."""
        listed = (pattern.text for pattern, *_ in self._listed if not pattern.stars)
        return list(dict.fromkeys((*self._names, *listed)))

    def _unknown(self, model: str) -> RequestFault:
        shown = model if len(model) <= 100 else model[:100] + "…"
        names = self._known()
        provider, slash, rest = model.partition("/")
        if slash:
            names += [f"{near}/{rest}" for near in nearest(provider, self._providers, most=1) if rest]
            names += [
                f"{one.name}/{name}" for one in self._providers.values() for name in one.models if "*" not in name
            ]
        near = nearest(model, names[:1000])
        if near:
            hint = "Near ones: " + ", ".join(f"`{name}`" for name in near) + "."
        elif self._providers:
            hint = "Write `provider/model`, with one of: " + ", ".join(f"`{name}`" for name in self._providers) + "."
        else:
            hint = "No provider is configured."
        message = f"The model `{shown}` does not exist here. {hint}"
        return RequestFault(message, status=404, code="model_not_found", param="model")


def _found(places: Sequence[tuple[Provider, str]], said: ModelFacts, *, strict: bool | None) -> _Found:
    """What the operator said of the model wins over what is known of it."""
    facts = [said.over(provider.known.find(model)) for provider, model in places]
    targets = (
        structs.replace(
            provider.template,
            model=model,
            context_tokens=known.context,
            price=known.price,
            strict=provider.template.strict if strict is None else strict,
        )
        for (provider, model), known in zip(places, facts, strict=True)
    )
    return _Found(tuple(targets), facts[0])


def _model_info(name: str, found: _Found, *, created: int) -> ModelInfo:
    facts, target = found.facts, found.targets[0]
    return ModelInfo(
        id=name,
        created=_moment(facts.released) or created,
        owned_by=target.provider,
        context_length=facts.context or UNSET,
        max_output_tokens=facts.max_output or UNSET,
        input_modalities=facts.input or UNSET,
        output_modalities=facts.output or UNSET,
        pricing=UNSET
        if facts.price is None
        else PriceInfo(input=facts.price.input, cached_input=facts.price.cached, output=facts.price.output),
        released=facts.released or UNSET,
        protocol=target.protocol,
    )


def _moment(released: str | None) -> int | None:
    """The beginning of that day or month, in UTC seconds."""
    if not released:
        return None
    year, month, day = (*map(int, released.split("-")), 1, 1)[:3]
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def _listed(providers: Sequence[Provider]) -> list[tuple[Pattern, Provider, str]]:
    """Bare names and patterns with their providers and upstream names (empty: the same), best first."""
    rows = [(Pattern(name), provider, "") for provider in providers for name in provider.models]
    rows += [(Pattern(name), one, upstream) for one in providers for name, upstream in one.aliases.items()]
    return sorted(rows, key=lambda row: (row[0].stars > 0, -row[0].specificity if row[0].stars else 0))
