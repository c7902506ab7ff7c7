"""`antiphon version`."""

import platform

import click

from antiphon import __version__

__all__ = ["command"]


@click.command("version")
def command() -> None:
    """Print the version."""
    click.echo(f"antiphon {__version__} (Python {platform.python_version()}, {platform.system()} {platform.machine()})")
