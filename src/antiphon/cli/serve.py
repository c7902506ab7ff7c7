"""`antiphon serve`: the gateway, and on a first start everything a newcomer needs to get an answer."""

import asyncio
import os
from collections.abc import Callable, Sequence
from socket import socket

import click
from msgspec import Struct
from rich.console import Console

from antiphon.cli.fetch_progress import FetchProgress
from antiphon.cli.inheritance import inherit
from antiphon.cli.listening import bind
from antiphon.cli.options import store_url
from antiphon.cli.overrides import Overrides
from antiphon.cli.quickstart import QuickstartKey, quickstart_key
from antiphon.cli.supervision import tell_systemd
from antiphon.cli.welcome import Welcome, greet
from antiphon.config.settings import Settings
from antiphon.lib.log import setup_logging
from antiphon.local.model import Progress

__all__ = ["Serving", "serve"]

#: For so long at least a process whose place was taken serves clients that still send it something.
_RETIRE_S = 5.0


class Serving(Struct, frozen=True):
    """What is served, whether by this process or by workers.

    Attributes:
        sockets: bound; they listen once somebody serves.
        started: to be called once that is so, with the address and the names of models.
    """

    settings: Settings
    overrides: Overrides
    sockets: Sequence[socket]
    console: Console
    progress: Progress
    started: Callable[[str, Sequence[str]], None]

    @property
    def retire_s(self) -> float:
        """For how long a process whose place was taken serves on, before it stops as if told to."""
        return max(_RETIRE_S, self.settings.server.drain_s)


def serve(settings: Settings, overrides: Overrides) -> int:
    """Run until told to stop. Returns the exit code: 0 also when it is told so in the middle of starting.

    Raises `ClickException` and `StoreFault` for what an operator can mend, before anything is fetched or served.
    """
    setup_logging()
    configured = settings.server
    settings = overrides.over(settings)
    server = settings.server
    inheritance = inherit(os.environ)
    sockets = inheritance.sockets_for(server.host, server.port) or bind(server.host, server.port)
    store_url(settings)
    key = _key(settings)
    console = Console(stderr=True)
    same = (configured.host, configured.port) == (server.host, server.port)
    welcome = Welcome(settings, key, names_itself=same)
    with FetchProgress(console) as progress:

        def started(url: str, models: Sequence[str]) -> None:
            progress.stop()
            greet(console, welcome, url=url, models=models)
            inheritance.tell_ready()
            tell_systemd("READY=1")

        serving = Serving(settings, overrides, sockets, console, progress.report, started)
        try:
            return _serve(serving)
        except asyncio.CancelledError:
            return 0


def _serve(serving: Serving) -> int:
    """Each way imports what it needs: the process that supervises serves nothing, and stays small."""
    if serving.settings.server.workers > 1:
        from antiphon.cli.parent import serve_with_workers  # noqa: PLC0415 - as above

        return serve_with_workers(serving)
    from antiphon.cli.alone import serve_alone  # noqa: PLC0415 - as above

    return serve_alone(serving)


def _key(settings: Settings) -> QuickstartKey | None:
    try:
        return quickstart_key(settings)
    except ValueError as error:  # an address that cannot be a database; the text says so
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"The data directory cannot be used: {error}") from error
