"""`antiphon doctor` as a whole: order, exit codes, and what it does when something early is broken."""

import asyncio
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Cli
from tests.cli.processes import antiphon, terminal
from tests.helpers.upstream import ThreadedUpstream, answer


def configure(url: str) -> None:
    Path("antiphon.yaml").write_text(f"providers:\n  acme: {{base_url: '{url}', api_key: sk-1}}\n")


def states(cli: Cli, *arguments: str) -> tuple[int, dict[str, str]]:
    done = cli("doctor", "--json", *arguments)
    return done.exit_code, {each["topic"]: each["state"] for each in msgspec.json.decode(done.stdout)}


def test_all_is_well_in_order_and_nothing_is_changed(cli: Cli, data_dir: Path) -> None:
    with ThreadedUpstream(answer({"data": []}, headers={"date": formatdate(usegmt=True)})) as up:
        configure(up.url)
        done = cli("doctor")
    assert done.exit_code == 0, done.output
    topics = [line.split()[1] for line in done.stdout.splitlines() if line[:1].isalpha()][:-1]
    expected = ["python", "packages", "configuration", "data", "database", "disk", "port", "local", "acme", "clock"]
    assert topics == expected
    assert done.stdout.endswith("\nAll is well.\n")
    assert not data_dir.exists()


def test_process_ends_with_1_when_something_is_to_mend(cli: Cli) -> None:
    del cli
    configure("http://127.0.0.1:1/v1")
    ended = asyncio.run(antiphon("doctor"))
    assert ended.code == 1
    assert "failed  acme " in ended.out
    assert "-> Start it, or correct `base_url`" in ended.out
    assert ended.out.endswith("\n1 to mend.\n")
    assert ended.err == ""


def test_offline_is_well_without_providers_answering(cli: Cli) -> None:
    configure("http://127.0.0.1:1/v1")
    code, found = states(cli, "--offline")
    assert (code, found["acme"]) == (0, "skipped")


def test_file_that_cannot_be_read_ends_the_examination(cli: Cli) -> None:
    Path("antiphon.yaml").write_text("server: [\n")
    code, found = states(cli)
    assert code == 1
    assert found["configuration"] == "failed"
    assert found["the rest"] == "skipped"
    assert "database" not in found


def test_missing_key_is_found_and_the_rest_is_still_examined(cli: Cli) -> None:
    Path("antiphon.yaml").write_text("providers:\n  openai: {}\n")
    done = cli("doctor")
    assert done.exit_code == 1
    assert "antiphon.yaml:2: providers.openai: environment variable OPENAI_API_KEY is not set" in done.stdout
    code, found = states(cli)
    assert (code, found["database"], found["providers"]) == (1, "ok", "skipped")


def test_gateway_that_nothing_stands_behind_is_found(cli: Cli) -> None:
    done = cli("doctor")
    assert done.exit_code == 1
    assert "no provider and no local model" in done.stdout
    assert "-> Set a provider's key, such as OPENAI_API_KEY, or `local: on`." in done.stdout


def test_clock_that_providers_disagree_with_is_found(cli: Cli) -> None:
    with ThreadedUpstream(answer({}, headers={"date": "Fri, 01 Jan 2016 08:00:00 GMT"})) as up:
        configure(up.url)
        code, found = states(cli)
    assert (code, found["clock"]) == (1, "failed")


def test_open_data_directory_is_found(cli: Cli, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_LOCAL", "on")
    data_dir.mkdir()
    data_dir.chmod(0o750)
    assert states(cli)[1]["data"] == "failed"
    data_dir.chmod(0o700)
    code, found = states(cli)
    assert (code, found["data"], found["local model"]) == (0, "ok", "hint")


def test_terminal_gets_coloured_ticks(cli: Cli) -> None:
    del cli

    async def scene() -> None:
        async with terminal("doctor", "--offline") as person:
            shown = await person.sees("1 to mend.")
            assert "\x1b[32m\x1b[1m✓" in shown
            assert "\x1b[31m\x1b[1m✗" in shown
            assert await person.ends() == 1

    asyncio.run(scene())
