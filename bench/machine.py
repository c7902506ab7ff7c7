"""Processes under measurement: start them on a core, read their CPU time and memory, end them."""

import contextlib
import os
import signal
import socket
import subprocess  # noqa: TID251 - a benchmark starts processes of its own
import time
from collections.abc import Iterator
from pathlib import Path

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

#: The measured server has a core to itself; whoever talks to it shares the other one.
SERVER_CORE = 0
LOAD_CORE = 1


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started inside are pinned; where that cannot be done they float, and the figures are rougher."""
    if not hasattr(os, "sched_setaffinity") or core not in os.sched_getaffinity(0):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(command: list[str], *, core: int, log: Path, env: dict[str, str] | None = None) -> subprocess.Popen:
    with log.open("ab") as out, on_core(core):
        return subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)


def wait_for_port(port: int, process: subprocess.Popen, *, seconds: float = 60.0) -> float:
    """Seconds until something listens."""
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < seconds:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic() - begun
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}: {process.args}")


def stop(process: subprocess.Popen) -> None:
    tree = family(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    for pid in tree:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def cpu_us(pid: int) -> float:
    """User and system time of the whole family."""
    return sum(max(_ticks_us(one), _scheduled_us(one)) for one in family(pid))


def _ticks_us(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US
    return 0.0


def _scheduled_us(pid: int) -> float:
    """As above in nanoseconds instead of ticks of 10 ms, but without threads that have ended."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            nanoseconds += int(thread.read_text().split()[0])
    return nanoseconds / 1000


def resident_bytes(pid: int) -> int:
    pages = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * PAGE_BYTES
