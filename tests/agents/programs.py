"""Client programs: where they are, and how they are run so that nothing but the gateway can be reached."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.agents.stage import Stage
from tests.helpers.node import NodePackage

__all__ = ["COMMAND_LINE", "ROOT", "VERCEL", "Ended", "agents_python", "run_walled"]

ROOT = Path(__file__).parents[2]
VERCEL = NodePackage(Path(__file__).parent / "clients" / "vercel", ROOT / ".build" / "agents" / "vercel")
COMMAND_LINE = NodePackage(
    Path(__file__).parent / "clients" / "command_line", ROOT / ".build" / "agents" / "command-line"
)

#: An agent's whole task takes a second or two; on a loaded machine it may take longer.
_TIMEOUT_S = 90


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    code: int
    out: str
    err: str


def agents_python() -> str:
    """Python with the frameworks that have an environment of their own. `make agents` and `make test-long` make it."""
    python = ROOT / ".build" / "agents" / "python" / "bin" / "python"
    assert python.exists(), "`make agents` installs these clients"
    return str(python)


async def run_walled(
    command: Sequence[str], stage: Stage, *, folder: Path, home: Path, environ: Mapping[str, str]
) -> Ended:
    """Run a program to its end, in a home of its own and with none of the settings of whoever runs the tests.

    Raises `TimeoutError`. What it wants from other hosts is refused, and noted by the stage.
    """
    walls = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), stage.proxy)
    open_to = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**clean, "HOME": str(home), "NODE_USE_ENV_PROXY": "1", **walls, **open_to, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return Ended(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
