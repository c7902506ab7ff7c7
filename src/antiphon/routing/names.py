"""The operator's names for models: exact ones and patterns, which of them applies, and whether they make sense."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, final

from msgspec import Struct

from antiphon.config.patterns import Pattern
from antiphon.providers.quirks.base import Calls
from antiphon.routing.facts import NOTHING_KNOWN, ModelFacts

__all__ = [
    "ALWAYS",
    "LONGEST_CHAIN",
    "Alias",
    "AliasTable",
    "Rule",
    "Strategy",
    "Way",
    "When",
    "check_fallbacks",
    "check_names",
]

Strategy = Literal["ordered", "weighted", "least_busy", "lowest_latency", "cheapest", "random"]

#: Stands for whatever a `*` may match, when names are checked before there are any.
_ANYTHING = "\ue000"

#: So many names may lead to each other, one after the other.
LONGEST_CHAIN = 32


class When(Struct, frozen=True):
    """Which requests something is for: of each of these that is not empty, a request must have one."""

    tags: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()


#: No condition at all.
ALWAYS = When()


class Way(Struct, frozen=True):
    """One of the things that a name stands for.

    Attributes:
        target: another name, with a `*` for each of those of the alias that it uses.
        weight: its share beside the others.
    """

    target: str
    weight: float = 1.0
    when: When = ALWAYS


class Rule(Struct, frozen=True, kw_only=True):
    """What the operator says of a name beside what it stands for. `None` where nothing is said.

    Attributes:
        sticky: whether a conversation stays at one of several places.
        fallbacks: names to try when all that this one stands for has failed.
        fallback: whether another place may be tried at all.
        facts: of the model behind it.
        strict: whether what cannot be done exactly as asked is refused.
        hosted_tools: who runs them: `native` the provider where it can, `gateway` always this one.
        calls: see `Target`.
    """

    strategy: Strategy = "ordered"
    sticky: bool = True
    fallbacks: tuple[str, ...] | None = None
    fallback: bool | None = None
    facts: ModelFacts = NOTHING_KNOWN
    strict: bool | None = None
    hosted_tools: Literal["native", "gateway"] | None = None
    calls: Calls | None = None

    def over(self, other: "Rule") -> "Rule":
        """This rule, and what `other` says where this one says nothing. Of the order of members, `other`'s."""
        return Rule(
            strategy=other.strategy,
            sticky=other.sticky,
            fallbacks=other.fallbacks if self.fallbacks is None else self.fallbacks,
            fallback=other.fallback if self.fallback is None else self.fallback,
            facts=self.facts.over(other.facts),
            strict=other.strict if self.strict is None else self.strict,
            hosted_tools=self.hosted_tools or other.hosted_tools,
            calls=self.calls or other.calls,
        )


@final
class Alias:
    """A name or pattern, and what it stands for.

    Attributes:
        pattern: the name, `*` for any run of characters.
        ways: what it stands for, best first; at least one.
    """

    __slots__ = ("_pieces", "pattern", "rule", "ways")

    def __init__(self, name: str, ways: Sequence[Way], rule: Rule | None = None) -> None:
        self.pattern = Pattern(name)
        self.ways = tuple(ways)
        self.rule = rule or Rule()
        self._pieces = tuple(way.target.split("*") for way in ways)

    def resolve(self, name: str) -> tuple[str, ...] | None:
        """What the name stands for, one for each way, or `None` when this alias does not apply."""
        captured = self.pattern.match(name)
        if captured is None:
            return None
        return tuple(
            first + "".join(text + piece for text, piece in zip(captured, rest, strict=False))
            for first, *rest in self._pieces
        )


@final
class AliasTable:
    """All aliases: exact names before patterns, then the longest literal beginning, then the order they were given."""

    def __init__(self, aliases: Sequence[Alias]) -> None:
        self._exact = {alias.pattern.text: alias for alias in aliases if not alias.pattern.stars}
        patterns = [alias for alias in aliases if alias.pattern.stars]
        self._patterns = sorted(patterns, key=lambda alias: -alias.pattern.specificity)

    def find(self, name: str) -> tuple[Alias, tuple[str, ...]] | None:
        """The alias that applies and what it makes of the name."""
        exact = self._exact.get(name)
        if exact is not None:
            return exact, tuple(way.target for way in exact.ways)
        for alias in self._patterns:
            targets = alias.resolve(name)
            if targets is not None:
                return alias, targets
        return None


def check_names(
    aliases: Sequence[Alias], *, providers: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the aliases: pairs of the way to it below `models`, and message.

    Args:
        aliases: all of them.
        providers: names of the configured providers, each with its list of models.
    """
    search = _Search(AliasTable(aliases), providers)
    for alias in aliases:
        name = alias.pattern.text
        first = name.partition("/")[0]
        if "/" in name and first in providers:
            yield (name,), f"is never used: names that start with `{first}/` go to that provider"
            continue
        for at, way in enumerate(alias.ways):
            path = (name,) if len(alias.ways) == 1 else (name, "targets", at)
            if way.target.count("*") > alias.pattern.stars:
                yield path, f"the target `{way.target}` has more `*` than the name"
            elif problem := search.problem(way.target.replace("*", _ANYTHING), (name,)):
                yield path, problem
        for at, target in enumerate(alias.rule.fallbacks or ()):
            if problem := search.fallback_problem(target):
                yield (name, "fallbacks", at), problem


def check_fallbacks(
    names: Sequence[str], aliases: Sequence[Alias], *, providers: Mapping[str, Sequence[str]]
) -> Iterator[tuple[int, str]]:
    """What is wrong with names to fall back to: pairs of position and message. The aliases are right."""
    search = _Search(AliasTable(aliases), providers)
    for at, name in enumerate(names):
        if problem := search.fallback_problem(name):
            yield at, problem


class _Search:
    """Follows names to where they end."""

    def __init__(self, table: AliasTable, providers: Mapping[str, Sequence[str]]) -> None:
        self._table = table
        self._providers = providers
        self._good: set[str] = set()

    def problem(self, target: str, steps: tuple[str, ...]) -> str | None:
        """Why a name leads nowhere; `None` if it leads somewhere. `steps` are the aliases that were gone through."""
        provider, slash, _ = target.partition("/")
        if (slash and provider in self._providers) or target in self._good:
            return None
        found = self._table.find(target)
        if found is None:
            return None if _is_served(target, self._providers) else _nowhere(target, self._providers)
        alias, targets = found
        if alias.pattern.text in steps:
            return "goes round in circles: " + " -> ".join((*steps, alias.pattern.text))
        if len(steps) >= LONGEST_CHAIN:
            return f"goes through more than {LONGEST_CHAIN} names, up to `{steps[-1]}`"
        for one in targets:
            problem = self.problem(one, (*steps, alias.pattern.text))
            if problem is not None:
                return problem
        self._good.add(target)  # else names that share targets would be followed again for every way to them
        return None

    def fallback_problem(self, name: str) -> str | None:
        """The same for a name that is written out, for the first time."""
        return "a fallback is a name, without `*`" if "*" in name else self.problem(name, ())


def _is_served(name: str, providers: Mapping[str, Sequence[str]]) -> bool:
    listed = any(Pattern(model).match(name) is not None for models in providers.values() for model in models)
    return listed or sum(not models for models in providers.values()) == 1


def _nowhere(target: str, providers: Mapping[str, Sequence[str]]) -> str:
    shown = target.replace(_ANYTHING, "*")
    provider, slash, _ = shown.partition("/")
    reason = f"provider `{provider}` is not configured" if slash else "no configured provider lists it"
    configured = ", ".join(f"`{name}`" for name in providers) or "none"
    return f"nothing serves `{shown}`: {reason} (configured: {configured})"
