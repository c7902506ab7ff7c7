"""How long an upstream asks to wait, in all the ways there are to say that. Seconds, at most a day."""

import re
from collections.abc import Mapping

__all__ = ["asked_wait", "header_wait", "retry_info"]

_TRY_AGAIN = re.compile(
    r"(?:try again|retry) (?:in|after) (?:(\d{1,3})m(?!s))?\s?(?:(\d{1,6}(?:\.\d{1,6})?)\s?(ms|s))?", re.IGNORECASE
)
_CLOCK = re.compile(r"\b(\d\d):(\d\d):(\d\d)\b")
_DAY_S = 86400


def header_wait(headers: Mapping[str, str]) -> float | None:
    """`retry-after` in any of its forms."""
    millis = _seconds(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after", "")
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    until, now = _CLOCK.search(value), _CLOCK.search(headers.get("date", ""))
    if until is None or now is None:
        return None
    # A date. The difference of the two clock times is enough: nobody says to wait longer than half a day.
    wait_s = (_of_day(until) - _of_day(now)) % _DAY_S
    return float(wait_s) if wait_s < _DAY_S // 2 else 0.0


def asked_wait(message: str) -> float | None:
    """OpenAI writes the time to wait into the message: `try again in 1m2.5s`."""
    match = _TRY_AGAIN.search(message)
    if match is None or not (match[1] or match[2]):
        return None
    rest = float(match[2] or 0) / (1000 if match[3] == "ms" else 1)
    return int(match[1] or 0) * 60 + rest


def retry_info(details: object) -> float | None:
    """Google puts it into `error.details`, as `RetryInfo.retryDelay`: `3s`."""
    for entry in details if isinstance(details, list) else ():
        delay = entry.get("retryDelay") if isinstance(entry, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return _seconds(delay[:-1])
    return None


def _of_day(clock: re.Match[str]) -> int:
    hours, minutes, seconds = (int(part) for part in clock.groups())
    return hours * 3600 + minutes * 60 + seconds


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, float(_DAY_S)) if seconds >= 0 else None
