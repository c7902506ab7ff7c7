"""A gateway of several processes, for one who wants to know which of them serves what.

async with pinned(gateway, headers) as members:
    for member in members: ... member talks to one worker alone ...
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.helpers.process import GatewayProcess, children_of

__all__ = ["Member", "pinned", "until", "workers_of"]

_TIMEOUT = aiohttp.ClientTimeout(total=60)
_WAIT_S = 60.0
_ASK_AGAIN_S = 0.02


@dataclass(frozen=True)
class Member:
    """One worker, and a connection to it that is kept."""

    pid: int
    url: str
    session: aiohttp.ClientSession

    async def create(self, **body: Any) -> aiohttp.ClientResponse:
        return await self.session.post(self.url + "/v1/responses", json={"model": "test/m", "input": "Hi", **body})

    async def models(self) -> set[str]:
        async with self.session.get(self.url + "/v1/models") as answer:
            return {model["id"] for model in (await answer.json())["data"]}

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path) as answer:
            await answer.read()
            return answer.status

    async def metric(self, name: str) -> float:
        """The sum over all labels."""
        async with self.session.get(self.url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def workers_of(gateway: GatewayProcess) -> list[int]:
    """The processes that serve."""
    return [pid for pid in children_of(gateway.pid) if "antiphon.cli.worker" in _command_line(pid)]


@asynccontextmanager
async def pinned(gateway: GatewayProcess, headers: Mapping[str, str]) -> AsyncIterator[Sequence[Member]]:
    """A connection to each worker. While one is made the others stand still, so that it is certain who takes it."""
    pids = workers_of(gateway)
    members: list[Member] = []
    try:
        for pid in pids:
            connector = aiohttp.TCPConnector(limit=1)
            session = aiohttp.ClientSession(headers=headers, connector=connector, timeout=_TIMEOUT)
            members.append(Member(pid, gateway.url, session))
            with _standing_still(set(pids) - {pid}):
                assert await members[-1].status("/healthz") == 200
        yield members
    finally:
        for member in members:
            await member.session.close()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what other processes do, of which they tell nothing."""
    async with asyncio.timeout(_WAIT_S):
        while not await true():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_ASK_AGAIN_S)


@contextmanager
def _standing_still(pids: set[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
