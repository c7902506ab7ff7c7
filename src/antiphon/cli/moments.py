"""Points in time as people write them: `30d` from now, or a date."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import click

from antiphon.lib.clock import SystemClock

__all__ = ["ACCEPTED", "future", "past", "read_moment"]

ACCEPTED = "a span such as `30d` (s, m, h, d, w), or a UTC date such as `2027-01-31` or `2027-01-31T18:00`"

_SPAN = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def read_moment(text: str, *, now: int, direction: Literal[1, -1]) -> int:
    """UTC seconds. A span counts from `now`, into the future (1) or the past (-1); a bare date is its first second.

    Raises `ValueError` for anything else.
    """
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        moment = now + direction * int(span[1]) * _SECONDS[span[2]]
    else:
        date = datetime.fromisoformat(text.strip())
        moment = int((date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp())
    try:
        datetime.fromtimestamp(moment, UTC)
    except (OverflowError, OSError) as error:  # farther away than dates go
        raise ValueError("out of range") from error
    return moment


def future(text: str) -> int:
    """For an option whose spans lead into the future."""
    return _option_value(text, direction=1)


def past(text: str) -> int:
    """For an option whose spans lead into the past."""
    return _option_value(text, direction=-1)


def _option_value(text: str, *, direction: Literal[1, -1]) -> int:
    try:
        return read_moment(text, now=SystemClock().now(), direction=direction)
    except ValueError as error:
        raise click.BadParameter(f"`{text}` is not {ACCEPTED}") from error
