"""Keeps the local model's process alive: starts it, knows when it listens, starts it again when it dies, stops it."""

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from antiphon.protocol.target import Secret

__all__ = ["LocalModel", "LocalSettings"]

_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How to run the model.

    Attributes:
        alias: the model's name at the child.
        slots: requests answered at the same time; more of them wait inside the child.
        context: tokens in all; each slot has an equal share.
        threads: computing threads; `None` leaves a core to the gateway and takes at most four, for llama.cpp's threads
            wait for each other by spinning: one thread too many makes every token ten times slower.
        tame: defaults for a very small model: short answers, little chance, no repetition. Requests still win.
        start_timeout_s: from the start of the process until it listens.
        stop_timeout_s: from SIGTERM to SIGKILL.
        first_delay_s, longest_delay_s: the pause before a new start doubles from one to the other, and begins anew
            after a life of `longest_delay_s`.
    """

    model: Path
    alias: str = "smollm2-135m-instruct"
    slots: int = 2
    context: int = 8192
    threads: int | None = None
    tame: bool = False
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 3.0
    first_delay_s: float = 0.2
    longest_delay_s: float = 30.0


class _Ready(msgspec.Struct, frozen=True):
    ready: bool
    address: str


class LocalModel:
    """One local model. `base_url` and `api_key` hold from construction on, through every restart of the process.

    While the process is down, or not up yet, connections to `base_url` are refused and `ready` is not set. Whoever
    constructs one either awaits `run` or calls `close`.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self.ready = asyncio.Event()
        self.api_key = Secret(secrets.token_urlsafe(32))
        #: Why the process last ended or could not start; `None` while all is well. For operators.
        self.failure: str | None = None
        #: The process, while there is one.
        self.pid: int | None = None
        self._settings = settings
        self._log = logging.getLogger(__name__)
        self._reservation = _reserve_port()
        self._port: int = self._reservation.getsockname()[1]
        if sys.platform != "linux":
            self._reservation.close()  # elsewhere two sockets cannot share it even while neither listens

    @property
    def context(self) -> int:
        """Tokens that one request may take, its answer included."""
        return self._settings.context // self._settings.slots

    @property
    def base_url(self) -> str:
        """Ends in `/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def run(self) -> None:
        """Keep the model running until cancelled; then stop it before returning. Never returns otherwise.

        A model that cannot start does not end this: it is tried again, ever less often, and `failure` says why.
        """
        delay_s = self._settings.first_delay_s
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                self.failure = await self._one_life()
                if clock() - began >= self._settings.longest_delay_s:
                    delay_s = self._settings.first_delay_s
                self._log.warning("local model: %s; starting it again in %.1f s", self.failure, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._settings.longest_delay_s)
        finally:
            self.close()

    def close(self) -> None:
        """Give the port back. `run` does this itself."""
        self._reservation.close()

    async def _one_life(self) -> str:
        """Start the process, see it to its end, say why it ended."""
        try:
            process = await self._start()
        except OSError as error:
            return f"the process cannot be started: {error}"
        self.pid = process.pid
        last_words: deque[str] = deque(maxlen=3)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(process, last_words))
            try:
                await self._attend(process)
            finally:
                self.ready.clear()
                await self._stop(process)
                self.pid = None
        return " | ".join([f"the process ended with status {process.returncode}", *last_words])

    async def _start(self) -> asyncio.subprocess.Process:
        settings = self._settings
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "antiphon.local.child"),
            *("--model", str(settings.model), "--alias", settings.alias, "--port", str(self._port)),
            *("--slots", str(settings.slots), "--context", str(settings.context)),
            *("--threads", str(settings.threads or _spare_cores())),
            *(["--tame"] if settings.tame else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_harmless_environment(),
        )

    async def _attend(self, process: asyncio.subprocess.Process) -> None:
        """Hand over the key, wait for the announcement, then for the end. Returns early if it does not come up."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the child was started without pipes")
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                process.stdin.write(self.api_key.value.encode() + b"\n")
                await process.stdin.drain()
                said = await process.stdout.readline()
                if not said:
                    # Let it end by itself: signalling a process that is just being reaped loses its exit status.
                    await process.wait()
                    return
            announced = msgspec.json.decode(said, type=_Ready)
        except (TimeoutError, ConnectionError, msgspec.DecodeError):
            return
        self.failure = None
        self._log.info("local model: listening on %s, process %d", announced.address, process.pid)
        self.ready.set()
        await process.wait()

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """No process is left behind, not even when this is cancelled in the middle."""
        try:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(self._settings.stop_timeout_s):
                await process.wait()
        except (TimeoutError, ProcessLookupError):
            self._log.warning("local model: process %d did not end on SIGTERM", process.pid)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            if process.stdin is not None:
                process.stdin.close()

    async def _listen(self, process: asyncio.subprocess.Process, last_words: deque[str]) -> None:
        """Pass on what the process writes to stderr. A line beyond 64 KiB is cut in pieces."""
        if process.stderr is None:
            return
        pending = b""
        while chunk := await process.stderr.read(_LINE_BYTES):
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > _LINE_BYTES:
                lines, pending = [*lines, pending], b""
            for line in lines:
                text = line.decode(errors="replace").strip()
                last_words.append(text)
                self._log.debug("local model: %s", text)


def _reserve_port() -> socket.socket:
    """A socket that is bound and never listens, so that one port stays ours while processes come and go.

    The child binds the same port: Linux lets two sockets with SO_REUSEADDR share one as long as only one listens.
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation


def _spare_cores() -> int:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(4, usable - 1))


def _harmless_environment() -> dict[str, str]:
    """Ours without its secrets: the child parses what strangers write, and needs none of them."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANTIPHON_") and not any(word in name.upper() for word in _SECRET_WORDS)
    }
