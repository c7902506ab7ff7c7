"""The operator's names for models: exact ones and patterns, which of them applies, and whether they make sense."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

from antiphon.config.patterns import Pattern
from antiphon.routing.facts import NOTHING_KNOWN, ModelFacts

__all__ = ["Alias", "AliasTable", "check_names"]

#: Stands for whatever a `*` may match, when names are checked before there are any.
_ANYTHING = "\ue000"


@final
class Alias:
    """A name or pattern, and what it stands for.

    Attributes:
        pattern: the name, `*` for any run of characters.
        target: another name, with a `*` for each of those that it uses.
        facts: what the operator says of the model behind it.
        strict: whether what cannot be done exactly as asked is refused; `None` where the operator does not say.
    """

    __slots__ = ("_pieces", "facts", "pattern", "strict", "target")

    def __init__(
        self, name: str, target: str, *, facts: ModelFacts = NOTHING_KNOWN, strict: bool | None = None
    ) -> None:
        self.pattern = Pattern(name)
        self.target = target
        self.facts = facts
        self.strict = strict
        self._pieces = target.split("*")

    def resolve(self, name: str) -> str | None:
        """What the name stands for, or `None` when this alias does not apply."""
        captured = self.pattern.match(name)
        if captured is None:
            return None
        first, *rest = self._pieces
        return first + "".join(text + piece for text, piece in zip(captured, rest, strict=False))


@final
class AliasTable:
    """All aliases: exact names before patterns, then the longest literal beginning, then the order they were given."""

    def __init__(self, aliases: Sequence[Alias]) -> None:
        self._exact = {alias.pattern.text: alias for alias in aliases if not alias.pattern.stars}
        patterns = [alias for alias in aliases if alias.pattern.stars]
        self._patterns = sorted(patterns, key=lambda alias: -alias.pattern.specificity)

    def find(self, name: str) -> tuple[Alias, str] | None:
        """The alias that applies and what it makes of the name."""
        exact = self._exact.get(name)
        if exact is not None:
            return exact, exact.target
        for alias in self._patterns:
            target = alias.resolve(name)
            if target is not None:
                return alias, target
        return None


def check_names(aliases: Sequence[Alias], *, providers: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """What is wrong with the aliases: pairs of name and message.

    Args:
        aliases: all of them.
        providers: names of the configured providers, each with its list of models.
    """
    table = AliasTable(aliases)
    for alias in aliases:
        name = alias.pattern.text
        first = name.partition("/")[0]
        if "/" in name and first in providers:
            yield name, f"is never used: names that start with `{first}/` go to that provider"
        elif alias.target.count("*") > alias.pattern.stars:
            yield name, f"the target `{alias.target}` has more `*` than the name"
        else:
            problem = _follow(alias, table, providers=providers)
            if problem:
                yield name, problem


def _follow(alias: Alias, table: AliasTable, *, providers: Mapping[str, Sequence[str]]) -> str | None:
    """Where an alias leads in the end; a message if nowhere."""
    steps = [alias.pattern.text]
    target = alias.target.replace("*", _ANYTHING)
    while True:
        provider, slash, _ = target.partition("/")
        if slash and provider in providers:
            return None
        found = table.find(target)
        if found is None:
            return None if _is_served(target, providers) else _nowhere(target, providers)
        steps.append(found[0].pattern.text)
        if steps[-1] in steps[:-1]:
            return "goes round in circles: " + " -> ".join(steps)
        target = found[1]


def _is_served(name: str, providers: Mapping[str, Sequence[str]]) -> bool:
    listed = any(Pattern(model).match(name) is not None for models in providers.values() for model in models)
    return listed or sum(not models for models in providers.values()) == 1


def _nowhere(target: str, providers: Mapping[str, Sequence[str]]) -> str:
    shown = target.replace(_ANYTHING, "*")
    provider, slash, _ = shown.partition("/")
    reason = f"provider `{provider}` is not configured" if slash else "no configured provider lists it"
    configured = ", ".join(f"`{name}`" for name in providers) or "none"
    return f"nothing serves `{shown}`: {reason} (configured: {configured})"
