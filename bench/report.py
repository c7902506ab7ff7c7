"""Figures to a Markdown table and a JSON file."""

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

#: What a row shows, from the medians of one target and those of the upstream itself.
Row = tuple[str, Callable[[dict, dict], float | None], str]


def _of(scenario: str, key: str, scale: float = 1.0) -> Callable[[dict, dict], float | None]:
    def read(seen: dict, _direct: dict) -> float | None:
        value = seen.get(scenario, {}).get(key)
        return None if value is None else value * scale

    return read


def _beyond(scenario: str, key: str) -> Callable[[dict, dict], float | None]:
    """How much more than without anything between, in ms."""

    def read(seen: dict, direct: dict) -> float | None:
        if seen is direct or scenario not in seen or scenario not in direct:
            return None
        return (seen[scenario][key] - direct[scenario][key]) / 1000

    return read


ROWS: list[Row] = [
    ("CPU µs / request, 1 at once", _of("plain 1", "cpu_us"), ".0f"),
    ("CPU µs / request, 16 at once", _of("plain 16", "cpu_us"), ".0f"),
    ("CPU µs / request, 64 at once", _of("plain 64", "cpu_us"), ".0f"),
    ("CPU µs / request, 64 at once, stored", _of("stored 64", "cpu_us"), ".0f"),
    ("CPU µs / request of 40 KB, 16 at once", _of("agent 16", "cpu_us"), ".0f"),
    ("CPU µs / request of 40 KB, 16 at once, stored", _of("stored agent 16", "cpu_us"), ".0f"),
    ("CPU µs / event, 32 paced streams", _of("paced 32", "cpu_event_us"), ".1f"),
    ("CPU µs / event, 32 paced streams, stored", _of("stored paced 32", "cpu_event_us"), ".1f"),
    ("CPU µs / event, 256 streams", _of("crowd 256", "cpu_event_us"), ".1f"),
    ("CPU µs / event, 16 streams as fast as they go", _of("flood 16", "cpu_event_us"), ".1f"),
    ("requests/s on one core, 64 at once", _of("plain 64", "per_s"), ".0f"),
    ("requests/s on one core, 64 at once, stored", _of("stored 64", "per_s"), ".0f"),
    ("latency p50, 1 at once, ms", _of("plain 1", "p50_us", 0.001), ".2f"),
    ("added latency p50, 1 at once, ms", _beyond("plain 1", "p50_us"), ".2f"),
    ("latency p99, 64 at once, ms", _of("plain 64", "p99_us", 0.001), ".2f"),
    ("first text later by, p50, 32 paced streams, ms", _beyond("paced 32", "first_text_p50_us"), ".2f"),
    ("first text later by, p99, 32 paced streams, ms", _beyond("paced 32", "first_text_p99_us"), ".2f"),
    ("first text later by, p50, 256 streams, ms", _beyond("crowd 256", "first_text_p50_us"), ".2f"),
]
MEMORY = [
    ("memory idle, MB", "idle_mb", ".0f"),
    ("memory of an open stream, KB", "stream_kb", ".0f"),
    ("ready after, s", "ready_s", ".2f"),
]


def table(results: dict) -> str:
    median, memory = results["median"], results["memory"]
    names = list(median)
    lines = [f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for title, read, form in ROWS:
        values = [read(median[name], median["direct"]) for name in names]
        if any(value is not None for value in values):
            lines.append(_line(title, values, form))
    for title, key, form in MEMORY:
        if memory:
            lines.append(_line(title, [memory.get(name, {}).get(key) for name in names], form))
    return "\n".join(lines)


def _line(title: str, values: list[float | None], form: str) -> str:
    cells = ["" if value is None else format(value, form) for value in values]
    return f"| {title} | {' | '.join(cells)} |"


def save(results: dict, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    name = time.strftime("%Y%m%d-%H%M%S")
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    text = f"{machine}\n\n{table(results)}\n"
    (folder / f"{name}.md").write_text(text)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1))
    return text


def save_stress(results: dict, folder: Path) -> str:
    """In words, and all of it as JSON."""
    folder.mkdir(exist_ok=True)
    (folder / f"{time.strftime('%Y%m%d-%H%M%S')}-stress.json").write_text(json.dumps(results, indent=1))
    lines = []
    if "overload" in results:
        lines += _overload(results["overload"])
    if "crowd" in results:
        lines += _crowd(results["crowd"])
    return "\n".join(lines)


def _overload(seen: dict) -> list[str]:
    peak, after, storm = seen["peak"]["per_s"], seen["after"]["per_s"], seen["storm"]
    return [
        f"overload: peak {peak:.0f}/s before and {after:.0f}/s after, sent {storm['sent_per_s']:.0f}/s",
        f"  answered in {seen['within_ms']:.0f} ms: {storm['in_time_per_s']:.0f}/s, {seen['share']:.0%} of their mean",
        f"  by the second: {' '.join(map(str, storm['in_time_by_second']))}",
        f"  all answers {storm['good_per_s']:.0f}/s, p50 {storm['p50_ms']:.0f} ms, p99 {storm['p99_ms']:.0f} ms",
        f"  refusals after p50 {storm['refused_p50_ms']:.1f} ms, p99 {storm['refused_p99_ms']:.0f} ms",
        f"  statuses {storm['statuses']}, errors {storm['errors']}, unfinished {storm['unfinished']}",
        f"  the server had {seen['server_share']:.0%} of its core, the driver took {storm['driver_share']:.0%} of its",
    ]


def _crowd(seen: dict) -> list[str]:
    through, without = seen["with"], seen["without"]
    return [
        f"crowd: {through['begun']} streams, {through['events_per_s']:.0f} events/s, {through['cut']} cut",
        f"  an event is later by {seen['added_p50_ms']:.1f} ms (p50), {seen['added_p99_ms']:.1f} ms (p99)",
        f"  without the gateway it takes {without['p50_ms']:.1f} and {without['p99_ms']:.1f} ms",
        f"  {seen['stream_kb']:.0f} KB for each stream; the server had {seen['server_share']:.0%} of its core",
    ]


def guard(median: dict, limit: float) -> int:
    """The exit status: 1 when a request costs more than `limit` times what it costs the floor."""
    if "antiphon" not in median:
        print("guard: the gateway did not start")
        return 1
    ours, floor = median["antiphon"], median["floor"]
    request = ours["plain 16"]["cpu_us"] / floor["plain 16"]["cpu_us"]
    event = ours["flood 16"]["cpu_event_us"] / floor["flood 16"]["cpu_event_us"]
    failed = sum(scenario["failed"] for scenario in ours.values())
    print(f"guard: {request:.2f} times the floor's CPU for a request (limit {limit:g}), {event:.2f} times for an event")
    if failed:
        print(f"guard: {failed:.0f} requests failed")
    return int(request > limit or failed > 0)
