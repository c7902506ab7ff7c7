"""The command itself: its list, its start, and how it tells what went wrong."""

import asyncio
import sys
from pathlib import Path

import pytest

from antiphon import __version__
from antiphon.cli.group import COMMANDS
from tests.cli.conftest import Cli
from tests.cli.processes import antiphon


def test_help_lists_every_command_in_order(cli: Cli) -> None:
    out = cli("--help").output
    places = [out.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_tells_its_options(cli: Cli, name: str) -> None:
    done = cli(name, "--help")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: main {name}")


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("arguments", [["--help"], ["keys", "--help"], ["version"], ["chat", "--help"]])
def test_starting_imports_neither_database_nor_server_nor_rich(arguments: list[str]) -> None:
    heavy = ("sqlalchemy", "aiohttp", "uvicorn", "rich", "alembic", "starlette")
    script = (
        "import sys; from antiphon.cli import main\n"
        f"try: main(args={arguments})\n"
        f"finally: print(','.join(sorted(set({heavy}) & set(sys.modules))), file=sys.stderr)"
    )

    async def run() -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return (await process.communicate())[1].decode()

    assert asyncio.run(run()).strip() == ""


@pytest.mark.usefixtures("data_dir")
def test_module_can_be_run() -> None:
    ended = asyncio.run(antiphon("version"))
    assert ended.code == 0
    assert ended.out.startswith(f"antiphon {__version__} (Python 3.")
    assert asyncio.run(antiphon("--version")).out == f"antiphon {__version__}\n"


def test_unknown_command_names_the_nearest(cli: Cli) -> None:
    done = cli("kyes")
    assert done.exit_code == 2
    assert "There is no command `kyes`, did you mean `keys`?" in done.stderr


@pytest.mark.usefixtures("data_dir")
def test_wrong_configuration_is_told_by_line_with_code_2_and_without_traceback() -> None:
    Path("antiphon.yaml").write_text("server:\n  prot: 80\nstore:\n  retention_days: many\n")
    ended = asyncio.run(antiphon("models"))
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert lines[0] == "antiphon.yaml:2: server: unknown key `prot`, did you mean `port`?"
    assert lines[1].startswith("antiphon.yaml:4: store.retention_days: expected an integer")


@pytest.mark.usefixtures("data_dir")
def test_serve_refuses_a_wrong_configuration_before_it_starts() -> None:
    Path("other.yaml").write_text("models:\n  fast: nowhere/model\n")
    ended = asyncio.run(antiphon("serve", "--config", "other.yaml"))
    assert ended.code == 2
    assert ended.err.startswith("other.yaml:2: models.fast: nothing serves `nowhere/model`")


def test_database_that_cannot_be_used_is_told_without_traceback(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "antiphon.db").write_text("this is a letter, not a database " * 100)
    ended = asyncio.run(antiphon("keys", "list"))
    assert ended.code == 1
    assert ended.err.startswith("Error: The database cannot be used. DatabaseError: file is not a database")


def test_address_that_is_no_store_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DATABASE_URL", "mysql://here/db")
    done = cli("keys", "list")
    assert done.exit_code == 2
    assert done.stderr.startswith("ANTIPHON_DATABASE_URL: expected `sqlite:///path`")


def test_data_directory_that_cannot_be_made_is_told(cli: Cli, data_dir: Path) -> None:
    data_dir.write_text("a file where a directory should be")
    done = cli("keys", "list")
    assert done.exit_code == 1
    assert "The data directory cannot be made" in done.stderr
