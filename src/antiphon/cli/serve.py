"""`antiphon serve`: the gateway, and on a first start everything a newcomer needs to get an answer."""

import os
from pathlib import Path
from typing import Self

from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from antiphon import __version__
from antiphon.access.keys import digest_of, generate
from antiphon.app import Application
from antiphon.config.settings import Settings
from antiphon.edge.server import GatewayServer, server_config
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.lib.log import setup_logging
from antiphon.protocol.records import KeyId, KeyRecord, Tenant
from antiphon.store.base import StoreSettings
from antiphon.store.keys import open_keys

__all__ = ["QUICKSTART", "serve"]

QUICKSTART = "quickstart"
_KEY_FILE = "quickstart.key"


def serve(settings: Settings, *, host: str | None, port: int | None) -> int:
    """Run until told to stop. Returns the exit code."""
    setup_logging()
    settings = _listening(settings, host=host, port=port)
    console = Console(stderr=True)
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _FetchProgress(console) as progress:
        app = Application(settings, progress=progress.report)
        server = GatewayServer(
            server_config(
                app,
                host=settings.server.host,
                port=settings.server.port,
                drain_s=settings.server.drain_s,
                proxies=settings.server.forwarded_allow_ips,
            ),
            drain=app.drain,
            started=lambda url: _welcome(console, settings, url=url),
        )
        server.run()
    return 0 if server.started else 1


def _listening(settings: Settings, *, host: str | None, port: int | None) -> Settings:
    server = settings.server
    return structs.replace(
        settings,
        server=structs.replace(
            server, host=server.host if host is None else host, port=server.port if port is None else port
        ),
    )


class _FetchProgress:
    """A progress bar that appears when there is something to wait for."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console
        )
        self._task: TaskID | None = None
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def report(self, phase: str, done: int, total: int) -> None:
        """One step of the local model's fetch, in bytes."""
        if phase != self._phase:
            self._phase = phase
            self._bar.start()
            self._task = self._bar.add_task(f"local model: {phase}", total=total or None)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)
        if total and done >= total:
            self._bar.stop()


def _welcome(console: Console, settings: Settings, *, url: str) -> None:
    """Where it listens, and on a machine without any key the one that was made for it."""
    console.print(f"[bold]Antiphon {__version__}[/bold] listens on {url}  (API page: {url}/docs)", highlight=False)
    key = quickstart_key(settings)
    if key is not None:
        _show_first_request(console, settings, url=url, key=key)


def _show_first_request(console: Console, settings: Settings, *, url: str, key: str) -> None:
    console.print(
        f"Key '{QUICKSTART}', kept in {settings.data_path / _KEY_FILE}: {key}", highlight=False, soft_wrap=True
    )
    console.print("Try it:\n", highlight=False)
    body = '{"model": "local", "input": "Say hello."}'
    console.print(
        f"curl {url}/v1/responses -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print("", highlight=False)


def quickstart_key(settings: Settings) -> str | None:
    """The quickstart key, made once and only while there is no other; `None` when there are keys but not this one."""
    file = settings.data_path / _KEY_FILE
    with open_keys(settings.database_url, StoreSettings()) as keys:
        known = keys.list_keys(None)
        if file.exists():
            text = file.read_text(encoding="utf-8").strip()
            alive = {record.digest for record in known if not record.disabled and record.revoked_at is None}
            return text if digest_of(text) in alive else None
        if known:
            return None
        text, key_digest, prefix = generate()
        _write_private(file, text)
        keys.add_key(
            KeyRecord(
                id=KeyId("key_" + SystemIds().new_response_id().hex()),
                tenant=Tenant("default"),
                name=QUICKSTART,
                prefix=prefix,
                digest=key_digest,
                created_at=SystemClock().now(),
            )
        )
        return text


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text + "\n")
