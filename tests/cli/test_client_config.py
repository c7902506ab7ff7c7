"""`antiphon client-config`: what is printed can be read by the program that it is for."""

import asyncio
import os
import tomllib
from pathlib import Path

import msgspec
import pytest
import yaml

from antiphon.cli.clients import CLIENTS, ClientFacts
from tests.cli.conftest import Cli

CONFIG = """
server: {host: 0.0.0.0, port: 8123}
providers:
  gpu: {base_url: "http://gpu:8000/v1"}
models:
  fast: {target: gpu/llama, context: 131072, max_output: 8192}
"""
KEY = "sk-$(touch hacked) 'x\" y"


@pytest.fixture
def configured(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTIPHON_PORT")
    (data_dir.parent / "antiphon.yaml").write_text(CONFIG)


def shell(text: str, *names: str) -> list[str]:
    """What these variables are after a shell has read the text."""

    async def run() -> bytes:
        script = f"set -eu\n{text}\nprintf '%s\\0' " + " ".join(f'"${name}"' for name in names)
        environ = {"PATH": os.environ["PATH"], "ANTIPHON_API_KEY": "sk-from-env", "ANTHROPIC_API_KEY": "other"}
        process = await asyncio.create_subprocess_exec("sh", "-c", script, env=environ, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out

    return asyncio.run(run()).decode().split("\0")[:-1]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_told_address_and_model_and_no_key_by_itself(cli: Cli, client: str) -> None:
    done = cli("client-config", client)
    assert done.exit_code == 0
    assert "http://127.0.0.1:8123" in done.stdout
    assert "fast" in done.stdout + done.stderr or client in ("openai", "anthropic", "open-webui")
    assert "This belongs into" in done.stderr
    assert "antiphon keys create NAME" in done.stderr


@pytest.mark.usefixtures("configured")
def test_codex_is_told_in_toml(cli: Cli) -> None:
    told = tomllib.loads(cli("client-config", "codex").stdout)
    assert told == {
        "model": "fast",
        "model_provider": "antiphon",
        "model_context_window": 131072,
        "model_providers": {
            "antiphon": {
                "name": "Antiphon",
                "base_url": "http://127.0.0.1:8123/v1",
                "env_key": "ANTIPHON_API_KEY",
                "wire_api": "responses",
            }
        },
    }


@pytest.mark.usefixtures("configured")
def test_claude_is_told_in_the_environment_without_the_version(cli: Cli) -> None:
    text = cli("client-config", "claude").stdout
    names = ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_MODEL", "{ANTHROPIC_API_KEY:-none}")
    assert shell(text, *names) == ["http://127.0.0.1:8123", "sk-from-env", "fast", "none"]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("client", "base", "key"),
    [
        ("aider", "OPENAI_API_BASE", "OPENAI_API_KEY"),
        ("goose", "OPENAI_HOST", "OPENAI_API_KEY"),
        ("open-webui", "OPENAI_API_BASE_URL", "OPENAI_API_KEY"),
        ("openai", "OPENAI_BASE_URL", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
        ("claude", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"),
    ],
)
def test_a_shell_reads_what_was_meant(cli: Cli, tmp_path: Path, client: str, base: str, key: str) -> None:
    own = shell(cli("client-config", client).stdout, base, key)
    assert own[0].startswith("http://127.0.0.1:8123")
    assert own[1] == "sk-from-env"
    given = cli("client-config", client, "--key", KEY, "--url", "https://llm.example.com/v1/").stdout
    address, told = shell(given, base, key)
    assert address.removesuffix("/v1") == "https://llm.example.com"
    assert told == KEY
    assert not (tmp_path / "hacked").exists()


@pytest.mark.usefixtures("configured")
def test_editors_are_told_in_json_and_yaml(cli: Cli) -> None:
    opencode = msgspec.json.decode(cli("client-config", "opencode", "--key", KEY).stdout)
    provider = opencode["provider"]["antiphon"]
    assert opencode["model"] == "antiphon/fast"
    assert provider["options"] == {"baseURL": "http://127.0.0.1:8123/v1", "apiKey": KEY}
    assert provider["models"]["fast"]["limit"] == {"context": 131072, "output": 8192}
    zed = msgspec.json.decode(cli("client-config", "zed").stdout)
    (model,) = zed["language_models"]["openai_compatible"]["Antiphon"]["available_models"]
    assert (model["name"], model["max_tokens"], model["max_output_tokens"]) == ("fast", 131072, 8192)
    crush = msgspec.json.decode(cli("client-config", "crush").stdout)
    assert crush["providers"]["antiphon"]["api_key"] == "$ANTIPHON_API_KEY"
    (first,) = yaml.safe_load(cli("client-config", "continue", "--key", KEY).stdout)["models"]
    assert (first["apiBase"], first["apiKey"], first["model"]) == ("http://127.0.0.1:8123/v1", KEY, "fast")
    assert first["defaultCompletionOptions"] == {"contextLength": 131072, "maxTokens": 8192}
    assert "secrets.ANTIPHON_API_KEY" in cli("client-config", "continue").stdout


@pytest.mark.usefixtures("configured")
def test_another_model_can_be_named_if_it_is_served(cli: Cli) -> None:
    assert 'model = "gpu/other"' in cli("client-config", "codex", "--model", "gpu/other").stdout
    (first,) = yaml.safe_load(cli("client-config", "continue", "--model", "gpu/other").stdout)["models"]
    assert "defaultCompletionOptions" not in first


def test_a_model_that_is_not_served_is_refused(cli: Cli, data_dir: Path) -> None:
    (data_dir.parent / "antiphon.yaml").write_text("providers: {openai: {api_key: k, models: [gpt-5]}}")
    done = cli("client-config", "codex", "--model", "gpt-55")
    assert done.exit_code == 2
    assert "`gpt-5`" in done.stderr
    assert "model_context_window = 400000" in cli("client-config", "codex").stdout


def test_without_any_model_there_is_a_place_for_one(cli: Cli) -> None:
    assert '"PROVIDER/MODEL"' in cli("client-config", "codex").stdout


def test_an_unknown_client_is_answered_with_those_that_are_known(cli: Cli) -> None:
    done = cli("client-config", "codexx")
    assert done.exit_code == 2
    assert "claude" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_limits_that_are_not_known_are_left_out(client: str) -> None:
    text = CLIENTS[client](ClientFacts("http://g", "m")).text
    assert "None" not in text
    assert "null" not in text
