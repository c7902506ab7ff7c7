"""What the gateway costs, beside the least that a gateway in Python can cost and beside a plain proxy.

The servers share one core, the load driver and the upstream the other; each scenario visits every server in turn,
and the whole tour is repeated, so that drift of the machine falls on all alike. Medians are printed. CPU time is the
steadiest figure; compare within one run only.

usage: python bench/run.py [--quick] [--rounds N] [--seconds S] [--only NAMES] [--guard RATIO]
       python bench/run.py [--overload [--seconds S]] [--crowd [--streams N]]

    --quick        one short tour, for a first impression (about 20 s)
    --overload     only the gateway: what is left of its peak when three times as much comes, for 30 s (a minute)
    --crowd        only the gateway: how late the events of 2,000 slow streams are, and their memory (a minute);
                   --streams N takes another number of them
    --guard RATIO  only the gateway and the floor; status 1 if the gateway takes more than RATIO times the
                   floor's CPU time for a request
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess  # noqa: TID251 - a benchmark starts processes of its own
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bodies
import report
import stress
from machine import LOAD_CORE, cpu_us, on_core, resident_bytes, start, stop, wait_for_port
from targets import HERE, UPSTREAM_PORT, Target, available, direct, launch

UPSTREAM_EVENTS = 67
HELD_STREAMS = 256
#: From this share of its core on the driver is the limit, not the server.
DRIVER_LIMIT = 0.9


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    at_once: int
    stream: bool = False
    knob: str = ""
    agent: bool = False
    store: bool = False


SCENARIOS = (
    Scenario("plain 1", 1),
    Scenario("plain 16", 16),
    Scenario("plain 64", 64),
    Scenario("agent 16", 16, agent=True),
    Scenario("stored 64", 64, store=True),
    Scenario("stored agent 16", 16, agent=True, store=True),
    Scenario("paced 32", 32, stream=True, knob="gap_us=10000"),
    Scenario("crowd 256", 256, stream=True, knob="gap_us=20000"),
    Scenario("flood 16", 16, stream=True),
    Scenario("stored paced 32", 32, stream=True, knob="gap_us=10000", store=True),
)
QUICK = ("plain 1", "plain 64", "agent 16", "stored 64", "paced 32", "flood 16")
GUARDED = ("plain 16", "flood 16")


@dataclass(frozen=True)
class Bench:
    """How long each look takes, and where its files are."""

    work: Path
    seconds: float

    def tour(self, targets: list[Target], scenarios: list[Scenario]) -> Iterator[tuple[str, str, dict]]:
        """Every scenario at every target that can serve it."""
        for scenario in scenarios:
            for target in targets:
                if scenario.store and not target.stores:
                    continue
                seen = self.measure(target, scenario)
                if seen["driver_share"] > DRIVER_LIMIT:
                    print(f"! {target.name}, {scenario.name}: the driver is at its limit", file=sys.stderr)
                if seen["failed"] or seen["unfinished"] or not seen["requests"]:
                    print(f"! {target.name}, {scenario.name}: {seen['failed']} failed, "
                          f"{seen['unfinished']} unfinished: {seen['error']}", file=sys.stderr)  # fmt: skip
                yield target.name, scenario.name, seen

    def measure(self, target: Target, scenario: Scenario) -> dict:
        """What the driver saw, and the server's CPU time for it."""
        if not scenario.stream:
            self.load(target, scenario, min(0.5, self.seconds))
        before = cpu_us(target.process.pid) if target.process else 0.0
        seen = self.load(target, scenario, self.seconds)
        if target.process:
            used = cpu_us(target.process.pid) - before
            seen["cpu_us"] = used / max(seen["requests"], 1)
            seen["cpu_event_us"] = seen["cpu_us"] / UPSTREAM_EVENTS
            seen["server_share"] = used / 1e6 / seen["seconds"]
        return seen

    def load(self, target: Target, scenario: Scenario, seconds: float) -> dict:
        """One run of the driver."""
        with on_core(LOAD_CORE):
            done = subprocess.run(
                self.command(target, scenario, seconds), capture_output=True, text=True, check=True, timeout=120
            )
        return json.loads(done.stdout)

    def hold_streams(self, target: Target) -> dict:
        """Memory of one open stream: many are opened, and dropped again after a look."""
        scenario = Scenario("held", HELD_STREAMS, stream=True, knob="gap_us=1000000")
        before = resident_bytes(target.process.pid)
        with on_core(LOAD_CORE):
            loading = subprocess.Popen(self.command(target, scenario, 30.0), start_new_session=True)
        time.sleep(3.0)
        held = resident_bytes(target.process.pid)
        stop(loading)
        time.sleep(1.0)
        return {"idle_mb": before / 1e6, "stream_kb": (held - before) / 1e3 / HELD_STREAMS, "ready_s": target.ready_s}

    def command(self, target: Target, scenario: Scenario, seconds: float) -> list[str]:
        """The driver's command line."""
        body = self.work / "body.json"
        body.write_bytes(
            bodies.encoded(
                target.dialect, scenario.knob, stream=scenario.stream, agent=scenario.agent, store=scenario.store
            )
        )
        headers = [part for header in target.headers for part in ("--header", header)]
        return [sys.executable, str(HERE / "load.py"), str(target.port), target.path, str(body), "--at-once",
                str(scenario.at_once), "--seconds", str(seconds), "--text", target.text_mark, *headers]  # fmt: skip


def medians(rounds: list[dict]) -> dict:
    keys = {key for seen in rounds for key, value in seen.items() if isinstance(value, int | float)}
    return {key: statistics.median(seen[key] for seen in rounds if key in seen) for key in sorted(keys)}


@contextlib.contextmanager
def running(names: list[str], work: Path) -> Iterator[list[Target]]:
    """The upstream and the named targets, all up."""
    upstream = start(
        [sys.executable, str(HERE / "upstream.py"), str(UPSTREAM_PORT)], core=LOAD_CORE, log=work / "upstream.log"
    )
    targets = [direct()]
    try:
        wait_for_port(UPSTREAM_PORT, upstream)
        for name in names:
            try:
                targets.append(launch(name, work))
            except RuntimeError as error:
                print(f"! {name} does not start: {error}", file=sys.stderr)
        yield targets
    finally:
        for target in targets:
            if target.process:
                stop(target.process)
        stop(upstream)


def run(args: argparse.Namespace, work: Path) -> dict:
    wanted = args.only.split(",") if args.only else (["floor", "antiphon"] if args.guard else available())
    names = GUARDED if args.guard else QUICK if args.quick else tuple(each.name for each in SCENARIOS)
    scenarios = [each for each in SCENARIOS if each.name in names]
    seen: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    memory: dict[str, dict] = {}
    bench = Bench(work, args.seconds)
    with running(wanted, work) as targets:
        if not (args.quick or args.guard):
            memory = {target.name: bench.hold_streams(target) for target in targets if target.process}
        for number in range(args.rounds):
            for target, scenario, result in bench.tour(targets, scenarios):
                seen[target][scenario].append(result)
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)
    return {
        "memory": memory,
        "median": {target: {name: medians(rounds) for name, rounds in each.items()} for target, each in seen.items()},
        "rounds": seen,
    }


def run_stress(args: argparse.Namespace, work: Path) -> dict:
    """The gateway alone, under too much and under many."""
    results = {}
    with running(["antiphon"], work) as targets:
        if len(targets) < 2:
            sys.exit(1)
        direct, gateway = targets
        if args.overload:
            results["overload"] = stress.overload(gateway, work, seconds=args.seconds or 30.0)
        if args.crowd:
            results["crowd"] = stress.crowd(gateway, direct, work, streams=args.streams)
    return results


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--guard", type=float, metavar="RATIO")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--streams", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", help="of nginx,floor,antiphon")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    if args.overload or args.crowd:
        return args
    args.seconds = args.seconds or (0.6 if args.quick else 1.0 if args.guard else 2.0)
    return args


def main() -> None:
    args = arguments()
    if len(os.sched_getaffinity(0)) < 2:
        print("! only one core: the server shares it with the load, so only CPU times mean something", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="antiphon-bench-") as work:
        if args.overload or args.crowd:
            print(report.save_stress(run_stress(args, Path(work)), HERE / "results"))
            return
        results = run(args, Path(work))
    if args.guard:
        sys.exit(report.guard(results["median"], args.guard))
    print(report.save(results, HERE / "results"))


if __name__ == "__main__":
    main()
