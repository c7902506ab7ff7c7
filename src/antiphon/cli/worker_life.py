"""One worker as the process that started it sees it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self

import msgspec

from antiphon.cli.worker_messages import LINE_BYTES, Begin, FromParent, FromWorker, line

__all__ = ["WorkerLife"]

_from_worker = msgspec.json.Decoder(FromWorker)


class WorkerLife:
    """A process that runs `worker`, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    @classmethod
    async def start(cls, begin: Begin) -> Self:
        """Start it. Raises `OSError`.

        It gets a session of its own: Ctrl-C in a terminal goes to everybody there, and we decide when a worker ends.
        """
        life = cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "antiphon.cli.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_BYTES,
                pass_fds=begin.sockets,
                start_new_session=True,
            )
        )
        life.tell(begin)
        return life

    def tell(self, message: FromParent) -> None:
        """Say something. Does not wait: there is little to say. One that has ended does not hear it."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line(message))

    async def messages(self) -> AsyncIterator[FromWorker]:
        """What it says, until it ends."""
        stdout = self._process.stdout
        if stdout is None:
            return
        while said := await stdout.readline():
            if said.endswith(b"\n"):  # or it was killed in the middle of a word
                yield _from_worker.decode(said)

    async def end(self) -> int:
        """Wait for its end: its exit code, negative for the signal that ended it."""
        return await self._process.wait()

    def signal(self, sent: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        # Not by `Process.send_signal`, which may take away the exit status that somebody is waiting for.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sent)
