"""How commands print: tables that a person reads on a terminal, plain columns for a pipe, JSON for a machine.

Names in the database come from clients. Nothing that is printed here can move the cursor or change a colour.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click
import msgspec

__all__ = ["Column", "date_of", "note", "print_json", "print_table", "printable"]


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    title: str
    is_number: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, last_is_total: bool = False) -> None:
    """A table on a terminal. Elsewhere columns separated by two blanks, nothing wrapped or cut."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, rows, last_is_total=last_is_total)
        return
    for line in _plain_lines(columns, rows):
        click.echo(line)


def print_json(value: object) -> None:
    """Indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def note(text: str) -> None:
    """For the person at the terminal: to standard error, so that standard output holds the result alone."""
    click.echo(printable(text, keep="\n"), err=True)


def date_of(at: int | None, *, missing: str = "-") -> str:
    """A UTC time, to the minute."""
    return missing if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def printable(text: str, *, keep: str = "") -> str:
    """The text with control characters shown instead of obeyed, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def _plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    table = [[column.title.upper() for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for row in table:
        cells = zip(columns, row, widths, strict=True)
        padded = (cell.rjust(width) if column.is_number else cell.ljust(width) for column, cell, width in cells)
        yield "  ".join(padded).rstrip()


def _print_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, last_is_total: bool) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - costs more than most commands, and only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - same
    from rich.table import Table  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", overflow="fold")
    for number, row in enumerate(rows, start=1):
        if last_is_total and number == len(rows):
            table.add_section()
        table.add_row(*map(Text, row))
    Console().print(table)
