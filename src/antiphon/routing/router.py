"""Model name to the places that can serve it. Implements `engine.ports.Router`.

A name is looked up in this order: `provider/model` of a configured provider; the operator's aliases and patterns; bare
names that providers list; the one provider that has no list. Nothing is guessed between several such providers.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import final

from msgspec import Struct, structs

from antiphon.config.patterns import Pattern
from antiphon.config.suggest import nearest
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Target
from antiphon.routing.catalog import Catalog, Provider
from antiphon.routing.names import AliasTable

__all__ = ["ModelInfo", "ModelRouter"]

_CACHED_NAMES = 2048
_LONGEST_NAME = 256
_MOST_ALIASES = 32


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One entry of the model list, in its wire form."""

    id: str
    created: int
    owned_by: str
    object: str = "model"


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
        return self._lookup(model)

    def models(self) -> list[ModelInfo]:
        """Every name that can be told: aliases and listed models, no patterns. In the order of the configuration."""
        return [self.model(name) for name in self._known()]

    def model(self, name: str) -> ModelInfo:
        """One model, also one that is served but not listed. Raises as `targets` does."""
        return ModelInfo(id=name, created=self._created, owned_by=self.targets(name)[0].provider)

    def _resolve(self, model: str) -> tuple[Target, ...]:
        name = model
        for _ in range(_MOST_ALIASES):
            provider, slash, rest = name.partition("/")
            if slash and rest and provider in self._providers:
                return (_target(self._providers[provider], rest),)
            found = self._aliases.find(name)
            if found is None:
                break
            name = found[1]
        else:  # patterns that feed each other with some names only: the check at the start cannot see all of them
            raise self._unknown(model)
        targets = tuple(self._bare(name))
        if not targets:
            raise self._unknown(model)
        return targets

    def _bare(self, name: str) -> Iterator[Target]:
        """Every provider once: exact listings before patterns, more specific patterns first."""
        used: set[str] = set()
        for pattern, provider, upstream in self._listed:
            if provider.name not in used and pattern.match(name) is not None:
                used.add(provider.name)
                yield _target(provider, upstream or name)
        if not used and self._catch_all is not None and name:
            yield _target(self._catch_all, name)

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


def _target(provider: Provider, model: str) -> Target:
    return structs.replace(provider.template, model=model)


def _listed(providers: Sequence[Provider]) -> list[tuple[Pattern, Provider, str]]:
    """Bare names and patterns with their providers and upstream names (empty: the same), best first."""
    rows = [(Pattern(name), provider, "") for provider in providers for name in provider.models]
    rows += [(Pattern(name), one, upstream) for one in providers for name, upstream in one.aliases.items()]
    return sorted(rows, key=lambda row: (row[0].stars > 0, -row[0].specificity if row[0].stars else 0))
