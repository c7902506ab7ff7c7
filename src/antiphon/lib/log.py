"""Logging: one JSON object per line on standard error."""

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import msgspec

__all__ = ["AccessLog", "JsonFormatter", "Timestamp", "setup_logging"]

_encoder = msgspec.json.Encoder()

#: The access log leaves in one write per this long: a write per request is a system call per request.
_FLUSH_S = 0.1

#: POSIX leaves it to the system; it is this much on Linux, less elsewhere.
_ATOMIC_BYTES = 4096


class Timestamp:
    """UTC to the millisecond. Remembers the last second: formatting a date costs more than the rest of a line."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self, at: float | None = None) -> str:
        """`2026-11-22T13:05:07.042Z`."""
        at = time.time() if at is None else at
        second = int(at)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((at - second) * 1000):03d}Z"


class JsonFormatter(logging.Formatter):
    """A record as JSON."""

    def __init__(self, *, worker: int | None = None) -> None:
        super().__init__()
        self._timestamp = Timestamp()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, str | int] = {
            "time": self._timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker is not None:
            line["worker"] = self._worker
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


class AccessLog:
    """Lines gathered for a tenth of a second and written together. `close` writes what is left.

    Bounded by what a tenth of a second of requests can say. Must be made inside a running event loop.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._loop = asyncio.get_running_loop()
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: bytes) -> None:
        """Take one line of JSON."""
        self._lines.append(line)
        if self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_S, self._flush)

    def close(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        lines, self._lines = self._lines, []
        for text in _together(lines):
            self._stream.write(text.decode())
            self._stream.flush()


def _together(lines: list[bytes]) -> Iterator[bytes]:
    """As many lines at once as reach a pipe in one piece: other processes write into it as well."""
    text = b""
    for line in lines:
        if text and len(text) + len(line) >= _ATOMIC_BYTES:
            yield text
            text = b""
        text += line + b"\n"
    if text:
        yield text


def setup_logging(*, level: str = "INFO", worker: int | None = None) -> None:
    """Send everything to standard error as JSON. Called once, by the command that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker=worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.error", "uvicorn.access", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
