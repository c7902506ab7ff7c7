"""`antiphon doctor`: one check after the other, each failure with the way to mend it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import click

from antiphon.cli.findings import Finding, bad, fine, show, skipped
from antiphon.cli.options import catalog_of, config_option, json_option
from antiphon.cli.output import print_json
from antiphon.config.load import load
from antiphon.config.problems import ConfigError
from antiphon.config.settings import Settings
from antiphon.routing.catalog import Catalog

__all__ = ["command"]

_NOTHING_ANSWERS = "Set a provider's key, such as OPENAI_API_KEY, or `local: on`."


@click.command("doctor")
@config_option
@click.option("--offline", is_flag=True, help="Ask no provider.")
@json_option
@click.pass_context
def command(ctx: click.Context, config: Path | None, *, offline: bool, as_json: bool) -> None:
    """Check one thing after the other, and say how to mend what is broken.

    Changes nothing. Exit code 0 when all is well, 1 otherwise.
    """
    findings: list[Finding] = []
    for finding in _examine(config, offline=offline):
        findings.append(finding)
        if not as_json:
            show(finding)
    if as_json:
        print_json(findings)
    failed = sum(finding.state == "failed" for finding in findings)
    if not as_json:
        click.echo(f"\n{failed} to mend." if failed else "\nAll is well.")
    ctx.exit(1 if failed else 0)


def _examine(config: Path | None, *, offline: bool) -> Iterator[Finding]:
    from antiphon.cli import machine_checks as machine  # noqa: PLC0415 - the database's libraries take a moment

    yield machine.check_python()
    yield machine.check_packages(machine.requirements_of("antiphon"))
    settings, catalog, problems = _configured(config)
    yield from problems
    if settings is None:
        yield skipped("the rest", "not checked: it depends on the configuration")
        return
    yield machine.check_data_dir(settings.data_path)
    yield machine.check_database(settings)
    yield machine.check_disk(settings.data_path)
    dates: list[float] = []
    yield from _services(settings, catalog, offline=offline, dates=dates)
    yield machine.check_clock(dates)


def _configured(config: Path | None) -> tuple[Settings | None, Catalog | None, list[Finding]]:
    """As much of the configuration as can be used, and what there is to say about it."""
    settings: Settings | None = None
    try:
        settings = load(config, os.environ)
        catalog = catalog_of(settings)
    except ConfigError as error:
        mend = "Correct it there; `antiphon check-config` tells whether it is right."
        return settings, None, [bad("configuration", str(problem), mend=mend) for problem in error.problems]
    if not catalog.providers:
        return settings, catalog, [bad("configuration", "no provider and no local model", mend=_NOTHING_ANSWERS)]
    return settings, catalog, [fine("configuration", settings.origin.file or "no file; the environment and defaults")]


def _services(settings: Settings, catalog: Catalog | None, *, offline: bool, dates: list[float]) -> Iterator[Finding]:
    """What answers on sockets; fills `dates` with what providers take for the time."""
    from antiphon.cli import service_checks as services  # noqa: PLC0415 - the HTTP client takes a moment

    yield asyncio.run(services.check_port(settings))
    yield asyncio.run(services.check_local(settings))
    if catalog is None:
        yield skipped("providers", "not checked: the configuration comes first")
        return
    for visit in asyncio.run(services.check_providers(catalog, offline=offline)):
        yield visit.finding
        if visit.date is not None:
            dates.append(visit.date)
