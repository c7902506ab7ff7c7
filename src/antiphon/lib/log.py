"""Logging: one JSON object per line on standard error."""

import logging
import sys
import time

import msgspec

__all__ = ["JsonFormatter", "setup_logging"]

_encoder = msgspec.json.Encoder()


class JsonFormatter(logging.Formatter):
    """A record as JSON, times in UTC. Access-log lines are JSON already and are spliced in."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._stamp = ""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        stamp = self._time(record)
        if record.name == "antiphon.access":
            return f'{{"time":"{stamp}","logger":"access",{record.getMessage()[1:]}'
        line = {"time": stamp, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:  # formatting a date costs more than the rest of a line
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int(record.msecs):03d}Z"


def setup_logging(*, level: str = "INFO", access_log: bool = True) -> None:
    """Send everything to standard error as JSON. Called once, by the command that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("antiphon.access").disabled = not access_log
    for noisy in ("uvicorn.error", "uvicorn.access", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
