"""One of several processes that serve: `python -m antiphon.cli.worker`, run by `workers`, told by its stdin what to do.

It ends, in order, when it is told to, on SIGTERM, and when its stdin ends: then the process that started it is gone.
"""

import asyncio
import io
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from msgspec import structs

from antiphon.app import Application, Shared
from antiphon.cli.worker_messages import (
    LINE_BYTES,
    Asked,
    Begin,
    Change,
    Counted,
    FromParent,
    FromWorker,
    ModelState,
    Ready,
    Retire,
    Totals,
    line,
)
from antiphon.config.changes import with_fixed
from antiphon.config.load import load
from antiphon.config.problems import ConfigError
from antiphon.config.settings import Settings
from antiphon.edge.health import counted
from antiphon.edge.metrics import Family
from antiphon.edge.server import GatewayServer, server_config
from antiphon.lib.background import Background
from antiphon.lib.log import setup_logging
from antiphon.local.elsewhere import ModelElsewhere
from antiphon.protocol.faults import ServerFault
from antiphon.protocol.target import Secret

__all__ = ["main"]

_log = logging.getLogger(__name__)

_COUNT_EVERY_S = 1.0
_TOTAL_S = 2.0
_LAST_WORDS_S = 1.0


def main() -> int:
    """Serve until told to stop. Returns the exit code."""
    out = _take_stdout()
    # Unbuffered, or what follows the first line would be read along with it.
    begin = msgspec.json.decode(io.FileIO(0, closefd=False).readline(), type=Begin)
    setup_logging(worker=begin.number)
    worker = _Worker(begin)
    try:
        with asyncio.Runner(loop_factory=worker.gateway.config.get_loop_factory()) as runner:
            runner.run(worker.run(out))
    except asyncio.CancelledError:
        return 0
    return 1 if worker.gateway.failed else 0


def _take_stdout() -> int:
    """Keep stdout for our messages; whatever else is printed goes to stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


class _WayOut(asyncio.BaseProtocol):
    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed.set()


class _Link:
    """The way to the parent."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[Sequence[Family]]] = []
        self._transport: asyncio.WriteTransport | None = None
        self._way_out: _WayOut | None = None

    async def open(self, out: int) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        stdin = os.fdopen(0, "rb", 0, closefd=False)
        await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), stdin)
        self._transport, self._way_out = await loop.connect_write_pipe(_WayOut, os.fdopen(out, "wb", 0))
        return reader

    @property
    def is_free(self) -> bool:
        """The parent has read all that it was told."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    def send(self, message: FromWorker) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line(message))

    async def close(self) -> None:
        """What was sent is still written, unless nobody reads it."""
        if self._transport is not None and self._way_out is not None:
            self._transport.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._way_out.closed.wait(), _LAST_WORDS_S)

    async def total(self, families: Sequence[Family]) -> Sequence[Family]:
        """What all workers have counted. See `Total`."""
        answer: asyncio.Future[Sequence[Family]] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self.send(Asked(families))
        try:
            async with asyncio.timeout(_TOTAL_S):
                return await answer
        except TimeoutError as error:
            raise ServerFault(
                "The other processes do not answer.", code="overloaded", status=503, retry_after_s=1.0
            ) from error

    def totalled(self, families: Sequence[Family]) -> None:
        """The answer has come. Whoever asks while it is under way gets the same."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(families)


class _Worker:
    """The application, its server, and the parent's words."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._files = begin.files
        self._link = _Link()
        model = begin.model
        self._model: ModelElsewhere | None = None
        if model is not None:
            key = Secret(model.api_key)
            self._model = ModelElsewhere(base_url=model.base_url, api_key=key, context=model.context)
        self._app = Application(self._settings(begin.files), shared=Shared(self._model, self._link.total))
        app, server = self._app, self._app.settings.server
        self.gateway = GatewayServer(
            server_config(
                app, host=server.host, port=server.port, drain_s=server.drain_s, proxies=server.forwarded_allow_ips
            ),
            drain=app.drain,
            hurry=partial(app.drain, 0.0),
            started=lambda _: self._link.send(Ready()),
        )

    async def run(self, out: int) -> None:
        reader = await self._link.open(out)
        sockets = [socket.socket(fileno=each) for each in self._begin.sockets]
        for each in sockets:
            each.set_inheritable(False)
        try:
            async with Background() as background:
                background.start(self._listen(reader, background))
                background.start(self._tell())
                await self.gateway.serve(sockets)
        finally:
            self._link.send(Counted(self._counted()))
            await self._link.close()

    async def _listen(self, reader: asyncio.StreamReader, retiring: Background) -> None:
        while said := await reader.readline():
            match msgspec.json.decode(said, type=FromParent):
                case Change(files):
                    await self._change(files)
                case ModelState(ready, failure):
                    if self._model is not None:
                        self._model.tell(ready=ready, failure=failure)
                case Totals(families):
                    self._link.totalled(families)
                case Retire(patience_s):
                    retiring.start(self.gateway.retire(patience_s))
                case _:
                    raise RuntimeError(f"the parent said what cannot be understood: {said[:100]!r}")
        _log.warning("the process that started this one is gone")
        self.gateway.handle_exit(signal.SIGTERM, None)

    async def _change(self, files: Mapping[str, str]) -> None:
        if files == self._files:
            return
        self._files = files
        try:
            await self._app.reload(self._settings(files))
        except ConfigError as error:
            _log.error("the settings stay as they were, for what they are now cannot be used:\n%s", error)

    async def _tell(self) -> None:
        """What was counted, every second: so it is not lost when this process dies."""
        told: Sequence[Family] = ()
        while True:
            await asyncio.sleep(_COUNT_EVERY_S)
            families = self._counted()
            if families != told and self._link.is_free:
                self._link.send(Counted(families))
                told = families

    def _counted(self) -> Sequence[Family]:
        services = self._app.services
        return counted(services) if services is not None else ()

    def _settings(self, files: Mapping[str, str]) -> Settings:
        """As the files say; what needs a restart as it was when the parent started, so that it is alike in all."""
        begin = self._begin
        settings = self._read(files)
        if files != begin.first_files:
            settings, _ = with_fixed(self._read(begin.first_files), settings)
        server = settings.server
        # What all may hold together is shared out.
        bodies_mib = max(server.max_body_mib, server.max_memory_bodies_mib // server.workers)
        return structs.replace(settings, server=structs.replace(server, max_memory_bodies_mib=bodies_mib))

    def _read(self, files: Mapping[str, str]) -> Settings:
        begin = self._begin
        return begin.overrides.over(load(Path(begin.file) if begin.file else None, os.environ, files=files))


if __name__ == "__main__":
    sys.exit(main())
