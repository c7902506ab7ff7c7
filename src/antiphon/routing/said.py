"""What the settings say of names: read into aliases, and checked as a whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from antiphon.config.problems import Problem
from antiphon.config.routes import ConditionSettings, ModelSettings, RouteTargetSettings
from antiphon.config.settings import Settings
from antiphon.protocol.price import Price
from antiphon.routing.facts import ModelFacts
from antiphon.routing.names import ALWAYS, Alias, Rule, Way, When, check_fallbacks, check_names

__all__ = ["lowered", "name_problems", "read_aliases"]

_MOST_TARGETS = 32
_MOST_FALLBACKS = 8


def read_aliases(models: Mapping[str, ModelSettings]) -> tuple[Alias, ...]:
    """All names, in the order of the configuration. Whether they make sense is told by `name_problems`."""
    return tuple(Alias(name, [_way(one) for one in _targets(entry)], _rule(entry)) for name, entry in models.items())


def name_problems(
    settings: Settings, aliases: Sequence[Alias], providers: Mapping[str, Sequence[str]]
) -> list[Problem]:
    """What is wrong with names, their routes, and what to fall back to.

    Args:
        settings: the settings that the aliases were read from.
        aliases: all of them.
        providers: names of the configured providers, each with its list of models.
    """
    origin = settings.origin
    problems = [
        origin.problem(("models", name), message)
        for name, entry in settings.models.items()
        for message in _route_problems(entry)
    ]
    if problems:
        return problems
    problems += [
        origin.problem(("models", *path), message) for path, message in check_names(aliases, providers=providers)
    ]
    fallbacks = settings.routing.fallbacks
    if len(fallbacks) > _MOST_FALLBACKS:
        problems.append(origin.problem(("routing", "fallbacks"), f"are more than {_MOST_FALLBACKS}"))
    problems += [
        origin.problem(("routing", "fallbacks", at), message)
        for at, message in check_fallbacks(fallbacks, aliases, providers=providers)
    ]
    return problems


def lowered(words: Iterable[str]) -> frozenset[str]:
    """Regions are the same however they are spelled."""
    return frozenset(word.lower() for word in words)


def _route_problems(entry: ModelSettings) -> Iterator[str]:
    targets = _targets(entry)
    if not targets:
        yield "`targets` is empty"
    elif entry.target is not None and entry.strategy != "ordered":
        yield f"strategy `{entry.strategy}` needs `targets`: there is nothing to choose from"
    elif len(targets) > _MOST_TARGETS:
        yield f"has more than {_MOST_TARGETS} targets"
    elif not any(target.weight for target in targets):
        yield "the weights sum to 0: give one of the targets some weight"
    if len(entry.fallbacks or ()) > _MOST_FALLBACKS:
        yield f"has more than {_MOST_FALLBACKS} fallbacks"


def _targets(entry: ModelSettings) -> Sequence[RouteTargetSettings]:
    return entry.targets if entry.target is None else (RouteTargetSettings(target=entry.target),)


def _way(one: RouteTargetSettings) -> Way:
    return Way(one.target, one.weight, _when(one.when))


def _when(when: ConditionSettings | None) -> When:
    if when is None or not (when.tags or when.tenants or when.regions):
        return ALWAYS
    return When(frozenset(when.tags), frozenset(when.tenants), lowered(when.regions))


def _rule(entry: ModelSettings) -> Rule:
    return Rule(
        strategy=entry.strategy,
        sticky=entry.sticky,
        fallbacks=entry.fallbacks,
        fallback=entry.fallback,
        facts=_facts(entry),
        strict=entry.strict,
        hosted_tools=entry.hosted_tools,
        calls=entry.calls,
    )


def _facts(entry: ModelSettings) -> ModelFacts:
    prices = entry.prices
    return ModelFacts(
        context=entry.context,
        max_output=entry.max_output,
        input=entry.input or None,
        output=entry.output or None,
        price=None
        if prices is None
        else Price(input=prices.input, cached=prices.cached, cache_write=prices.cache_write, output=prices.output),
    )
