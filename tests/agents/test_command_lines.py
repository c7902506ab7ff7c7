"""Codex CLI and Claude Code complete a task in a folder, and go on with it: they run commands and read or patch files.

What they answer at last, only a shell could tell.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.agents.mind import ANSWER, PATCHED, SHELL_SAYS
from tests.agents.programs import COMMAND_LINE, run_walled
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

#: So it is with thinking: with a budget for models that it knows to have one.
CLAUDE_MODELS = {"m": "adaptive thinking", "claude-sonnet-4-5": "thinking with a budget"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", CODEX_MODELS)
def test_codex_runs_commands(stage: Stage, tmp_path: Path, record_property: Record, model: str, dialect: str) -> None:
    record_property("agent", f"Codex CLI · {CODEX_MODELS[model]}")
    folder = _codex_folder(stage, tmp_path, model=f"{dialect}/{model}")
    options = ("--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox")
    said = _codex_says(_run(stage, folder, CODEX, "exec", *options, "Find the answer."))
    _check(stage, folder, dialect=dialect)
    assert said == SHELL_SAYS
    if model != "m":
        assert (folder / "patched.txt").read_text() == PATCHED
    goes_on = _codex_says(_run(stage, folder, CODEX, "exec", *options, "resume", "--last", "Say it again."))
    _check(stage, folder, dialect=dialect)
    assert goes_on == SHELL_SAYS
    record_property(dialect, "passed")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", CLAUDE_MODELS)
def test_claude_code_runs_a_command(
    stage: Stage, tmp_path: Path, record_property: Record, model: str, dialect: str
) -> None:
    record_property("agent", f"Claude Code · {CLAUDE_MODELS[model]}")
    folder = tmp_path / "work"
    folder.mkdir()
    options = ("--model", f"{dialect}/{model}", "--allowedTools", "Bash(*)", "Read", "--output-format", "json")
    for asked in (("-p", "Find the answer."), ("--continue", "-p", "Say it again.")):
        result = msgspec.json.decode(_run(stage, folder, CLAUDE, *asked, *options))
        _check(stage, folder, dialect=dialect)
        assert (result["is_error"], result["result"]) == (False, SHELL_SAYS)
    record_property(dialect, "passed")


def _codex_folder(stage: Stage, home: Path, *, model: str) -> Path:
    """A folder to work in, beside the settings."""
    settings = home / ".codex"
    settings.mkdir()
    (settings / "config.toml").write_text(CODEX_CONFIG.format(url=stage.url, model=model))
    folder = home / "work"
    folder.mkdir()
    return folder


def _codex_says(out: str) -> str:
    """Its last message."""
    events = [msgspec.json.decode(line) for line in out.splitlines()]
    assert events[-1]["type"] == "turn.completed", events
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    messages = [item["text"] for item in items if item["type"] == "agent_message"]
    assert messages, items
    return str(messages[-1])


def _run(stage: Stage, folder: Path, program: str, *arguments: str) -> str:
    """What the program prints, which is to end well and to be understood by the model."""
    environ = {
        "ANTIPHON_KEY": stage.key,
        "ANTHROPIC_BASE_URL": stage.url,
        "ANTHROPIC_API_KEY": stage.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    command = [node(), str(COMMAND_LINE.folder() / program), *arguments]
    ended = asyncio.run(run_walled(command, stage, folder=folder, home=folder.parent, environ=environ))
    broken = {dialect: model.broken for dialect, model in stage.models.items() if model.broken}
    assert (broken, ended.code) == ({}, 0), ended
    return ended.out


def _check(stage: Stage, folder: Path, *, dialect: str) -> None:
    """The answer is in its file, from the model of that dialect, and nobody else was asked."""
    assert stage.models[dialect].asked
    assert stage.strays == []
    assert (folder / "answer.txt").read_text() == f"{ANSWER}\n"
