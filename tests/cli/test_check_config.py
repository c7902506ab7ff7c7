"""`antiphon check-config`."""

from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from tests.cli.conftest import Cli


def test_good_file_is_ok_with_a_summary(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    Path("my.yaml").write_text(
        "server: {port: 9000}\n"
        "store: {url: 'postgresql://me:hunter2@db.example:5432/antiphon?password=hunter3', retention_days: 0}\n"
        "providers:\n"
        "  openai: {models: [a, b, c, d, e, f, g]}\n"
        "  groq: {api_key: sk-secret-2}\n"
        "  ollama: {}\n"
        "models: {fast: groq/llama}\n"
    )
    done = cli("check-config", "my.yaml")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ok",
        "  file       my.yaml",
        "  listens    127.0.0.1 port 0",
        "  store      Postgres, db.example/antiphon; responses kept for ever",
        "  local      off",
        "  search     off",
        "  provider   openai at https://api.openai.com/v1 (key from OPENAI_API_KEY; models: a, b, c, d, e, f, …)",
        "  provider   groq at https://api.groq.com/openai/v1 (key from `api_key`; models: any)",
        "  provider   ollama at http://127.0.0.1:11434/v1 (no key; models: any)",
        "  model      fast -> groq/llama",
    ]


def test_no_file_and_nothing_set_is_ok_but_tells_that_nothing_answers(cli: Cli, data_dir: Path) -> None:
    done = cli("check-config")
    assert done.exit_code == 0
    assert "none; the environment and defaults" in done.stdout
    assert f"SQLite, {data_dir / 'antiphon.db'}; responses kept 30 days" in done.stdout
    assert "nothing can answer" in done.stdout


def test_local_model_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_LOCAL", "on")
    shown = cli("check-config").stdout
    assert "  local      on, the model that comes along" in shown
    assert "127.0.0.1/v1" not in shown


def test_search_engine_is_told(cli: Cli) -> None:
    assert "  search     ddgs" in cli("check-config").stdout
    Path("antiphon.yaml").write_text("web_search: {engine: searxng, url: 'http://127.0.0.1:8888'}\n")
    assert "  search     searxng" in cli("check-config").stdout


def test_sqlite_of_the_operator_is_told(cli: Cli) -> None:
    Path("antiphon.yaml").write_text("store: {url: 'sqlite:////var/lib/x.db'}\n")
    assert "SQLite, /var/lib/x.db" in cli("check-config").stdout


def test_every_problem_is_told_with_its_line(cli: Cli) -> None:
    Path("antiphon.yaml").write_text("providers:\n  openai: {}\n  grok:\n    api_key: x\n")
    done = cli("check-config")
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("antiphon.yaml:2: providers.openai: environment variable OPENAI_API_KEY is not set")
    assert lines[1].startswith("antiphon.yaml:3: providers.grok: `base_url` is missing")


def test_missing_file_is_told(cli: Cli) -> None:
    done = cli("check-config", "nowhere.yaml")
    assert done.exit_code == 2
    assert done.stderr.startswith("nowhere.yaml: cannot be read")


def test_schema_is_json_on_standard_output_and_its_use_beside_it(cli: Cli) -> None:
    done = cli("check-config", "--schema")
    schema = msgspec.json.decode(done.stdout)
    jsonschema.validate(yaml.safe_load("server: {port: 8000}"), schema)
    assert "# yaml-language-server: $schema=" in done.stderr
