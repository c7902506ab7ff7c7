"""More than the gateway can bear, and as many streams as it should: `make bench ARGS=--overload` and `ARGS=--crowd`.

Overload: the peak with as many requests at once as make one (closed loop), then three times as many as that come
whether the server likes it or not (open loop), and the peak once more. Counted are whole answers within twice the
time that 99 of 100 take when there is nothing to do. The upstream takes 100 ms for an answer.

Crowd: 2,000 streams of two events a second each. Counted is how much later an event arrives than it does without
anything between, and the memory of a stream.
"""

import json
import subprocess  # noqa: TID251 - a benchmark starts processes of its own
import sys
import time
from pathlib import Path

import bodies
from machine import LOAD_CORE, cpu_us, on_core, resident_bytes, stop
from targets import HERE, Target

DELAY_US = 100_000
AT_ONCE = 512
TIMES = 3.0
#: After an overload, until nobody is refused any more.
CALM_S = 3.0
GAP_US = 500_000
RAMP_S = 4.0
#: From this share of its core on the driver is the limit, not the server.
DRIVER_LIMIT = 0.8


def overload(target: Target, work: Path, *, seconds: float) -> dict:
    """The share of the peak that is left, and everything it was made from.

    The rate is three times the peak before; the share is of the mean of the peaks before and after, because the speed
    of a machine that others use, too, changes within the minute that this takes.
    """
    knob = f"delay_us={DELAY_US}"
    closed = ["--at-once", str(AT_ONCE), "--seconds", "10"]
    _drive("load.py", target, work, knob=knob, options=closed)  # connections are made, caches filled
    peak = _drive("load.py", target, work, knob=knob, options=closed)
    rate = peak["per_s"]
    calm = _drive("open_load.py", target, work, knob=knob, options=["--rate", str(rate / 10), "--seconds", "5"])
    within_ms = 2 * calm["p99_ms"]
    before = cpu_us(target.process.pid)
    options = ["--rate", str(rate * TIMES), "--seconds", str(seconds), "--within", str(within_ms)]
    storm = _drive("open_load.py", target, work, knob=knob, options=options)
    server_share = (cpu_us(target.process.pid) - before) / 1e6 / seconds
    time.sleep(CALM_S)
    after = _drive("load.py", target, work, knob=knob, options=closed)
    if storm["driver_share"] > DRIVER_LIMIT:
        print("! overload: the driver is at its limit", file=sys.stderr)
    if server_share < DRIVER_LIMIT:
        print(f"! overload: the server had only {server_share:.0%} of its core", file=sys.stderr)
    share = storm["in_time_per_s"] / ((rate + after["per_s"]) / 2)
    return {"share": share, "within_ms": within_ms, "server_share": server_share, "peak": peak, "after": after,
            "calm": calm, "storm": storm}  # fmt: skip


def crowd(target: Target, direct: Target, work: Path, *, streams: int) -> dict:
    """How late events are, with and without the gateway, and the memory of a stream."""
    size = ["--streams", str(streams), "--ramp", str(RAMP_S)]
    without = _drive("stream_load.py", direct, work, knob=_PACED, stream=True, options=size)
    before, cpu = resident_bytes(target.process.pid), cpu_us(target.process.pid)
    began = time.monotonic()
    loading = _start("stream_load.py", target, work, knob=_PACED, stream=True, options=size)
    try:
        time.sleep(RAMP_S + 5.0)
        held = resident_bytes(target.process.pid)
        out, _ = loading.communicate(timeout=300)
    finally:
        stop(loading)
    seen = json.loads(out)
    share = (cpu_us(target.process.pid) - cpu) / 1e6 / (time.monotonic() - began)
    if seen["driver_share"] > DRIVER_LIMIT:
        print("! crowd: the driver is at its limit", file=sys.stderr)
    return {"added_p50_ms": seen["p50_ms"] - without["p50_ms"], "added_p99_ms": seen["p99_ms"] - without["p99_ms"],
            "stream_kb": (held - before) / 1e3 / streams, "server_share": share, "with": seen,
            "without": without}  # fmt: skip


_PACED = f"gap_us={GAP_US} stamp=1"


def _drive(script: str, target: Target, work: Path, *, knob: str, options: list[str], stream: bool = False) -> dict:
    """One run of a driver."""
    out, _ = _start(script, target, work, knob=knob, options=options, stream=stream).communicate(timeout=300)
    return json.loads(out)


def _start(script: str, target: Target, work: Path, *, knob: str, options: list[str], stream: bool) -> subprocess.Popen:
    body = work / "stress.json"
    body.write_bytes(bodies.encoded(target.dialect, knob, stream=stream))
    headers = [part for header in target.headers for part in ("--header", header)]
    command = [sys.executable, str(HERE / script), str(target.port), target.path, str(body), *headers, *options]
    with on_core(LOAD_CORE):
        return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
