"""From a name to the places behind it: providers, aliases, routes and lists, followed to their ends.

A name is looked up in this order: `provider/model` of a configured provider; the operator's aliases and patterns; bare
names that providers list; the one provider that has no list. Nothing is guessed between several such providers.
"""

from collections.abc import Iterator, Sequence
from typing import final

from msgspec import Struct, structs

from antiphon.config.patterns import Pattern
from antiphon.protocol.request import Dialect
from antiphon.protocol.target import Target
from antiphon.providers.quirks.base import Calls
from antiphon.providers.registry import effective
from antiphon.routing.catalog import Catalog, Provider
from antiphon.routing.doors import dialect_of
from antiphon.routing.names import LONGEST_CHAIN, Alias, AliasTable, Rule, Strategy
from antiphon.routing.places import Member, Node, group_of, place_of

__all__ = ["Listing", "Resolved", "Resolver", "listings"]

#: Of a name that stands for more places, the last ones are never looked at.
_MOST_PLACES = 64


class Listing(Struct, frozen=True):
    """A bare name or pattern of a provider. `upstream` is the provider's name for it; empty: the same."""

    pattern: Pattern
    provider: Provider
    upstream: str = ""


class Resolved(Struct, frozen=True):
    """What a name leads to, and what the operator says of the name itself or the only other one behind it."""

    node: Node
    rule: Rule


@final
class Resolver:
    """Knows all names. Immutable."""

    def __init__(self, catalog: Catalog) -> None:
        self._providers = {provider.name: provider for provider in catalog.providers}
        self._aliases = AliasTable(catalog.aliases)
        self._listed = listings(catalog.providers)
        unlisted = [provider for provider in catalog.providers if not provider.models]
        self._catch_all = unlisted[0] if len(unlisted) == 1 else None
        self._responses_only = catalog.responses_only

    def resolve(self, name: str, door: Dialect = "responses") -> Resolved | None:
        """Where a name leads; `None` if nowhere. Costs what the configuration makes of it: remember the answer."""
        node = _Walk(self, name, door).node(name, Rule(), steps=0)
        return Resolved(node, self._rule(name)) if node is not None else None

    def template(self, provider: Provider, model: str, door: Dialect) -> Target:
        """The provider's, in the dialect for that front door and model."""
        template = provider.template
        if not provider.by_door:
            return template
        protocol = "responses" if self._responses_only.applies(model) else dialect_of(door)
        return structs.replace(template, protocol=protocol)

    def provider_of(self, name: str) -> tuple[Provider, str] | None:
        """The provider that stands in front of the name, and its model."""
        first, slash, rest = name.partition("/")
        provider = self._providers.get(first) if slash and rest else None
        return (provider, rest) if provider is not None else None

    def alias_of(self, name: str) -> tuple[Alias, tuple[str, ...]] | None:
        """The operator's alias of that name, and what it stands for."""
        return self._aliases.find(name)

    def listed(self, name: str) -> Iterator[tuple[Provider, str]]:
        """Every provider that lists it, once: exact listings before patterns, more specific patterns first."""
        used: set[str] = set()
        for listing in self._listed:
            if listing.provider.name not in used and listing.pattern.match(name) is not None:
                used.add(listing.provider.name)
                yield listing.provider, listing.upstream or name
        if not used and self._catch_all is not None and name:
            yield self._catch_all, name

    def _rule(self, name: str) -> Rule:
        rule = Rule()
        for _ in range(LONGEST_CHAIN):
            found = self.alias_of(name) if self.provider_of(name) is None else None
            if found is None:
                break
            rule = rule.over(found[0].rule)
            if len(found[1]) > 1:
                break
            name = found[1][0]
        return rule


class _Walk:
    """One name being resolved."""

    def __init__(self, resolver: Resolver, name: str, door: Dialect) -> None:
        self._resolver = resolver
        self._name = name
        self._door = door
        self._left = _MOST_PLACES

    def node(self, name: str, said: Rule, *, steps: int) -> Node | None:
        """What a name leads to. `said` is what the names on the way here say of the model."""
        direct = self._resolver.provider_of(name)
        if direct is not None:
            return self._provider(*direct, said)
        found = self._resolver.alias_of(name)
        if found is None:
            members = [
                Member(node, provider.name)
                for provider, model in self._resolver.listed(name)
                if (node := self._provider(provider, model, said)) is not None
            ]
            return group_of(members) if members else None
        if steps >= LONGEST_CHAIN:  # patterns that feed each other with some names only: no check can see all of them
            return None
        alias, targets = found
        rule = said.over(alias.rule)
        members = [
            Member(node, target, way.weight, way.when)
            for way, target in zip(alias.ways, targets, strict=True)
            if (node := self.node(target, rule, steps=steps + 1)) is not None
        ]
        return group_of(members, strategy=rule.strategy, sticky=rule.sticky) if members else None

    def _provider(self, provider: Provider, model: str, said: Rule) -> Node | None:
        """A model at a provider: one place for each of its keys."""
        facts = said.facts.over(provider.known.find(model))
        template, calls = provider.template, _calls(provider, model, said.calls)
        if calls == "native":
            template = self._resolver.template(provider, model, self._door)
        template = structs.replace(
            template,
            model=model,
            context_tokens=facts.context,
            price=facts.price,
            strict=provider.template.strict if said.strict is None else said.strict,
            hosted_tools=said.hosted_tools or provider.template.hosted_tools,
            calls=calls,
        )
        members: list[Member] = []
        for credential in provider.credentials or (provider.template.credential,):
            if self._left:
                self._left -= 1
                target = structs.replace(template, credential=credential)
                alias = credential.alias if credential is not None else ""
                members.append(Member(place_of(target, facts, name=self._name, region=provider.region), alias))
        strategy: Strategy = provider.key_strategy
        return group_of(members, strategy=strategy) if members else None


def _calls(provider: Provider, model: str, said: Calls | None) -> Calls:
    """How the model calls: what the operator says of the name, then of the provider, then what is known.

    Where each door has a dialect of its own, the template's is `chat`, and stays that for a model that cannot call.
    """
    template = provider.template
    if template.protocol != "chat":
        return "native"  # servers take schemas in the other dialects too, and do not keep to them
    return said or provider.calls or effective(template.quirks, model).calls


def listings(providers: Sequence[Provider]) -> tuple[Listing, ...]:
    """Bare names and patterns of all providers, best first."""
    rows = [Listing(Pattern(name), provider) for provider in providers for name in provider.models]
    rows += [Listing(Pattern(name), one, upstream) for one in providers for name, upstream in one.aliases.items()]
    return tuple(
        sorted(rows, key=lambda row: (row.pattern.stars > 0, -row.pattern.specificity if row.pattern.stars else 0))
    )
