"""`antiphon serve`: the gateway, and on a first start everything a newcomer needs to get an answer."""

import asyncio
import shlex
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Self

import click
from msgspec import Struct, structs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from antiphon import __version__
from antiphon.app import Application
from antiphon.cli.hangup import on_hangup
from antiphon.cli.options import LOCAL_URL, catalog_of, settings_from, store_url
from antiphon.cli.quickstart import QUICKSTART, QuickstartKey, quickstart_key
from antiphon.cli.reloading import Reload, Reloader
from antiphon.config.settings import Settings
from antiphon.edge.server import GatewayServer, server_config
from antiphon.lib.background import Background
from antiphon.lib.log import setup_logging
from antiphon.tools.web.engines.registry import engine_in_effect

__all__ = ["serve"]

_MB = 1_000_000


class _Welcome(Struct, frozen=True):
    """What the first lines tell.

    Attributes:
        names_itself: whether commands find the gateway without `--url`.
    """

    settings: Settings
    app: Application
    key: QuickstartKey | None
    names_itself: bool


def serve(settings: Settings, *, host: str | None, port: int | None) -> int:
    """Run until told to stop. Returns the exit code: 0 also when it is told so in the middle of starting.

    Raises `ClickException` and `StoreFault` for what an operator can mend, before anything is fetched or served.
    """
    setup_logging()
    configured = settings.server
    settings = _listening(settings, host=host, port=port)
    server = settings.server
    _check_address(server.host, server.port)
    store_url(settings)
    key = _key(settings)
    console = Console(stderr=True)
    with _FetchProgress(console) as progress:
        app = Application(settings, progress=progress.report)
        same = (configured.host, configured.port) == (server.host, server.port)
        welcome = _Welcome(settings, app, key, names_itself=same)

        def started(url: str) -> None:
            progress.stop()
            _greet(console, welcome, url=url)

        gateway = GatewayServer(
            server_config(
                app, host=server.host, port=server.port, drain_s=server.drain_s, proxies=server.forwarded_allow_ips
            ),
            drain=partial(_drain, console, app),
            hurry=partial(app.drain, 0.0),
            started=started,
        )
        again = partial(_again, settings.origin.file, host=host, port=port)
        reload = Reload(load=again, use=app.reload, told=partial(_count_reload, app))
        try:
            with asyncio.Runner(loop_factory=gateway.config.get_loop_factory()) as runner:
                runner.run(_run(gateway, settings, reload=reload))
        except asyncio.CancelledError:
            return 0
    return 1 if gateway.failed else 0


async def _run(gateway: GatewayServer, settings: Settings, *, reload: Reload) -> None:
    reloader = Reloader(settings, reload)
    with on_hangup(reloader.ask):
        async with Background() as background:
            background.start(reloader.run())
            await gateway.serve()


def _again(file: str, *, host: str | None, port: int | None) -> Settings:
    """The settings as they are now. What the command line said holds on."""
    settings = settings_from(Path(file) if file else None)
    catalog_of(settings)
    return _listening(settings, host=host, port=port)


def _count_reload(app: Application, taken_over: bool) -> None:
    if app.services is not None:
        app.services.telemetry.reloaded(changed=taken_over)


def _listening(settings: Settings, *, host: str | None, port: int | None) -> Settings:
    server = settings.server
    return structs.replace(
        settings,
        server=structs.replace(
            server, host=server.host if host is None else host, port=server.port if port is None else port
        ),
    )


def _check_address(host: str, port: int) -> None:
    """Find out now, not after a download, whether the port can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while ")[0].lower()
        raise click.ClickException(
            f"Cannot listen on {host} port {port}: {reason}. "
            "Choose another with --port or --host, ANTIPHON_PORT, or `server.port` in antiphon.yaml."
        ) from error


def _key(settings: Settings) -> QuickstartKey | None:
    try:
        return quickstart_key(settings)
    except ValueError as error:  # an address that cannot be a database; the text says so
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"The data directory cannot be used: {error}") from error


async def _drain(console: Console, app: Application) -> None:
    live = app.services.engine.live_runs if app.services is not None else 0
    if live and console.is_terminal:
        patience_s = app.settings.server.drain_s
        _say(console, f"\nWaiting up to {patience_s:g} s for {live} unfinished answers. Ctrl-C once more ends them.")
    await app.drain()


class _FetchProgress:
    """A progress bar that appears when there is something to wait for; one line where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar.live.is_started:
            self._bar.stop()

    def report(self, phase: str, done: int, total: int) -> None:
        """One step of the local model's fetch, in bytes."""
        if not self._console.is_terminal:
            if not self._phase:
                self._console.print(f"Fetching the local model ({round(total / _MB)} MB), once ...", highlight=False)
            self._phase = phase
            return
        if phase != self._phase:
            self._phase = phase
            self._bar.start()
            if self._task is not None:
                self._bar.update(self._task, visible=False)
            self._task = self._bar.add_task(f"local model: {phase}", total=total or None)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)
        if phase == "unpack" and done >= total:
            self.stop()  # before anything is logged into the line of the bar


def _greet(console: Console, welcome: _Welcome, *, url: str) -> None:
    """Where it listens, and on a machine without any other key how to ask for a first answer."""
    _say(console, f"Antiphon {__version__} listens on {url} (API page: {url}/docs)")
    if _searches_by_itself(welcome.settings):
        _say(console, "Models that search the web ask public search pages (ddgs). To choose another engine, or none:")
        _say(console, "`web_search` in antiphon.yaml.")
    model = _a_model(welcome.app)
    if model is None:
        _say(console, "Nothing can answer yet: set a provider's key, such as OPENAI_API_KEY, or `local: on`.")
    elif welcome.key is not None:
        _show_first_request(console, welcome, url=url, model=model)


def _searches_by_itself(settings: Settings) -> bool:
    """What users look for leaves this machine although nobody said so."""
    return settings.web_search.engine is None and engine_in_effect(settings) != "off"


def _a_model(app: Application) -> str | None:
    """A name to try: the local model if it could be had, else the first that is listed, else how names look."""
    names = [model.id for model in app.services.router.models()] if app.services is not None else []
    if names:
        return "local" if "local" in names else names[0]
    others = (one.name for one in catalog_of(app.settings).providers if one.template.base_url != LOCAL_URL)
    return next((f"{name}/MODEL" for name in others), None)


def _show_first_request(console: Console, welcome: _Welcome, *, url: str, model: str) -> None:
    key = welcome.key
    if key is None:
        return
    # The key itself goes to a person's terminal, and once, when it is made; later starts keep it out of logs.
    shown = key.text if key.is_new or console.is_terminal else f"$(cat {shlex.quote(str(key.file))})"
    _say(console, f"Key '{QUICKSTART}', kept in {key.file}" + (f": {key.text}" if shown == key.text else ""))
    body = f'{{"model": "{model}", "input": "Say hello."}}'
    chat = f"{_program()} chat"
    chat += "" if model == "local" else f" --model {shlex.quote(model)}"
    chat += "" if welcome.names_itself else f" --url {url}"
    _say(console, "Try it in another terminal:\n")
    _say(
        console,
        f'curl {url}/v1/responses -H "Authorization: Bearer {shown}" -H "Content-Type: application/json" '
        f"-d {shlex.quote(body)}\n",
    )
    _say(console, f"or talk to it: {chat}\n")


def _program() -> str:
    """How this command was called, for another terminal in the same directory."""
    if sys.argv[0].endswith("__main__.py"):
        return f"{shlex.quote(sys.executable)} -m antiphon"
    return shlex.quote(sys.argv[0])


def _say(console: Console, text: str) -> None:
    """A line as it is, however narrow the terminal: what is to be pasted must not be broken."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
