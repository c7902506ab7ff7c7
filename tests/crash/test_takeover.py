"""New releases take the place of old ones while clients connect all the time: nobody is refused, and nobody cut off."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.crash.talk import Ask, Pace, call
from tests.helpers.crew import workers_of
from tests.helpers.gateway import add_key
from tests.helpers.local_model import process_end
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, sse, text_chunks

WIRE = sse(*text_chunks("Hel", "lo."))
EVENTS = {"content-type": "text/event-stream"}
_ASK_EVERY_S = 0.005
_TIMEOUT = aiohttp.ClientTimeout(total=90)


class Load:
    """Clients that ask one thing after the other. Whatever goes wrong with one of them ends it as a failed test."""

    def __init__(self, gateway: GatewayProcess, key: str, *, longest: int) -> None:
        self._url = gateway.url
        self._key = key
        self._longest = longest
        self._rng = random.Random(7)
        self._over = False
        self.done: Counter[str] = Counter()

    @asynccontextmanager
    async def going_on(self, *, clients: int) -> AsyncIterator[None]:
        """Half of the clients keep their connections, half make new ones, and all of them stream; some more only ask."""
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._stream(f"c{number}", keeps=number % 2 == 0))
            for keeps in (True, False):
                group.create_task(self._ask(keeps=keeps))
            yield
            self._over = True

    async def _stream(self, name: str, *, keeps: bool) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        async with self._session(keeps=keeps) as session:
            while not self._over:
                ask = Ask(f"{name}-{self.done[name]}", self._rng.randint(2, self._longest))
                async with session.post(f"{self._url}/v1/responses", json=ask.body, headers=headers) as answer:
                    heard = await answer.read()
                    assert answer.status == 200, heard
                checked = check_stream(heard)
                assert (checked.response["status"], checked.text) == ("completed", ask.answer)
                self.done[name] += 1

    async def _ask(self, *, keeps: bool) -> None:
        async with self._session(keeps=keeps) as session:
            while not self._over:
                status, body = await call(session, "GET", f"{self._url}/v1/models", key=self._key)
                assert status == 200, body
                self.done["asked"] += 1
                await asyncio.sleep(_ASK_EVERY_S)

    def _session(self, *, keeps: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=not keeps), timeout=_TIMEOUT)


async def roll(
    directory: Path, *, times: int, pace_s: float, longest: int, clients: int = 8, **server: Any
) -> Counter[str]:
    """So many releases under load, with streams of up to `pace_s * longest` seconds."""
    async with ScriptedUpstream(Pace(lambda: None, pace_s=pace_s)) as up:
        config = write_config(directory, up.url, server={"access_log": False, **server})
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway:
            load = Load(gateway, key, longest=longest)
            async with load.going_on(clients=clients):
                for _ in range(times):
                    await gateway.take_over()
            assert await gateway.stop() == 0
            assert not [line for line in gateway.said if "Traceback" in line or '"level":"error"' in line]
            return load.done


@pytest.mark.parametrize("workers", [1, 2])
def test_new_releases_under_load_refuse_no_connection_and_cut_no_stream(tmp_path: Path, workers: int) -> None:
    done = asyncio.run(roll(tmp_path, times=2, pace_s=0.02, longest=60, workers=workers))
    assert min(done.values()) >= 2


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", [1, 2])
def test_thirty_new_releases_under_load_of_long_streams(tmp_path: Path, workers: int) -> None:
    done = asyncio.run(roll(tmp_path, times=30, pace_s=0.1, longest=200, clients=32, workers=workers))
    print(f"thirty releases, {workers} workers: {sum(done.values())} answers, {done['asked']} of them short")


def test_stream_that_outlasts_the_patience_ends_as_shutting_down(tmp_path: Path) -> None:
    async def main(up: ScriptedUpstream) -> None:
        config = write_config(tmp_path, up.url, server={"drain_s": 0.2})
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
            body = {"model": "test/m", "input": "Hi", "stream": True}
            headers = {"authorization": f"Bearer {key}"}
            async with session.post(f"{gateway.url}/v1/responses", json=body, headers=headers) as answer:
                seen = await answer.content.readuntil(b'"delta":"Hel"')
                await gateway.take_over()
                checked = check_stream(seen + await answer.read(), usage_optional=True)
            assert checked.response["error"]["reason"] == "shutting_down"
            # By then the next one has long been serving; it also has what was stored.
            status, _ = await call(session, "GET", f"{gateway.url}/v1/responses/{checked.response['id']}", key=key)
            assert status == 200
            assert await gateway.stop() == 0

    async def with_upstream() -> None:
        async with ScriptedUpstream(Reply([*WIRE[:2], "stall"], headers=EVENTS, framing="chunked")) as up:
            await main(up)

    asyncio.run(with_upstream())


@pytest.mark.parametrize("workers", [1, 2])
def test_new_process_that_cannot_start_changes_nothing(tmp_path: Path, workers: int) -> None:
    gate = Gate()

    async def main(up: ScriptedUpstream) -> None:
        config = write_config(tmp_path, up.url, server={"workers": workers})
        good = config.read_text()
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
            headers = {"authorization": f"Bearer {key}"}
            body = {"model": "test/m", "input": "Hi", "stream": True}
            async with session.post(f"{gateway.url}/v1/responses", json=body, headers=headers) as answer:
                seen = await answer.content.readuntil(b'"delta":"Hel"')
                config.write_text("modles: {}\n")
                gateway.signal(signal.SIGUSR2)
                assert "ended with status 2" in await gateway.says("could not take over")
                gate.open()
                assert check_stream(seen + await answer.read()).text == "Hello."
            status, _ = await call(session, "GET", f"{gateway.url}/v1/models", key=key)
            assert status == 200
            config.write_text(good)
            await gateway.take_over()
            status, _ = await call(session, "GET", f"{gateway.url}/v1/models", key=key)
            assert status == 200
            assert await gateway.stop() == 0

    async def with_upstream() -> None:
        reply = Reply([*WIRE[:2], gate, *WIRE[2:]], headers=EVENTS, framing="chunked")
        async with ScriptedUpstream(reply) as up:
            await main(up)

    asyncio.run(with_upstream())


def test_what_needs_a_restart_is_there_after_a_takeover(tmp_path: Path) -> None:
    async def main() -> None:
        config = write_config(tmp_path, "http://127.0.0.1:9/v1")
        async with gateway_process(config) as gateway:
            document = yaml.safe_load(config.read_text())
            config.write_text(yaml.safe_dump({**document, "server": {"workers": 2}}))
            first = gateway.pid
            await gateway.take_over()
            await process_end(first)
            assert len(workers_of(gateway)) == 2
            await gateway.ready()
            assert await gateway.stop() == 0

    asyncio.run(main())


def test_systemd_is_told_who_serves_and_its_socket_is_used(tmp_path: Path) -> None:
    async def main(notified: socket.socket, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        config = write_config(tmp_path, "http://127.0.0.1:9/v1", server={"port": 1})
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _AS_SYSTEMD, str(listening.fileno()), "serve", "--config", str(config)),
            pass_fds=[listening.fileno()],
            cwd=tmp_path,
            env={**os.environ, "NOTIFY_SOCKET": notified.getsockname()},
        )
        assert await loop.sock_recv(notified, 100) == b"READY=1"
        process.send_signal(signal.SIGUSR2)
        told = {await loop.sock_recv(notified, 100), await loop.sock_recv(notified, 100)}
        told.remove(b"READY=1")
        pid = int(told.pop().removeprefix(b"MAINPID="))
        assert await process.wait() == 0
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
            assert answer.status == 200
        os.kill(pid, signal.SIGTERM)
        await process_end(pid)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, socket.socket() as listening:
        notified.bind(str(tmp_path / "notify"))
        notified.setblocking(False)
        listening.bind(("127.0.0.1", 0))
        asyncio.run(asyncio.wait_for(main(notified, listening), 60))


#: Gives the socket the number that systemd gives it, and says so as systemd does.
_AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "antiphon", *sys.argv[2:]])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_while_a_new_process_starts_ends_both(tmp_path: Path, workers: int) -> None:
    async def main(up: ScriptedUpstream) -> None:
        # Patience enough for the new process to come up meanwhile, which it must not.
        config = write_config(tmp_path, up.url, server={"workers": workers, "drain_s": 5})
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
            headers = {"authorization": f"Bearer {key}"}
            body = {"model": "test/m", "input": "Hi", "stream": True}
            async with session.post(f"{gateway.url}/v1/responses", json=body, headers=headers) as answer:
                await answer.content.readuntil(b'"delta":"Hel"')
                gateway.signal(signal.SIGUSR2)
                line = await gateway.says("is to take over")
                gateway.signal(signal.SIGTERM)
                assert b"response.failed" in await answer.read()
            assert await gateway.wait() == 0  # which is when nobody has its standard error any more
            assert not Path(f"/proc/{line.partition('process ')[2].split()[0]}").exists()

    async def with_upstream() -> None:
        async with ScriptedUpstream(Reply([*WIRE[:2], "stall"], headers=EVENTS, framing="chunked")) as up:
            await main(up)

    asyncio.run(with_upstream())
