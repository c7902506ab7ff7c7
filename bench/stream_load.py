"""Many streams at once, each event with the moment at which the upstream sent it: how late does it arrive?

Opens the streams over RAMP seconds, waits until all run, and looks at every event for SECONDS. The upstream has the
same clock. Prints one JSON object.

usage: python bench/stream_load.py PORT PATH BODY_FILE --streams N [--ramp S] [--seconds S] [--header H]...
"""
# ruff: noqa: D102 - a script: its protocol methods are asyncio's

import argparse
import asyncio
import json
import re
import sys
import time
from array import array
from pathlib import Path

import uvloop

STAMP = re.compile(rb'"(?:delta|content)":"@([0-9]+)@"')
#: Longer than a stamp, shorter than an event: what may be needed of one read to understand the next.
KEEP = 40


class Stream(asyncio.Protocol):
    """One connection with one stream."""

    def __init__(self, drive: "Drive") -> None:
        self.drive = drive
        self.tail = b""
        self.has_begun = False
        self.has_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(self.drive.request)

    def data_received(self, data: bytes) -> None:
        now_us = time.monotonic_ns() // 1000
        if not self.has_begun:
            self.has_begun = True
            self.drive.begun += data.startswith(b"HTTP/1.1 200")
        seen = self.tail + data
        end = 0
        for found in STAMP.finditer(seen):
            end = found.end()
            if self.drive.is_looking:
                self.drive.late_us.append(now_us - int(found[1]))
        self.tail = seen[max(end, len(seen) - KEEP) :]
        self.has_ended = self.has_ended or b"0\r\n\r\n" in seen[-5:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.drive.cut += not (self.has_ended or self.drive.is_over)


class Drive:
    """All streams of one look."""

    def __init__(self, args: argparse.Namespace) -> None:
        body = args.body.read_bytes()
        head = [f"POST {args.path} HTTP/1.1", f"host: 127.0.0.1:{args.port}", "content-type: application/json",
                f"content-length: {len(body)}", *args.header]  # fmt: skip
        self.request = "\r\n".join([*head, "", ""]).encode() + body
        self.args = args
        self.late_us = array("q")
        self.begun = self.cut = 0
        self.is_looking = self.is_over = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        for number in range(self.args.streams):
            await loop.create_connection(lambda: Stream(self), "127.0.0.1", self.args.port)
            ahead = began + (number + 1) * self.args.ramp / self.args.streams - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
        await asyncio.sleep(1.0)
        self.cpu_s, self.is_looking = time.process_time(), True
        await asyncio.sleep(self.args.seconds)
        self.cpu_s, self.is_looking = time.process_time() - self.cpu_s, False
        self.is_over = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--ramp", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--header", action="append", default=[])
    drive = Drive(parser.parse_args())
    uvloop.run(drive.run())
    late = sorted(drive.late_us)

    def of(share: float) -> float:
        return late[min(len(late) - 1, int(len(late) * share))] / 1000 if late else 0.0

    seconds = drive.args.seconds
    seen = {
        "begun": drive.begun,
        "cut": drive.cut,
        "events_per_s": round(len(late) / seconds, 1),
        "p50_ms": of(0.5),
        "p99_ms": of(0.99),
        "worst_ms": of(1.0),
        "driver_share": round(drive.cpu_s / seconds, 3),
    }
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
