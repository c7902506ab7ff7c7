"""`antiphon serve` on the command line; what it does is in `serve`."""

from pathlib import Path

import click

from antiphon.cli.options import catalog_of, config_option, settings_from
from antiphon.cli.overrides import Overrides

__all__ = ["command"]


@click.command("serve")
@config_option
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: `server.host`, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on. Default: `server.port`, else 8000.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that serve. Default: `server.workers`, else 1.")
@click.pass_context
def command(
    ctx: click.Context, config: Path | None, *, host: str | None, port: int | None, workers: int | None
) -> None:
    """Run the gateway until it is told to stop (Ctrl-C, SIGTERM)."""
    settings = settings_from(config)
    catalog_of(settings)  # a mistake in there is told as one, before anything has started
    from antiphon.cli.serve import serve  # noqa: PLC0415 - a second of imports that `--help` does not need

    ctx.exit(serve(settings, Overrides(host=host, port=port, workers=workers)))
