"""How long a start takes, and what an idle gateway weighs. The bounds are generous; the figures are printed."""

import asyncio
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.helpers.process import GatewayProcess, gateway_process, write_config

_STARTS = 5
_READY_WITHIN_S = 3.0
_IDLE_MIB = 90.0


class Start(NamedTuple):
    """Attributes:
    wall_s: from the start of the process until `/readyz` says ok.
    held_up_s: how much of it its main thread spent waiting for a processor, because other tests had them.
    """

    wall_s: float
    held_up_s: float
    idle_mib: float


async def start_once(config: Path) -> Start:
    clock = asyncio.get_running_loop().time
    began = clock()
    gateway = await GatewayProcess.start(config)
    try:
        await gateway.ready()
        wall_s = clock() - began
        _, held_up_ns, _ = Path(f"/proc/{gateway.pid}/schedstat").read_text("ascii").split()
        return Start(wall_s, int(held_up_ns) / 1e9, gateway.memory_kib()["VmRSS"] / 1024)
    finally:
        assert await gateway.stop() == 0


def test_gateway_is_ready_soon_and_weighs_little(tmp_path: Path) -> None:
    async def main() -> list[Start]:
        config = write_config(tmp_path, "http://127.0.0.1:9/v1")
        async with gateway_process(config):
            pass  # the first start makes the database, the key and the bytecode
        return [await start_once(config) for _ in range(_STARTS)]

    starts = asyncio.run(main())

    ready_s = median(start.wall_s - start.held_up_s for start in starts)
    idle_mib = median(start.idle_mib for start in starts)
    wall_s = median(start.wall_s for start in starts)
    print(f"median of {_STARTS}: ready after {wall_s:.2f} s ({ready_s:.2f} s of its own), {idle_mib:.1f} MiB when idle")
    assert ready_s < _READY_WITHIN_S
    assert idle_mib < _IDLE_MIB
