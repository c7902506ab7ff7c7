"""One process that serves nothing itself: it keeps the sockets, the local model, and the workers that serve."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import click

from antiphon.access.seal_keys import load_seal_keys
from antiphon.cli.overrides import settings_again
from antiphon.cli.reloading import Reload, Reloader
from antiphon.cli.serve import Serving
from antiphon.cli.signals import on_signals
from antiphon.cli.takeover import Takeover
from antiphon.cli.worker_counts import WorkerCounts
from antiphon.cli.worker_messages import Begin, Change, FromParent, Model, ModelState, Retire
from antiphon.cli.workers import Team, Workers
from antiphon.config.changes import with_fixed
from antiphon.config.problems import ConfigError, Problem
from antiphon.config.settings import Settings
from antiphon.lib.background import Background
from antiphon.local.start import first_breath, local_model
from antiphon.local.supervisor import LocalModel
from antiphon.routing.catalog import build_catalog, local_provider
from antiphon.routing.router import ModelRouter

__all__ = ["serve_with_workers"]

_LOOK_AT_MODEL_S = 0.2


def serve_with_workers(serving: Serving) -> int:
    """Serve until told to stop. Returns the exit code. Raises `CancelledError` when told so while it starts."""
    if sys.platform == "win32":
        raise click.ClickException("Several workers need sockets that processes can share; Windows has none.")
    with asyncio.Runner() as runner:
        return runner.run(_Parent(serving).run())


class _Parent:
    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._settings = serving.settings
        self._counts = WorkerCounts()
        self._model: LocalModel | None = None
        self._workers: Workers | None = None
        self._takeover: Takeover | None = None
        self._main: asyncio.Task[object] | None = None

    async def run(self) -> int:
        self._main = asyncio.current_task()
        settings = self._settings
        again = partial(settings_again, settings.origin.file, self._serving.overrides)
        reloader = Reloader(settings, Reload(load=again, use=self._use, told=self._counts.reloaded))
        takeover = self._takeover = Takeover(settings.server, self._serving.sockets, retire=self._retire)
        with self._told_to_stop(), on_signals(reload=reloader.ask, take_over=takeover.ask):
            self._model = await local_model(settings, progress=self._serving.progress)
            async with Background() as background:
                if self._model is not None:
                    background.start(self._model.run())
                    await first_breath(self._model)
                team = Team(settings.server.workers, self._counts, settings.server.drain_s)
                self._workers = Workers(self._begin, self._state, team=team)
                background.start(reloader.run())
                background.start(self._greet(self._workers))
                background.start(self._watch_model(self._workers))
                background.start(takeover.run())
                return await self._workers.run()

    @contextmanager
    def _told_to_stop(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        sent = (signal.SIGINT, signal.SIGTERM)
        for each in sent:
            loop.add_signal_handler(each, self._stop)
        try:
            yield
        finally:
            for each in sent:
                loop.remove_signal_handler(each)

    def _stop(self) -> None:
        if self._takeover is not None:
            self._takeover.stop()
        if self._workers is not None:
            self._close_sockets()
            self._workers.stop()
        elif self._main is not None:
            self._main.cancel()

    async def _retire(self) -> None:
        self._close_sockets()
        if self._workers is not None:
            self._workers.retire(Retire(self._serving.retire_s))

    def _close_sockets(self) -> None:
        """Clients would go on waiting in their queues otherwise."""
        for each in self._serving.sockets:
            each.close()

    def _begin(self, number: int) -> Begin:
        serving, model = self._serving, self._model
        return Begin(
            number=number,
            file=serving.settings.origin.file,
            files=self._settings.origin.files,
            first_files=serving.settings.origin.files,
            overrides=serving.overrides,
            sockets=tuple(each.fileno() for each in serving.sockets),
            model=None if model is None else Model(model.base_url, model.api_key.value, model.context),
        )

    def _state(self) -> Sequence[FromParent]:
        return [Change(self._settings.origin.files), self._model_state()]

    def _model_state(self) -> ModelState:
        model = self._model
        if model is None:
            return ModelState(ready=False, failure=None)
        return ModelState(ready=model.ready.is_set(), failure=model.failure)

    async def _use(self, settings: Settings) -> Sequence[str]:
        """Let all workers, and those to come, have other settings. Raises `ConfigError`."""
        settings, stay = with_fixed(self._settings, settings)
        try:
            await asyncio.to_thread(load_seal_keys, settings.store.seal_keys, settings.data_path)
        except (ValueError, OSError) as error:  # safe to show
            raise ConfigError([Problem("", ("store", "seal_keys"), str(error))]) from error
        self._settings = settings
        if self._workers is not None:
            self._workers.tell(Change(settings.origin.files))
        return stay

    async def _greet(self, workers: Workers) -> None:
        await workers.started.wait()
        host, port = self._settings.server.host, self._serving.sockets[0].getsockname()[1]
        self._serving.started(f"http://{f'[{host}]' if ':' in host else host}:{port}", self._models())

    def _models(self) -> Sequence[str]:
        extra = [local_provider(self._model.base_url)] if self._model is not None else []
        return [model.id for model in ModelRouter(build_catalog(self._settings, extra=extra)).models()]

    async def _watch_model(self, workers: Workers) -> None:
        """Tell the workers when the model comes up or fails."""
        told = self._model_state()
        while self._model is not None:
            await asyncio.sleep(_LOOK_AT_MODEL_S)
            now = self._model_state()
            if now != told:
                workers.tell(now)
                told = now
