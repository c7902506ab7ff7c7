"""A closed-loop load driver: each connection sends its next request when the last answer is complete.

Prints one JSON object: requests a second, latencies, the time to the first text, events, and how much of its core
the driver itself used; near 1 the figures show the driver, not the server.

usage: python bench/load.py PORT PATH BODY_FILE [--at-once N] [--seconds S] [--text MARK] [--header H]...
"""
# ruff: noqa: D102 - a script: its protocol methods are asyncio's and httptools'

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from array import array
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import httptools
import uvloop

EVENT = b"data: "
#: How long after the end answers under way may take before they are cut off.
GRACE_S = 15.0


@dataclass
class Tally:
    """What one process saw. Times in seconds."""

    latency: array = field(default_factory=lambda: array("d"))
    first_text: array = field(default_factory=lambda: array("d"))
    events: int = 0
    failed: int = 0
    unfinished: int = 0
    error: str = ""


class Client(asyncio.Protocol):
    """One connection. Counts events and looks for the first text in whatever way the bytes are split."""

    def __init__(self, drive: "Drive") -> None:
        self.drive = drive
        self.tally = drive.tally
        self.busy = False
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        now = time.perf_counter()
        if now >= self.drive.deadline:
            self.drive.leave()
            self.transport.close()
            return
        self.busy = True
        self.tail = b""
        self.texted = False
        self.started = now
        self.transport.write(self.drive.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        seen = self.tail + body
        self.tally.events += seen.count(EVENT)
        if not self.texted and self.drive.mark in seen:
            self.texted = True
            self.tally.first_text.append(time.perf_counter() - self.started)
        # Shorter than either pattern, so that nothing is counted twice.
        self.tail = seen[-self.drive.keep :]
        if not self.texted and len(self.drive.mark) > len(EVENT):
            self.tail = seen[-len(EVENT) + 1 :]

    def on_message_complete(self) -> None:
        self.busy = False
        if self.parser.get_status_code() == 200:
            self.tally.latency.append(time.perf_counter() - self.started)
        else:
            self.tally.failed += 1
            self.tally.error = self.tally.error or f"{self.parser.get_status_code()} {self.tail[-300:]!r}"
        keep_alive = self.parser.should_keep_alive()
        self.parser = httptools.HttpResponseParser(self)
        if keep_alive:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self.tally.failed += 1
            self.tally.error = self.tally.error or f"connection lost: {exc!r}"
        if time.perf_counter() < self.drive.deadline:
            self.drive.reconnect()
        elif self.busy:
            self.drive.leave()


class Drive:
    """All connections of one process."""

    def __init__(self, args: argparse.Namespace, at_once: int) -> None:
        body = args.body.read_bytes()
        head = [f"POST {args.path} HTTP/1.1", f"host: 127.0.0.1:{args.port}", "content-type: application/json",
                f"content-length: {len(body)}", *args.header]  # fmt: skip
        self.request = "\r\n".join([*head, "", ""]).encode() + body
        self.mark = args.text.encode()
        self.keep = len(EVENT) - 1
        self.port = args.port
        self.at_once = at_once
        self.tally = Tally()
        self.deadline = time.perf_counter() + args.seconds
        self.left = at_once

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        for _ in range(self.at_once):
            await self.connect()
        await asyncio.wait([self.done], timeout=max(0.0, self.deadline - time.perf_counter()) + GRACE_S)
        self.tally.unfinished = self.left

    async def connect(self) -> None:
        try:
            await self.loop.create_connection(lambda: Client(self), "127.0.0.1", self.port)
        except OSError as error:
            self.tally.failed += 1
            self.tally.error = self.tally.error or repr(error)
            self.leave()

    def reconnect(self) -> None:
        self.task = self.loop.create_task(self.connect())

    def leave(self) -> None:
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result(None)


def one_process(args: argparse.Namespace, at_once: int, pipe: Pipe) -> None:
    drive = Drive(args, at_once)
    begun, cpu = time.perf_counter(), time.process_time()
    uvloop.run(drive.run())
    pipe.send((drive.tally, time.perf_counter() - begun, time.process_time() - cpu))


def percentile(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1e6, 1) if values else 0.0


def report(results: list[tuple[Tally, float, float]]) -> dict:
    latency = sorted(value for tally, _, _ in results for value in tally.latency)
    first_text = sorted(value for tally, _, _ in results for value in tally.first_text)
    seconds = max(seconds for _, seconds, _ in results)
    return {
        "requests": len(latency),
        "failed": sum(tally.failed for tally, _, _ in results),
        "unfinished": sum(tally.unfinished for tally, _, _ in results),
        "seconds": round(seconds, 3),
        "per_s": round(len(latency) / seconds, 1),
        "p50_us": percentile(latency, 0.5),
        "p99_us": percentile(latency, 0.99),
        "first_text_p50_us": percentile(first_text, 0.5),
        "first_text_p99_us": percentile(first_text, 0.99),
        "events": sum(tally.events for tally, _, _ in results),
        "driver_share": round(sum(cpu for _, _, cpu in results) / seconds, 3),
        "error": next((tally.error for tally, _, _ in results if tally.error), ""),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--text", default='"delta":"')
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    shares = [args.at_once // args.processes + (n < args.at_once % args.processes) for n in range(args.processes)]
    work = []
    for at_once in filter(None, shares):
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=one_process, args=(args, at_once, there))
        process.start()
        work.append((process, here))
    results = [here.recv() for _, here in work]
    for process, _ in work:
        process.join()
    json.dump(report(results), sys.stdout)


if __name__ == "__main__":
    main()
