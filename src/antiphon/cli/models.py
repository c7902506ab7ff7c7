"""`antiphon models`: which names lead where, from the configuration alone. Nothing is asked of any provider."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import click
from msgspec import Struct

from antiphon.cli.options import catalog_of, config_option, json_option, settings_from
from antiphon.cli.output import Column, note, print_json, print_table
from antiphon.routing.catalog import Catalog
from antiphon.routing.names import Alias, Strategy
from antiphon.routing.router import ModelRouter

__all__ = ["Reachable", "Way", "command", "reachable"]


class Way(Struct, frozen=True):
    """One place that a name leads to."""

    provider: str
    model: str


class Reachable(Struct, frozen=True, omit_defaults=True):
    """A name or pattern that clients may use, and where it leads, best first.

    Attributes:
        kind: `alias` of the operator; `listed` by a provider; `provider` for `provider/…`; `rest` for any other name.
        strategy: how the first of the ways is chosen, where there are several.
    """

    name: str
    kind: Literal["alias", "listed", "provider", "rest"]
    ways: tuple[Way, ...]
    strategy: Strategy = "ordered"


@click.command("models")
@config_option
@json_option
def command(config: Path | None, as_json: bool) -> None:
    """Show which model names lead where."""
    rows = list(reachable(catalog_of(settings_from(config))))
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("Nothing is reachable. Set a provider's key, such as OPENAI_API_KEY, or `local: on`.")
        return
    columns = [Column("name"), Column("kind"), Column("leads to")]
    print_table(columns, [(row.name, row.kind, _shown(row)) for row in rows])


def reachable(catalog: Catalog) -> Iterator[Reachable]:
    """Every name that can be told, then the patterns, in the order in which the router looks."""
    router = ModelRouter(catalog)
    for provider in catalog.providers:
        yield Reachable(f"{provider.name}/*", "provider", (Way(provider.name, "*"),))
    aliases = {alias.pattern.text: alias for alias in catalog.aliases}
    for name, alias in aliases.items():
        ways = _pattern_route(alias, catalog) if alias.pattern.stars else _ways(router, name)
        yield Reachable(name, "alias", ways, alias.rule.strategy if len(alias.ways) > 1 else "ordered")
    for name in _listed(catalog):
        if name not in aliases:
            yield Reachable(name, "listed", _ways(router, name) if "*" not in name else _pattern_ways(name, catalog))
    unlisted = [provider.name for provider in catalog.providers if not provider.models]
    if len(unlisted) == 1:
        yield Reachable("*", "rest", (Way(unlisted[0], "*"),))


def _listed(catalog: Catalog) -> Sequence[str]:
    names = [name for provider in catalog.providers for name in (*provider.aliases, *provider.models)]
    return sorted(dict.fromkeys(names), key=lambda name: "*" in name)


def _ways(router: ModelRouter, name: str) -> tuple[Way, ...]:
    return tuple(dict.fromkeys(Way(target.provider, target.model) for target in router.targets(name)))


def _pattern_route(alias: Alias, catalog: Catalog) -> tuple[Way, ...]:
    return tuple(_pattern_way(way.target, catalog) for way in alias.ways)


def _pattern_way(target: str, catalog: Catalog) -> Way:
    provider, slash, model = target.partition("/")
    known = slash and provider in {one.name for one in catalog.providers}
    return Way(provider, model) if known else Way("", target)


def _pattern_ways(name: str, catalog: Catalog) -> tuple[Way, ...]:
    return tuple(Way(provider.name, name) for provider in catalog.providers if name in provider.models)


def _shown(row: Reachable) -> str:
    places = [f"{way.provider}/{way.model}" if way.provider else way.model for way in row.ways]
    if row.strategy == "ordered":
        return ", then ".join(places)
    return f"{row.strategy}: " + ", ".join(places)
