"""An open-loop load driver: a request is due each 1/RATE seconds, however long the answers to others take.

Latencies are counted from the moment at which a request was due: a driver or a server that falls behind is seen.
Prints one JSON object: answers by status with their latencies, and how much of its core the driver itself used.

usage: python bench/open_load.py PORT PATH BODY_FILE --rate R [--seconds S] [--within MS] [--header H]...
"""
# ruff: noqa: D102 - a script: its protocol methods are asyncio's and httptools'

import argparse
import asyncio
import json
import sys
import time
from array import array
from collections import Counter, defaultdict, deque
from pathlib import Path

import uvloop

#: How long after the end answers under way are waited for.
GRACE_S = 5.0
#: Most connections; requests beyond them wait for one, and their clock runs.
CONNECTIONS = 6000
BATCH_S = 0.001


class Client(asyncio.Protocol):
    """One connection. Answers are short and have a `content-length`; nothing else of their heads is read."""

    def __init__(self, drive: "Drive") -> None:
        self.drive = drive
        self.due = 0.0
        self.missing = 0
        self.status = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(self.drive.request)

    def send(self, due: float) -> None:
        self.due = due
        self.transport.write(self.drive.request)

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            head, _, body = data.partition(b"\r\n\r\n")
            self.status = int(head[9:12])
            at = head.find(b"content-length: ") + 16
            end = head.find(b"\r", at)
            self.missing = int(head[at : end if end > 0 else len(head)]) - len(body)
        else:
            self.missing -= len(data)
        if self.missing == 0:
            due, self.due = self.due, 0.0
            self.drive.answered(self, time.perf_counter() - due)

    def connection_lost(self, exc: Exception | None) -> None:
        self.drive.lost(self, exc)


class Drive:
    """All connections, and the clock."""

    def __init__(self, args: argparse.Namespace) -> None:
        body = args.body.read_bytes()
        head = [f"POST {args.path} HTTP/1.1", f"host: 127.0.0.1:{args.port}", "content-type: application/json",
                f"content-length: {len(body)}", *args.header]  # fmt: skip
        self.request = "\r\n".join([*head, "", ""]).encode() + body
        self.port = args.port
        self.rate = args.rate
        self.seconds = args.seconds
        self.within_s = args.within / 1e3 or float("inf")
        self.in_time = Counter()  # by the second in which they came
        self.latency: dict[int, array] = defaultdict(lambda: array("d"))
        self.errors: Counter[str] = Counter()
        self.idle: list[Client] = []
        self.waiting: deque[float] = deque()
        self.open = 0
        self.sent = 0
        self.under_way = 0
        self.most = 0
        self.connecting: set[asyncio.Task] = set()

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = time.perf_counter()
        total = int(self.rate * self.seconds)
        while self.sent < total:
            now = time.perf_counter()
            while self.sent < total and (due := self.began + self.sent / self.rate) <= now:
                self.sent += 1
                self.start(due)
            await asyncio.sleep(BATCH_S)
        until = time.perf_counter() + GRACE_S
        while (self.under_way or self.waiting) and time.perf_counter() < until:  # noqa: ASYNC110 - nobody to tell
            await asyncio.sleep(0.02)

    def start(self, due: float) -> None:
        if self.idle:
            self.under_way += 1
            self.idle.pop().send(due)
        elif self.open < CONNECTIONS:
            self.open += 1
            self.under_way += 1
            task = self.loop.create_task(self.connect(due))
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)
        else:
            self.waiting.append(due)
        self.most = max(self.most, self.under_way)

    async def connect(self, due: float) -> None:
        def client() -> Client:
            made = Client(self)
            made.due = due
            return made

        try:
            await self.loop.create_connection(client, "127.0.0.1", self.port)
        except OSError as error:
            self.open -= 1
            self.under_way -= 1
            self.errors[repr(error)] += 1

    def answered(self, client: Client, seconds: float) -> None:
        self.latency[client.status].append(seconds)
        if client.status == 200 and seconds <= self.within_s:
            self.in_time[int(time.perf_counter() - self.began)] += 1
        if self.waiting:
            client.send(self.waiting.popleft())
        else:
            self.under_way -= 1
            self.idle.append(client)

    def lost(self, client: Client, error: Exception | None) -> None:
        self.open -= 1
        if client.due:
            self.under_way -= 1
            self.errors[f"connection lost: {error!r}"] += 1
        elif client in self.idle:
            self.idle.remove(client)


def percentile_ms(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1e3, 2) if values else 0.0


def report(drive: Drive, *, cpu_s: float, wall_s: float) -> dict:
    answers = {status: sorted(values) for status, values in drive.latency.items()}
    good = answers.get(200, [])
    refused = [value for status in (503, 529) for value in answers.get(status, [])]
    refused.sort()
    return {
        "sent_per_s": round(drive.sent / drive.seconds, 1),
        "statuses": {str(status): len(values) for status, values in answers.items()},
        "good_per_s": round(len(good) / drive.seconds, 1),
        "in_time_per_s": round(drive.in_time.total() / drive.seconds, 1),
        "in_time_by_second": [drive.in_time[second] for second in range(int(drive.seconds) + 1)],
        "p50_ms": percentile_ms(good, 0.5),
        "p99_ms": percentile_ms(good, 0.99),
        "refused_p50_ms": percentile_ms(refused, 0.5),
        "refused_p99_ms": percentile_ms(refused, 0.99),
        "unfinished": drive.under_way + len(drive.waiting),
        "connections": drive.most,
        "errors": dict(drive.errors.most_common(3)),
        "driver_share": round(cpu_s / wall_s, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--within", type=float, default=0.0, help="count answers within so many ms")
    parser.add_argument("--header", action="append", default=[])
    args = parser.parse_args()
    drive = Drive(args)
    begun, cpu = time.perf_counter(), time.process_time()
    uvloop.run(drive.run())
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    json.dump(report(drive, cpu_s=cpu_s, wall_s=wall_s), sys.stdout)


if __name__ == "__main__":
    main()
