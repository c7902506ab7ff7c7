"""What `antiphon doctor` finds, and how it shows one finding."""

import sys
from collections.abc import Mapping
from typing import Literal

import click
from msgspec import Struct

from antiphon.cli.output import printable

__all__ = ["Finding", "State", "bad", "fine", "hint", "show", "skipped"]

State = Literal["ok", "hint", "failed", "skipped"]

_MARKS: Mapping[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "hint": ("!", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("-", "bright_black"),
}


class Finding(Struct, frozen=True):
    """The outcome of one check.

    Attributes:
        topic: what was looked at, in a word or two.
        text: what was found.
        mend: what to do about it; empty when there is nothing to do.
    """

    state: State
    topic: str
    text: str
    mend: str = ""


def fine(topic: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", topic, text)


def hint(topic: str, text: str, *, mend: str = "") -> Finding:
    """Not a fault, but worth knowing."""
    return Finding("hint", topic, text, mend)


def bad(topic: str, text: str, *, mend: str) -> Finding:
    """A fault, and how to mend it."""
    return Finding("failed", topic, text, mend)


def skipped(topic: str, text: str) -> Finding:
    """Not looked at, and why."""
    return Finding("skipped", topic, text)


def show(finding: Finding) -> None:
    """One line, and one more with what to do. Coloured ticks on a terminal, words elsewhere."""
    mark = f"{finding.state:<8}"
    if sys.stdout.isatty() and sys.stdout.encoding.lower().startswith("utf"):
        tick, colour = _MARKS[finding.state]
        mark = click.style(tick, fg=colour, bold=True) + " "
    click.echo(f"{mark}{finding.topic:<13} {printable(finding.text)}")
    if finding.mend:
        click.echo(f"{'':<{len(click.unstyle(mark))}}{'':<14}-> {printable(finding.mend)}")
