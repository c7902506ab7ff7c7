import asyncio

import pytest

from antiphon.cli.output import Column, date_of, print_table, printable
from tests.cli.conftest import Cli
from tests.cli.processes import terminal


def test_plain_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Column("name"), Column("runs", is_number=True)], [("a" * 100, "7"), ("b", "1,000")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "NAME" + " " * 96 + "   RUNS"
    assert lines[1] == "a" * 100 + "      7"
    assert lines[2] == "b" + " " * 99 + "  1,000"


def test_names_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Column("name")], [("evil\x1b[2J\r\n\u202e",)])
    assert capsys.readouterr().out.splitlines()[1] == r"evil\x1b[2J\r\n\u202e"


def test_kept_control_characters_stay() -> None:
    assert printable("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


def test_dates_are_utc_to_the_minute() -> None:
    assert date_of(1_800_000_000) == "2027-01-15 08:00"
    assert date_of(None, missing="never") == "never"


def test_terminal_gets_a_ruled_table(cli: Cli) -> None:
    cli("keys", "create", "[bold]me")

    async def scene() -> None:
        async with terminal("keys", "list") as person:
            shown = await person.sees("[bold]me")
            assert "───" in shown
            assert await person.ends() == 0

    asyncio.run(scene())
