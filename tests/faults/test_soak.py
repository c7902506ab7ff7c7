"""The gateway under mixed traffic: its memory stays under a ceiling, and comes to rest.

A quarter of a minute in every run of the tests, half an hour in the long tier; `ANTIPHON_SOAK_S` sets another time for that.
"""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.soak import Crowd, provider
from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.upstream import ScriptedUpstream

SHORT_S = 12.0
LONG_S = float(os.environ.get("ANTIPHON_SOAK_S", "1800"))
CLIENTS = 24
#: Of everything: code, caches, connections, what the allocator keeps.
CEILING_KIB = 200 * 1024
#: What the fitted line may rise by over the time that counts. A leak of 100 bytes a request is more in half an hour.
GROWTH_KIB = 12 * 1024
#: Caches fill and the allocator comes to know its sizes in this share of the time.
WARM = 0.3


class Soaked(NamedTuple):
    """What was seen: seconds since the start with KiB of anonymous memory, open files at the end, answers by status."""

    samples: list[tuple[float, float]]
    files: int
    statuses: Counter[int]


def test_p6_memory_stays_under_its_ceiling_under_mixed_traffic(tmp_path: Path) -> None:
    assert_held(asyncio.run(soak(tmp_path, seconds=SHORT_S)))


@pytest.mark.long
@pytest.mark.timeout(LONG_S + 300)
def test_p6_memory_comes_to_rest_under_mixed_traffic(tmp_path: Path) -> None:
    seen = asyncio.run(soak(tmp_path, seconds=LONG_S))
    assert_held(seen)
    counted = [one for one in seen.samples if one[0] >= LONG_S * WARM]
    rise = slope(counted)
    lasted_s = counted[-1][0] - counted[0][0]
    print(
        f"{sum(seen.statuses.values())} requests, {dict(seen.statuses)}; memory at most "
        f"{max(kib for _, kib in seen.samples) / 1024:.0f} MiB, {rise * 3600 / 1024:+.1f} MiB/h over {lasted_s:.0f} s"
    )
    tenth = max(1, len(seen.samples) // 10)
    print("MiB:", *(round(kib / 1024, 1) for _, kib in seen.samples[::tenth]))
    assert rise * lasted_s < GROWTH_KIB


def assert_held(seen: Soaked) -> None:
    """What holds after any time."""
    assert max(kib for _, kib in seen.samples) < CEILING_KIB
    assert seen.files < 64 + 3 * CLIENTS
    assert seen.statuses[200] > 0.7 * sum(seen.statuses.values())
    assert not {500, 503} & {*seen.statuses}


def slope(samples: list[tuple[float, float]]) -> float:
    """Of the line of least squares."""
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    return sum((t - mean_t) * (y - mean_y) for t, y in samples) / sum((t - mean_t) ** 2 for t, _ in samples)


async def soak(directory: Path, *, seconds: float) -> Soaked:
    """Its gateway bears all that comes: who shares a machine with other tests may be late, and this is not about that."""
    async with ScriptedUpstream(provider(1)) as upstream:
        config = write_config(directory, upstream.url, fetch={"enabled": False}, limits={"late_s": 30})
        key = add_key(database_url(config))
        async with gateway_process(config) as gateway:
            crowd = Crowd(gateway.url, key, seed=2)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(crowd.run(CLIENTS))
                samples = await sampled(gateway, upstream, seconds=seconds)
                files = len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))
                crowd.stop()
                await running
            assert await gateway.stop() == 0
    return Soaked(samples, files, crowd.statuses)


async def sampled(gateway: GatewayProcess, upstream: ScriptedUpstream, *, seconds: float) -> list[tuple[float, float]]:
    """Two samples a second."""
    began = time.monotonic()
    samples = []
    while (now := time.monotonic() - began) < seconds:
        samples.append((now, float(gateway.memory_kib()["RssAnon"])))
        upstream.requests.clear()  # it is not its memory that is looked at, but it lives with us
        upstream.connections[:] = [each for each in upstream.connections if not each.closed.is_set()]
        await asyncio.sleep(0.5)  # time is what this test is about
    return samples
