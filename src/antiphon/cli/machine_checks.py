"""The doctor's checks of this machine: Python, packages, the data directory, the disk, the database, the clock."""

import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from antiphon.cli.check_config import shown_store
from antiphon.cli.findings import Finding, bad, fine, hint
from antiphon.config.settings import Settings
from antiphon.protocol.faults import StoreFault
from antiphon.store.base import StoreSettings
from antiphon.store.inspection import schema_version
from antiphon.store.migrate import HEAD

__all__ = [
    "check_clock",
    "check_data_dir",
    "check_database",
    "check_disk",
    "check_packages",
    "check_python",
    "requirements_of",
]

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[.*?\])?\s*(>=(?P<least>[0-9.]+))?[^;]*(;(?P<marker>.*))?")
_MIB = 1024 * 1024
#: Nothing ran before it was written.
_EARLIEST = 1_790_000_000
_MOST_DRIFT_S = 120.0


def check_python(version: tuple[int, int] = sys.version_info[:2], *, least: tuple[int, int] = (3, 11)) -> Finding:
    """The interpreter is new enough."""
    text = f"{platform.python_version()}, {sys.executable}"
    if version < least:
        wanted = ".".join(map(str, least))
        return bad("python", text, mend=f"Antiphon needs Python {wanted} or newer: install it into such a one.")
    return fine("python", text)


def requirements_of(package: str) -> Sequence[str] | None:
    """What the installed package declares that it needs; `None` for a source tree that was never installed."""
    try:
        return metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return None


def check_packages(requirements: Iterable[str] | None) -> Finding:
    """Everything needed is installed, and new enough. Extras and other platforms' needs do not count."""
    if requirements is None:
        return hint("packages", "not compared: Antiphon runs from a source tree")
    problems = [problem for requirement in requirements if (problem := _missing(requirement))]
    if problems:
        return bad("packages", "; ".join(problems), mend="pip install --upgrade antiphon")
    return fine("packages", "all there, all new enough")


def check_data_dir(path: Path) -> Finding:
    """It can be written to, and nobody else can look into it."""
    nearest = _existing(path)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        mend = "Make it writable for this user, or name another with `data_dir` or ANTIPHON_DATA_DIR."
        return bad("data", f"{path} cannot be written to: {error.strerror}", mend=mend)
    if nearest != path:
        return fine("data", f"{path} will be made at the first start")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and sys.platform != "win32":
        return bad("data", f"{path} is open to other users of this machine ({mode:03o})", mend=f"chmod 700 {path}")
    return fine("data", f"{path}, writable and private")


def check_disk(path: Path, *, least_bytes: int = 500 * _MIB) -> Finding:
    """There is room to go on for a while."""
    nearest = _existing(path)
    free = shutil.disk_usage(nearest).free
    text = f"{free // _MIB:,} MiB free at {nearest}"
    if free < least_bytes:
        mend = f"Free {(least_bytes - free) // _MIB + 1:,} MiB there, or keep less: `store.retention_days`."
        return bad("disk", text, mend=mend)
    return fine("disk", text)


def check_database(settings: Settings, *, patience_s: float = 2.0) -> Finding:
    """It answers, and its schema is one that this version can use."""
    where = shown_store(settings)
    try:
        version = schema_version(settings.database_url, StoreSettings(patience_s=patience_s))
    except ValueError as error:
        return bad("database", f"{where}: {error}", mend="Set `store.url`, or remove it to use SQLite.")
    except StoreFault as fault:
        return bad("database", f"{where}: {fault.detail}", mend=_database_mend(settings))
    if version is None:
        return fine("database", f"{where}, empty: the first start sets it up")
    if version > HEAD:
        text = f"{where} has schema {version}; this version of Antiphon knows up to {HEAD}"
        return bad("database", text, mend="Install the newer Antiphon that wrote it, or restore a backup.")
    if version < HEAD:
        return fine("database", f"{where}, schema {version}; the next start brings it to {HEAD}")
    return fine("database", f"{where}, schema {version}")


def check_clock(theirs: Sequence[float], *, ours: float | None = None) -> Finding:
    """The date is plausible, and near what providers (in UTC seconds) say it is."""
    ours = time.time() if ours is None else ours
    mend = "Set the clock (NTP): keys expire and certificates are judged by it."
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ours))
    if ours < _EARLIEST:
        return bad("clock", f"{text} is in the past", mend=mend)
    # The middle one, because a single provider may be wrong too.
    drift_s = sorted(ours - each for each in theirs)[len(theirs) // 2] if theirs else 0.0
    if abs(drift_s) > _MOST_DRIFT_S:
        how = "ahead of" if drift_s > 0 else "behind"
        return bad("clock", f"{text} is {abs(drift_s):.0f} s {how} what providers say", mend=mend)
    return fine("clock", text)


def _existing(path: Path) -> Path:
    """The path, or what there is of it."""
    path = path.absolute()
    return next((each for each in (path, *path.parents) if each.exists()), path)


def _missing(requirement: str) -> str | None:
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if found is None or _is_for_others(found["marker"] or ""):
        return None
    name, least = found["name"], found["least"] or "0"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    return f"{name} {version} is older than {least}" if _release(version) < _release(least) else None


def _is_for_others(marker: str) -> bool:
    return "extra" in marker or ("win32" in marker and sys.platform == "win32")


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    parts = [int(number) for number in numbers[0].split(".")] if numbers else []
    while parts and parts[-1] == 0:  # 14 and 14.0 are the same
        parts.pop()
    return tuple(parts)


def _database_mend(settings: Settings) -> str:
    if settings.database_url.startswith("sqlite"):
        return "Look at the file and its folder: they must be readable and writable, and a SQLite database."
    return "Start Postgres, or correct `store.url` (ANTIPHON_DATABASE_URL): host, database, user and password."
