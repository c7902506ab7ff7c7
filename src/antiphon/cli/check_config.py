"""`antiphon check-config`: what is wrong with a configuration, or what it amounts to."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from antiphon.cli.options import catalog_of, config_option, settings_from
from antiphon.cli.output import note, print_json
from antiphon.config.schema import schema
from antiphon.config.settings import Settings
from antiphon.routing.catalog import Catalog, Provider
from antiphon.routing.names import ALWAYS, Alias, Way
from antiphon.tools.web.engines.registry import engine_in_effect

__all__ = ["command", "shown_store"]

_MODELS_SHOWN = 6


@click.command("check-config")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@config_option
@click.option("--schema", "as_schema", is_flag=True, help="Print the JSON Schema of the file instead, for editors.")
def command(file: Path | None, config: Path | None, as_schema: bool) -> None:
    """Say what is wrong with the configuration, or `ok` and what it amounts to.

    Exit code 2 when something is wrong: one line for each problem, as `file:line: key: what`.
    """
    if as_schema:
        print_json(schema())
        note("Keep this as antiphon.schema.json, and let the first line of antiphon.yaml be:")
        note("# yaml-language-server: $schema=antiphon.schema.json")
        return
    settings = settings_from(file or config)
    catalog = catalog_of(settings)
    click.echo("ok")
    for title, text in _summary(settings, catalog):
        click.echo(f"  {title:<11}{text}")


def shown_store(settings: Settings) -> str:
    """Where the database is, without what must not be shown."""
    if settings.store.url is None:
        return f"SQLite, {settings.data_path / 'antiphon.db'}"
    parts = urlsplit(settings.store.url.value)
    if parts.scheme == "sqlite":
        return f"SQLite, {settings.store.url.value.removeprefix('sqlite:///')}"
    return f"Postgres, {parts.hostname or 'local socket'}{parts.path}"


def _summary(settings: Settings, catalog: Catalog) -> Iterator[tuple[str, str]]:
    yield "file", settings.origin.file or "none; the environment and defaults"
    yield "listens", f"{settings.server.host} port {settings.server.port}"
    yield "store", f"{shown_store(settings)}; responses kept {_kept(settings)}"
    yield "local", f"on, {settings.local.model or 'the model that comes along'}" if settings.local.enabled else "off"
    yield "search", engine_in_effect(settings)
    providers = [one for one in catalog.providers if one.name != "local" or not settings.local.enabled]
    for provider in providers:
        yield "provider", _shown_provider(provider)
    if not catalog.providers:
        yield "provider", "none: nothing can answer. Set a key such as OPENAI_API_KEY, or `local: on`"
    for alias in catalog.aliases:
        yield "model", f"{alias.pattern.text} -> {_shown_route(alias)}"


def _shown_route(alias: Alias) -> str:
    """What a name stands for, and how one of it is chosen."""
    if len(alias.ways) == 1:
        return alias.ways[0].target
    targets = ", ".join(_shown_way(way) for way in alias.ways)
    return f"{alias.rule.strategy}: {targets}"


def _shown_way(way: Way) -> str:
    weight = f" x{way.weight:g}" if way.weight != 1 else ""
    return f"{way.target}{weight}{' (with a condition)' if way.when != ALWAYS else ''}"


def _kept(settings: Settings) -> str:
    days = settings.store.retention_days
    return f"{days} days" if days else "for ever"


def _shown_provider(provider: Provider) -> str:
    credential = provider.template.credential
    if provider.credentials:
        key = f"{len(provider.credentials)} keys"
    elif credential is None:
        key = "no key"
    else:
        key = "key from `api_key`" if credential.alias == provider.name else f"key from {credential.alias}"
    models = ", ".join(provider.models[:_MODELS_SHOWN]) + (", …" if len(provider.models) > _MODELS_SHOWN else "")
    return f"{provider.name} at {provider.template.base_url} ({key}; models: {models or 'any'})"
