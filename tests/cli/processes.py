"""Commands as real processes, with pipes or on a terminal of their own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

WAIT_S = 60.0

#: Makes the terminal on standard input the controlling one, so that Ctrl-C in it is a signal.
_ON_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from antiphon.cli import main
main(args=sys.argv[1:], prog_name="antiphon")
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


async def antiphon(*arguments: str, given: str | None = None) -> Ended:
    """`python -m antiphon …`, to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", *arguments),
        stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(None if given is None else given.encode()), WAIT_S)
    return Ended(process.returncode or 0, out.decode(), err.decode())


class Terminal:
    """What a person at a terminal sees and types."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._process = process
        self._seen = ""
        self._news = asyncio.Event()
        self._is_open = True
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def sees(self, text: str) -> str:
        """Wait until the text is shown; all that was shown up to its end, which is then forgotten."""
        async with asyncio.timeout(WAIT_S):
            while text not in self._seen:
                self._news.clear()
                await self._news.wait()
        before, _, self._seen = self._seen.partition(text)
        return before + text

    def close(self) -> None:
        """As a window is closed: the kernel tells whoever was started in it."""
        if not self._is_open:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self._is_open = False

    async def ends(self) -> int:
        """Wait for the end of the command; its exit code."""
        return await asyncio.wait_for(self._process.wait(), WAIT_S)

    def _read(self) -> None:
        with suppress(OSError):  # the far side is closed
            self._seen += os.read(self._master, 65536).decode(errors="replace")
            self._news.set()
            return
        asyncio.get_running_loop().remove_reader(self._master)


@asynccontextmanager
async def terminal(*arguments: str) -> AsyncIterator[Terminal]:
    """`antiphon …` on a terminal of its own; killed at the end if it still runs."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ON_TERMINAL, *arguments),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(slave)
    seen = Terminal(master, process)
    try:
        yield seen
    finally:
        seen.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
