"""Where a request may go: from its model's name, over routes and fallbacks, to candidates.

Implements `engine.ports.Router`. How a name is looked up is told in `resolving`, how a place is chosen in `choosing`.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import final

from msgspec import UNSET, Struct, UnsetType

from antiphon.config.suggest import nearest
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Dialect
from antiphon.protocol.target import Ask, Route, Target
from antiphon.routing.catalog import Catalog
from antiphon.routing.choosing import Choice, Health, NothingKnown, Scope
from antiphon.routing.facts import ModelFacts, common
from antiphon.routing.names import Rule
from antiphon.routing.places import Node, Place, places_in
from antiphon.routing.resolving import Resolved, Resolver, listings
from antiphon.routing.strategies import Chance

__all__ = ["ModelInfo", "ModelRouter", "PriceInfo"]

_CACHED_NAMES = 2048
_LONGEST_NAME = 256
#: Those that do not serve every model.
_OTHER_DOORS = frozenset({"chat", "messages"})


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
    """Where a name leads.

    Attributes:
        targets: all of them, in the order of the configuration.
        facts: what holds for all of these.
        only: the answer to every usual request, where there is nothing to choose.
    """

    resolved: Resolved
    targets: tuple[Target, ...]
    facts: ModelFacts
    only: Route | None


@final
class ModelRouter:
    """Routes by name, conditions and health. Remembers what 2048 names lead to, and forgets the oldest."""

    def __init__(
        self, catalog: Catalog, *, created: int = 0, health: Health | None = None, chance: Chance | None = None
    ) -> None:
        """Wire it.

        Args:
            catalog: what can be reached.
            created: the time that the model list shows, as nobody knows better: the start of the process.
            health: what is known of targets; nothing, if it is left out.
            chance: what decides between equals.
        """
        self._resolver = Resolver(catalog)
        self._providers = catalog.providers
        self._names = tuple(alias.pattern.text for alias in catalog.aliases if not alias.pattern.stars)
        self._listed = tuple(one.pattern.text for one in listings(catalog.providers) if not one.pattern.stars)
        self._exact = frozenset(
            (*self._all_names(), *(f"{one.name}/{model}" for one in catalog.providers for model in one.models))
        )
        self._fallbacks = catalog.fallbacks
        self._fallback = catalog.fallback
        self._tenant_regions = catalog.tenant_regions
        self._closed = None if catalog.bridged else catalog.responses_only
        self._by_door = any(provider.by_door for provider in catalog.providers)
        self._created = created
        self._health = health or NothingKnown()
        self._chance = chance or random.Random().random  # noqa: S311 - spreads load, keeps no secret
        self._lookup = lru_cache(maxsize=_CACHED_NAMES)(self._find)

    def targets(self, model: str) -> Sequence[Target]:
        """At least one target, in the order of the configuration, whatever their conditions and health.

        Raises:
            RequestFault: 404 `model_not_found`, naming near ones.
        """
        return self._known(model).targets

    def route(self, ask: Ask) -> Route:
        """Where this request may go now. For a name with nothing to choose it is the same object every time.

        Raises:
            RequestFault: 404 `model_not_found` for the model, or for a fallback that the request names.
            ServerFault: 503 `no_candidate`: every place is excluded by a condition.
        """
        found = self._known(ask.model, ask.door)
        if found.only is not None and not (ask.fallbacks or ask.regions or ask.tenant in self._tenant_regions):
            return found.only
        allowed = ask.fallback
        if allowed is None:
            said = found.resolved.rule.fallback
            allowed = bool(ask.fallbacks) or (self._fallback if said is None else said)
        nodes = [found.resolved.node]
        if allowed:
            nodes += self._behind(ask, found.resolved.rule)
        scope = Scope(self._regions(ask), self._closed if ask.door in _OTHER_DOORS else None)
        choice = Choice(ask, self._health, scope=scope, chance=self._chance)
        return choice.route(nodes, fallback=allowed)

    def is_listed(self, model: str) -> bool:
        """Whether the configuration has exactly this name, and not just a pattern or a provider that may know it."""
        return model in self._exact

    def servers(self) -> Iterator[Target]:
        """For each provider a target without a model."""
        return (provider.template for provider in self._providers)

    def models(self) -> list[ModelInfo]:
        """Every name that can be told: aliases and listed models, no patterns. In the order of the configuration."""
        return [self.model(name) for name in self._all_names()]

    def model(self, name: str) -> ModelInfo:
        """One model, also one that is served but not listed. Raises as `targets` does."""
        return _model_info(name, self._known(name), created=self._created)

    def _known(self, model: str, door: Dialect = "responses") -> _Found:
        if len(model) > _LONGEST_NAME:
            raise self._unknown(model)
        return self._lookup(model, door) if self._by_door else self._lookup(model)

    def _find(self, model: str, door: Dialect = "responses") -> _Found:
        resolved = self._resolver.resolve(model, door)
        if resolved is None:
            raise self._unknown(model)
        places = [*places_in(resolved.node)]
        fallbacks = self._fallbacks if resolved.rule.fallbacks is None else resolved.rule.fallbacks
        alone = isinstance(resolved.node, Place) and not [name for name in fallbacks if name != model]
        return _Found(
            resolved,
            tuple(place.target for place in places),
            common([place.facts for place in places]),
            Route((places[0].candidate,)) if alone else None,
        )

    def _behind(self, ask: Ask, rule: Rule) -> Iterator[Node]:
        """What is tried after the model itself: what the request says, else its name, else the operator."""
        names = ask.fallbacks or (self._fallbacks if rule.fallbacks is None else rule.fallbacks)
        for name in dict.fromkeys(names):
            if name != ask.model:
                try:
                    yield self._known(name, ask.door).resolved.node
                except RequestFault as fault:
                    raise RequestFault(
                        fault.message, status=fault.status, code=fault.code, param="fallback_models"
                    ) from fault

    def _regions(self, ask: Ask) -> frozenset[str] | None:
        """Where the request may be served: a client narrows what its tenant may use, and never widens it."""
        granted = self._tenant_regions.get(ask.tenant)
        if granted is None:
            return ask.regions or None
        return granted & ask.regions if ask.regions else granted

    def _all_names(self) -> list[str]:
        """Names without repetition, in order."""
        return list(dict.fromkeys((*self._names, *self._listed)))

    def _unknown(self, model: str) -> RequestFault:
        shown = model if len(model) <= 100 else model[:100] + "…"
        names = self._all_names()
        providers = [one.name for one in self._providers]
        provider, slash, rest = model.partition("/")
        if slash:
            names += [f"{near}/{rest}" for near in nearest(provider, providers, most=1) if rest]
            names += [f"{one.name}/{name}" for one in self._providers for name in one.models if "*" not in name]
        near = nearest(model, names[:1000])
        if near:
            hint = "Near ones: " + ", ".join(f"`{name}`" for name in near) + "."
        elif self._providers:
            hint = "Write `provider/model`, with one of: " + ", ".join(f"`{name}`" for name in providers) + "."
        else:
            hint = "No provider is configured."
        message = f"The model `{shown}` does not exist here. {hint}"
        return RequestFault(message, status=404, code="model_not_found", param="model")


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
