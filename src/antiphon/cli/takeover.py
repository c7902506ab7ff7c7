"""A new process takes the place of this one, with the sockets that clients connect to: no connection is refused.

The new one is started as this one was, so that it is the new release where that was installed meanwhile, and reads
its settings anew. Only when it serves does this one take no more connections, end what it has begun, and end. A new one
that cannot start changes nothing.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from socket import socket

import msgspec

from antiphon.cli.inheritance import VARIABLE, Heirloom
from antiphon.cli.supervision import tell_systemd
from antiphon.config.settings import ServerSettings

__all__ = ["Takeover"]

_log = logging.getLogger(__name__)


class Takeover:
    """Lets a new process take over when it is asked to.

    Args:
        sockets: what it gets.
        retire: ends this process' own service in order. Called once another has taken over.
    """

    def __init__(
        self, server: ServerSettings, sockets: Sequence[socket], *, retire: Callable[[], Awaitable[None]]
    ) -> None:
        self._server = server
        self._sockets = sockets
        self._retire = retire
        self._asked = asyncio.Event()
        self._successor = 0

    def ask(self) -> None:
        """Do it soon. From the event loop's thread."""
        self._asked.set()

    def stop(self) -> None:
        """There is to be no service any more, and nobody to take it over."""
        if self._successor:
            with suppress(ProcessLookupError):
                os.kill(self._successor, signal.SIGTERM)

    async def run(self) -> None:
        """Serve `ask`. Returns when another process serves and this one has nothing left to do; or until cancelled."""
        while True:
            await self._asked.wait()
            if await self._hand_over():
                await self._retire()
                return
            self._asked.clear()

    async def _hand_over(self) -> bool:
        """Start the new process and wait until it serves. False when it never did."""
        try:
            pid, ready = self._start()
        except OSError as error:
            _log.error("no new process can be started, this one goes on: %s", error)
            return False
        self._successor = pid
        _log.info("process %d is to take over", pid)
        serves = await _byte_of(ready)
        self._successor = 0
        if serves:
            tell_systemd(f"MAINPID={pid}")
            _log.info("process %d has taken over; process %d ends what it has begun", pid, os.getpid())
            return True
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        code = os.waitstatus_to_exitcode(status)
        _log.error("process %d could not take over and ended with status %d; this one goes on", pid, code)
        return False

    def _start(self) -> tuple[int, int]:
        """The new process, and the descriptor at which it tells that it serves. Raises `OSError`.

        It is to outlive this one, and so it is no child of the event loop's, which would kill it at its end.
        """
        ready, tell = os.pipe()
        inherited = [each.fileno() for each in self._sockets]
        server = self._server
        heirloom = Heirloom(server.host, server.port, tuple(inherited), tell)
        command = _command()
        try:
            for each in (*inherited, tell):
                os.set_inheritable(each, True)
            environ = {**os.environ, VARIABLE: msgspec.json.encode(heirloom).decode()}
            pid = os.posix_spawn(command[0], command, environ)
        except OSError:
            os.close(ready)
            raise
        finally:
            for each in inherited:
                os.set_inheritable(each, False)
            os.close(tell)
        return pid, ready


def _command() -> list[str]:
    """How this process was called. A script is called anew by its name: its first line may name another Python now."""
    script = sys.argv[0]
    if os.access(script, os.X_OK) and not script.endswith(".py"):
        return [script, *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


async def _byte_of(descriptor: int) -> bool:
    """Wait for a byte, or for the end. Closes the descriptor."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
        return bool(os.read(descriptor, 1))
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
