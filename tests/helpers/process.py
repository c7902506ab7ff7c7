"""The gateway as a process of its own, started as an operator starts it: to be killed, measured, or run twice.

config = write_config(tmp_path, up.url)
async with gateway_process(config) as gateway:
    ... talk to gateway.url ...
    await gateway.kill()
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import yaml

from antiphon.config.load import load

__all__ = [
    "Ended",
    "GatewayProcess",
    "children_of",
    "command",
    "database_url",
    "gateway_process",
    "refused",
    "write_config",
]

#: Generous: the machine may be busy with other tests.
_START_S = 60.0
_STOP_S = 60.0
_ASK_AGAIN_S = 0.01
_BYTECODE = Path(__file__).parents[2] / ".build" / "cache" / "bytecode"
_TO_TAKE_OVER = re.compile(r"process (\d+) is to take over")
_TAKEN_OVER = re.compile(r"process (\d+) has taken over")
_LISTENS = re.compile(r"listens on (http://[^\s]+)")


class Ended(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def write_config(directory: Path, upstream: str | None = None, **sections: Any) -> Path:
    """Settings without the local model, with all data below `directory`, and one provider `test` at `upstream`."""
    document: dict[str, Any] = {"local": False, "data_dir": str(directory / "data"), "server": {"access_log": False}}
    if upstream is not None:
        document["providers"] = {"test": {"base_url": upstream, "protocol": "chat", "api_key": "sk-upstream"}}
    file = directory / "antiphon.yaml"
    file.write_text(yaml.safe_dump({**document, **sections}))
    return file


def database_url(config: Path) -> str:
    """Where the gateway with these settings keeps its state."""
    settings = load(config, {})
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.database_url


async def command(*arguments: str, config: Path) -> Ended:
    """`antiphon ARGUMENTS --config FILE`, to its end."""
    process = await _spawn(*arguments, config=config)
    out, err = await asyncio.wait_for(process.communicate(), _START_S)
    return Ended(process.returncode or 0, out.decode(), err.decode())


class GatewayProcess:
    """One life of the gateway. `url` holds once it listens; `said` is what it wrote to its standard error."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.url = ""
        self.said: list[str] = []
        self._listening = asyncio.Event()
        self._news = asyncio.Event()
        self._successors: list[int] = []
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(cls, config: Path, *, port: int = 0) -> Self:
        """Start the process, without waiting for anything."""
        return cls(await _spawn("serve", "--host", "127.0.0.1", "--port", str(port), config=config))

    async def listening(self) -> None:
        """Wait until it listens, which is also when it says so."""
        await asyncio.wait_for(self._listening.wait(), _START_S)
        assert self.url, f"the gateway ended before it listened: {self.said}"

    async def ready(self) -> None:
        """Wait until it would be given requests: `/readyz` answers 200."""
        await self.listening()
        async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
            while not await self._says_ready(session):  # noqa: ASYNC110 - another process, as to any orchestrator
                await asyncio.sleep(_ASK_AGAIN_S)

    async def take_over(self) -> None:
        """Let a new process take the place of this one, and wait until it has."""
        before = len(self.said)
        os.kill(self.pid, signal.SIGUSR2)
        line = await self.says("has taken over", since=before)
        found = _TAKEN_OVER.search(line)
        assert found
        self.pid = int(found[1])

    async def kill(self) -> None:
        """`kill -9`, and wait until the process is gone, with all that came after it."""
        for pid in self._successors:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def stop(self) -> int:
        """SIGTERM, and wait for the exit code (of the first process, where others have taken its place)."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for the exit code, and for the end of all that came after."""
        code = await asyncio.wait_for(self._process.wait(), _STOP_S)
        await asyncio.wait_for(self._reading, _STOP_S)
        return code

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def signal(self, sent: signal.Signals) -> None:
        os.kill(self.pid, sent)

    async def says(self, text: str, *, since: int = 0) -> str:
        """Wait for a line with this text, behind the first `since` lines; the line."""
        async with asyncio.timeout(_START_S):
            while True:
                for line in self.said[since:]:
                    if text in line:
                        return line
                self._news.clear()
                await self._news.wait()

    def memory_kib(self) -> Mapping[str, int]:
        """The process' memory by the kernel's names: `VmRSS`, `RssAnon`, `RssFile`, …"""
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        fields = (line.split() for line in lines)
        return {words[0].rstrip(":"): int(words[1]) for words in fields if words[-1] == "kB"}

    async def _says_ready(self, session: aiohttp.ClientSession) -> bool:
        async with session.get(self.url + "/readyz") as answer:
            return answer.status == 200

    async def _read(self) -> None:
        """Keep what it says; a process that is not read would stop at a full pipe."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.said.append(line.decode(errors="replace").rstrip("\n"))
            self._news.set()
            if found := _TO_TAKE_OVER.search(self.said[-1]):
                self._successors.append(int(found[1]))
            if not self.url and (found := _LISTENS.search(self.said[-1])):
                self.url = found.group(1)
                self._listening.set()
        self._listening.set()


@asynccontextmanager
async def gateway_process(config: Path, *, port: int = 0) -> AsyncIterator[GatewayProcess]:
    """A gateway that is ready; killed at the end if it still runs."""
    gateway = await GatewayProcess.start(config, port=port)
    try:
        await gateway.ready()
        yield gateway
    finally:
        await gateway.kill()


async def refused(url: str) -> None:
    """Wait until the gateway takes no new connection."""
    host, port = url.removeprefix("http://").split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it stopped listening before it took this one
            return
        writer.close()


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended while we looked
                # The name, in parentheses, may hold spaces; the parent is the second word behind it.
                words = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(words[1]) == pid and words[0] != "Z":
                    found.append(int(entry.name))
    return found


async def _spawn(*arguments: str, config: Path) -> asyncio.subprocess.Process:
    # Its own directory: no `.env` and no settings of whoever runs the tests. With bytecode, as on an operator's machine,
    # where the first start has written it: without it a start takes three times as long.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANTIPHON_", "PYTHONDONTWRITE"))}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", *arguments, "--config", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if arguments[0] != "serve" else asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=config.parent,
        env={**clean, "PYTHONPYCACHEPREFIX": str(_BYTECODE)},
    )
