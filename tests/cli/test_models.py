"""`antiphon models`."""

from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Cli

CONFIG = """\
providers:
  openai: {api_key: sk-1, models: [gpt-5, "o*"]}
  azure: {api_key: sk-2, base_url: "https://here.example", models: [gpt-5]}
  groq: {api_key: sk-3}
models:
  fast: groq/llama
  "claude-*": openai/anthropic-*
  best: fast
  "any-*": o*
"""


def test_every_name_is_shown_with_where_it_leads(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_LOCAL", "on")
    Path("antiphon.yaml").write_text(CONFIG)
    done = cli("models")
    assert done.exit_code == 0, done.stderr
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()[1:]}
    assert rows == {
        "openai/*": "provider openai/*",
        "azure/*": "provider azure/*",
        "groq/*": "provider groq/*",
        "local/*": "provider local/*",
        "fast": "alias groq/llama",
        "claude-*": "alias openai/anthropic-*",
        "best": "alias groq/llama",
        "any-*": "alias o*",
        "gpt-5": "listed openai/gpt-5, then azure/gpt-5",
        "local": "listed local/smollm2-135m-instruct",
        "smollm2-135m-instruct": "listed local/smollm2-135m-instruct",
        "o*": "listed openai/o*",
        "*": "rest groq/*",
    }


ROUTES = """\
providers:
  openai: {api_keys: {a: sk-1, b: sk-2}}
  groq: {api_key: sk-3}
models:
  both: {targets: [openai/m, groq/m]}
  lots: {targets: [{target: openai/m, weight: 3}, {target: both, when: {tags: [x]}}], strategy: weighted}
  "gpt-*": {targets: [openai/gpt-*, groq/*], strategy: cheapest}
"""


def test_routes_are_shown_with_their_strategy(cli: Cli) -> None:
    Path("antiphon.yaml").write_text(ROUTES)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in cli("models").stdout.splitlines()[1:]}
    assert rows["both"] == "alias openai/m, then groq/m"
    assert rows["lots"] == "alias weighted: openai/m, groq/m"
    assert rows["gpt-*"] == "alias cheapest: openai/gpt-*, groq/*"
    shown = msgspec.json.decode(cli("models", "--json").stdout)
    assert {row["name"]: row["strategy"] for row in shown if "strategy" in row} == {
        "lots": "weighted",
        "gpt-*": "cheapest",
    }


def test_routes_are_told_by_check_config(cli: Cli) -> None:
    Path("antiphon.yaml").write_text(ROUTES)
    done = cli("check-config")
    assert "openai at https://api.openai.com/v1 (2 keys; models: any)" in done.stdout
    assert "both -> ordered: openai/m, groq/m\n" in done.stdout
    assert "lots -> weighted: openai/m x3, both (with a condition)\n" in done.stdout


def test_json_is_for_machines(cli: Cli) -> None:
    Path("x.yaml").write_text(CONFIG)
    rows = msgspec.json.decode(cli("models", "--json", "--config", "x.yaml").stdout)
    assert {"name": "fast", "kind": "alias", "ways": [{"provider": "groq", "model": "llama"}]} in rows


def test_provider_of_the_environment_is_reachable(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert "openai/*" in cli("models").stdout


def test_nothing_reachable_says_how_to_change_that(cli: Cli) -> None:
    done = cli("models")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "OPENAI_API_KEY" in done.stderr
