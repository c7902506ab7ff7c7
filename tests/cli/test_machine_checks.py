"""The doctor's checks of the machine, under the conditions that they are there to find."""

import sqlite3
from pathlib import Path

import pytest

from antiphon.cli import machine_checks as machine
from antiphon.cli.findings import State
from antiphon.config.load import load
from antiphon.config.settings import Settings
from antiphon.store.migrate import migrate


def settings_with(data_dir: Path, url: str = "") -> Settings:
    return load(None, {"ANTIPHON_DATA_DIR": str(data_dir), "ANTIPHON_DATABASE_URL": url})


def test_this_python_is_fine_and_an_old_one_is_not() -> None:
    assert machine.check_python().state == "ok"
    old = machine.check_python((3, 10))
    assert (old.state, "Python 3.11 or newer" in old.mend) == ("failed", True)


def test_installed_packages_are_compared_with_what_is_declared() -> None:
    assert machine.check_packages(["click>=8", "rich[x]>=1.0,<999", "msgspec", "PyYAML >= 6.0"]).state == "ok"
    found = machine.check_packages(["click>=999.1", "surely-not-there>=1", "aiohttp>=3"])
    assert found.state == "failed"
    assert "is older than 999.1" in found.text
    assert "surely-not-there is not installed" in found.text
    assert "aiohttp" not in found.text


def test_extras_and_needs_of_other_platforms_do_not_count() -> None:
    assert machine.check_packages(["surely-not-there; extra == 'x'", "click>=8; sys_platform != 'win32'"]).state == "ok"


def test_declared_needs_of_an_installed_package_are_all_there() -> None:
    needs = machine.requirements_of("jsonschema")
    assert needs
    assert machine.check_packages(needs).state == "ok"
    assert machine.check_packages(machine.requirements_of("surely-not-there")).state == "hint"


def test_data_directory_is_fine_when_private_and_when_not_there_yet(tmp_path: Path) -> None:
    assert "will be made" in machine.check_data_dir(tmp_path / "a" / "b").text
    (tmp_path / "c").mkdir(mode=0o700)
    found = machine.check_data_dir(tmp_path / "c")
    assert (found.state, found.text) == ("ok", f"{tmp_path / 'c'}, writable and private")
    assert not list((tmp_path / "c").iterdir())


def test_data_directory_open_to_others_is_found_and_mended_as_told(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o755)
    found = machine.check_data_dir(path)
    assert (found.state, found.mend) == ("failed", f"chmod 700 {path}")
    path.chmod(0o700)
    assert machine.check_data_dir(path).state == "ok"


def test_data_directory_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (Path("/proc/antiphon"), tmp_path / "file"):
        found = machine.check_data_dir(path)
        assert found.state == "failed"
        assert "cannot be written to" in found.text


def test_full_disk_is_found(tmp_path: Path) -> None:
    assert machine.check_disk(tmp_path / "not" / "there", least_bytes=1).state == "ok"
    found = machine.check_disk(tmp_path, least_bytes=2**60)
    assert found.state == "failed"
    assert "Free 1," in found.mend


def with_schema(path: Path, version: str) -> None:
    with sqlite3.connect(path / "antiphon.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()


@pytest.mark.parametrize(
    ("version", "state", "text"),
    [("0001", "ok", "schema 0001"), ("0000", "ok", "next start brings it to"), ("9999", "failed", "has schema 9999")],
)
def test_database_is_judged_by_its_schema(tmp_path: Path, version: str, state: State, text: str) -> None:
    migrate(f"sqlite:///{tmp_path / 'antiphon.db'}")
    with_schema(tmp_path, version)
    found = machine.check_database(settings_with(tmp_path))
    assert found.state == state
    assert text in found.text


def test_database_that_is_not_there_yet_is_fine_and_not_made(tmp_path: Path) -> None:
    assert "the first start sets it up" in machine.check_database(settings_with(tmp_path)).text
    assert not list(tmp_path.iterdir())


def test_file_that_is_no_database_is_found(tmp_path: Path) -> None:
    (tmp_path / "antiphon.db").write_text("a letter " * 1000)
    found = machine.check_database(settings_with(tmp_path), patience_s=0.05)
    assert found.state == "failed"
    assert "file is not a database" in found.text
    assert "Look at the file" in found.mend


def test_postgres_that_is_down_is_found_and_no_password_shown(tmp_path: Path) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/antiphon"
    found = machine.check_database(settings_with(tmp_path, url), patience_s=0.05)
    assert found.state == "failed"
    assert "Postgres, 127.0.0.1/antiphon" in found.text
    assert "Start Postgres" in found.mend
    assert "hunter2" not in found.text + found.mend


def test_clock_is_compared_with_the_middle_of_what_providers_say() -> None:
    now = 1_800_000_000.0
    assert machine.check_clock([], ours=now).state == "ok"
    assert machine.check_clock([now + 5, now - 9000, now - 3], ours=now).state == "ok"
    ahead = machine.check_clock([now - 600, now - 601], ours=now)
    assert ahead.state == "failed"
    assert "s ahead of what providers say" in ahead.text
    assert "is 600 s behind" in machine.check_clock([now + 600], ours=now).text


def test_clock_of_1970_is_found() -> None:
    found = machine.check_clock([], ours=60.0)
    assert (found.state, "NTP" in found.mend) == ("failed", True)
