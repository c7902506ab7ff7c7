"""Many bad requests at once: none is answered with a 5xx, nobody else suffers, and the process stays as it was."""

import asyncio
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.faults.attacks import Attacks
from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.stream import check_response
from tests.helpers.upstream import ScriptedUpstream, text_brain

ATTACKS = 5000
AT_ONCE = 64
#: What the caches of a process may grow by while they fill.
GROWTH_KIB = 40 * 1024

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.mark.parametrize("seed", [20261122])
def test_five_thousand_bad_requests_are_refused_and_change_nothing(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with ScriptedUpstream(text_brain(lambda _: "Hello.")) as upstream:
            config = write_config(tmp_path, upstream.url, fetch={"enabled": False})
            key = add_key(database_url(config))
            async with gateway_process(config) as gateway:
                attacks = Attacks(seed, key)
                await swarm(gateway, attacks, count=ATTACKS // 5)
                before = gateway.memory_kib()["RssAnon"]
                statuses = await swarm(gateway, attacks, count=ATTACKS - ATTACKS // 5)
                assert not {status: count for status, count in statuses.items() if status >= 500}, gateway.said
                assert statuses[200] > ATTACKS // 50
                assert statuses[400] > ATTACKS // 5
                assert gateway.memory_kib()["RssAnon"] - before < GROWTH_KIB
                await still_well(gateway, key)
                assert not [line for line in gateway.said if '"level":"error"' in line]
                assert await gateway.stop() == 0

    asyncio.run(main())


async def swarm(gateway: GatewayProcess, attacks: Attacks, *, count: int) -> Counter[int]:
    """How often each status was answered, to so many attacks, many at a time; 0 where there was no answer."""
    statuses: Counter[int] = Counter()

    async def attacker() -> None:
        for _ in range(count // AT_ONCE):
            statuses.update(await attack(gateway.url, attacks.next()))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(attacker())
    return statuses


async def attack(url: str, data: bytes) -> list[int]:
    """Send it, and hang up once there is an answer, or when none seems to come: some attacks never end."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(0.2):
            received = await reader.read(65536)
            writer.transport.abort()
            return [int(status) for status in _STATUS.findall(received)]
    writer.transport.abort()
    return [0]


async def still_well(gateway: GatewayProcess, key: str) -> None:
    async with aiohttp.ClientSession(gateway.url, headers={"authorization": f"Bearer {key}"}) as session:
        async with session.get("/readyz") as ready:
            assert ready.status == 200
        async with session.post("/v1/responses", json={"model": "test/m", "input": "Hi"}) as got:
            made = check_response(await got.json())
        async with session.get(f"/v1/responses/{made['id']}") as got:
            assert await got.json() == made
