"""Codex CLI and Claude Code complete a task in a folder: they run commands and read or patch files.

What they answer at last, only a shell could tell.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.agents.mind import ANSWER, PATCHED, SHELL_SAYS
from tests.agents.programs import COMMAND_LINE, Ended, run_walled
from tests.agents.stage import DIALECTS, Stage
from tests.helpers.node import node

pytestmark = pytest.mark.long

Record = Callable[[str, object], None]

CODEX = "node_modules/@openai/codex/bin/codex.js"
CLAUDE = "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"

#: `plugins` and `analytics` would have it call other hosts.
CODEX_CONFIG = """\
model = "{model}"
model_provider = "antiphon"

[model_providers.antiphon]
name = "Antiphon"
base_url = "{url}/v1"
env_key = "ANTIPHON_KEY"
wire_api = "responses"

[features]
plugins = false

[analytics]
enabled = false
"""

#: What Codex offers goes by the model's name: functions alone; also a patch tool that takes plain text; scripts that
#: call all the other tools, in namespaces.
CODEX_MODELS = {"m": "functions", "gpt-5.5": "patches", "gpt-6-sol": "scripts"}

#: Claude Code lets the models think that it knows.
CLAUDE_MODELS = {"m": "any model", "claude-opus-4-6": "thinking"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", CODEX_MODELS)
def test_codex_runs_commands(stage: Stage, tmp_path: Path, record_property: Record, model: str, dialect: str) -> None:
    record_property("agent", f"Codex CLI · {CODEX_MODELS[model]}")
    folder, settings = tmp_path / "work", tmp_path / ".codex"
    folder.mkdir()
    settings.mkdir()
    (settings / "config.toml").write_text(CODEX_CONFIG.format(url=stage.url, model=f"{dialect}/{model}"))
    command = [
        *(node(), str(COMMAND_LINE.folder() / CODEX), "exec", "--skip-git-repo-check", "--json"),
        *("--dangerously-bypass-approvals-and-sandbox", "Find the answer."),
    ]
    environ = {"ANTIPHON_KEY": stage.key}
    ended = asyncio.run(run_walled(command, stage, folder=folder, home=tmp_path, environ=environ))
    _check(stage, folder, ended, dialect=dialect)
    events = [msgspec.json.decode(line) for line in ended.out.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["text"] for item in items if item["type"] == "agent_message"][-1:] == [SHELL_SAYS], items
    assert events[-1]["type"] == "turn.completed"
    if model != "m":
        assert (folder / "patched.txt").read_text() == PATCHED
    record_property(dialect, "passed")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", CLAUDE_MODELS)
def test_claude_code_runs_a_command(
    stage: Stage, tmp_path: Path, record_property: Record, model: str, dialect: str
) -> None:
    record_property("agent", f"Claude Code · {CLAUDE_MODELS[model]}")
    folder = tmp_path / "work"
    folder.mkdir()
    command = [
        *(node(), str(COMMAND_LINE.folder() / CLAUDE), "-p", "Find the answer.", "--model", f"{dialect}/{model}"),
        *("--allowedTools", "Bash(*)", "Read", "--output-format", "json"),
    ]
    environ = {
        "ANTHROPIC_BASE_URL": stage.url,
        "ANTHROPIC_API_KEY": stage.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    ended = asyncio.run(run_walled(command, stage, folder=folder, home=tmp_path, environ=environ))
    _check(stage, folder, ended, dialect=dialect)
    result = msgspec.json.decode(ended.out)
    assert (result["is_error"], result["result"]) == (False, SHELL_SAYS)
    record_property(dialect, "passed")


def _check(stage: Stage, folder: Path, said: Ended, *, dialect: str) -> None:
    assert stage.models[dialect].broken == [], said
    assert said.code == 0, said
    assert stage.strays == []
    written = folder / "answer.txt"
    assert written.exists(), said
    assert written.read_text() == f"{ANSWER}\n"
