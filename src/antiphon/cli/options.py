"""What several commands share: `--config`, `--json`, and the way from there to settings and a catalogue."""

import os
from pathlib import Path

import click

from antiphon.config.load import load
from antiphon.config.settings import Settings
from antiphon.routing.catalog import Catalog, build_catalog, local_provider

__all__ = ["LOCAL_URL", "catalog_of", "config_option", "json_option", "settings_from", "store_url", "tenant_option"]

#: Stands for the local model's address, which is only known while it runs.
LOCAL_URL = "http://127.0.0.1/v1"

config_option = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The settings. Default: ANTIPHON_CONFIG, else ./antiphon.yaml if there is one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
tenant_option = click.option("--tenant", metavar="NAME", help="Only this tenant's. Default: all tenants.")


def settings_from(config: Path | None) -> Settings:
    """The settings in effect. Raises `ConfigError`, which the group shows."""
    return load(config, os.environ)


def catalog_of(settings: Settings) -> Catalog:
    """What is reachable, the local model included if it is on. Raises `ConfigError`."""
    return build_catalog(settings, extra=[local_provider(LOCAL_URL)] if settings.local.enabled else [])


def store_url(settings: Settings) -> str:
    """Where the database is; its folder is made if it is the usual one."""
    if settings.store.url is None:
        try:
            settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise click.ClickException(f"The data directory cannot be made: {error}") from error
    return settings.database_url
