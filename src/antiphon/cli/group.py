"""The command `antiphon` itself: which commands there are, and how their failures are told.

Must stay cheap to import: `antiphon --help` and a typing error import nothing beyond this.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from antiphon import __version__
from antiphon.config.problems import ConfigError
from antiphon.config.suggest import did_you_mean
from antiphon.protocol.faults import StoreFault

__all__ = ["COMMANDS", "Commands", "main"]

#: Name of a command, and its line in the list. Its module is `antiphon.cli.NAME`, with the command as `command`.
COMMANDS: Mapping[str, str] = {
    "serve": "Run the gateway.",
    "chat": "Talk to a model through the running gateway.",
    "keys": "Make, list, stop and revoke the keys of clients.",
    "models": "Show which model names lead where.",
    "client-config": "Print the settings with which Codex, Claude Code and others use this gateway.",
    "usage": "Show what was used, by model, key, provider or day.",
    "why": "Tell where the run of a response went, and why.",
    "check-config": "Say what is wrong with a configuration.",
    "doctor": "Check one thing after the other, and say how to mend what is broken.",
    "version": "Print the version.",
}

_MODULES: Mapping[str, str] = {
    "serve": "serve_command",
    "check-config": "check_config",
    "client-config": "client_config",
}


class Commands(click.Group):
    """A group that knows one line about each command, and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the list above, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"antiphon.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As usual, but an unknown word is answered with the nearest command."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command `{args[0]}`{did_you_mean(args[0], COMMANDS, noun='commands')}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing what it lists."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What an operator can mend becomes a message, and an exit code: 2 for the configuration."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except StoreFault as fault:
            raise click.ClickException(f"The database cannot be used. {fault.detail}") from fault


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="antiphon", message="%(prog)s %(version)s")
def main() -> None:
    """Antiphon: a gateway that speaks OpenAI's Responses API in front of any model."""
