"""The table of agents and wire formats in docs/quality.md, made from a run's results.

`python -m tests.agents.table RESULTS.xml`, as `make agents` does it. What failed or did not run is told as well.
"""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from tests.agents.programs import COMMAND_LINE, ROOT, VERCEL
from tests.agents.stage import DIALECTS
from tests.helpers.node import run

PAGE = ROOT / "docs" / "quality.md"
BEGIN, END = "<!-- begin: agents -->", "<!-- end: agents -->"

#: How the columns are called in the page.
COLUMNS = {
    "chat": "Chat Completions",
    "deepseek": "the same, thinking",
    "responses": "Responses",
    "anthropic": "Messages",
    "gemini": "generateContent",
}
DOORS = {"responses": "`/v1/responses`", "chat": "`/v1/chat/completions`", "messages": "`/v1/messages`"}

Results = Mapping[str, Mapping[str, str]]


def read_results(file: Path) -> Results:
    """By agent, what came of each wire format."""
    found: dict[str, dict[str, str]] = {}
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 - our own test run wrote it
        said = {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
        if "agent" in said:
            found.setdefault(said.pop("agent"), {}).update(said)
    return dict(sorted(found.items()))


def table(results: Results) -> Iterator[str]:
    """The lines of the table."""
    versions = client_versions()
    yield "| Agent | Door, or kind of task | " + " | ".join(COLUMNS[dialect] for dialect in DIALECTS) + " |"
    yield "|---|---|" + "---|" * len(DIALECTS)
    for agent, came in results.items():
        name, _, what = agent.partition(" · ")
        cells = [came.get(dialect, "failed") for dialect in DIALECTS]
        yield f"| {name} {versions[name]} | {DOORS.get(what, what)} | " + " | ".join(cells) + " |"


def client_versions() -> Mapping[str, str]:
    """Those that the locks say."""
    node = {name: version for one in (VERCEL, COMMAND_LINE) for name, version in _wanted(one.sources).items()}
    return {
        "Vercel AI SDK": node["ai"],
        "Codex CLI": node["@openai/codex"],
        "Claude Code": node["@anthropic-ai/claude-code"],
        "OpenAI Agents SDK": _locked("test", "openai-agents"),
        "LangChain": _locked("agents", "langchain"),
        "Pydantic AI": _locked("agents", "pydantic-ai-slim"),
    }


def _wanted(folder: Path) -> Mapping[str, str]:
    wanted: dict[str, str] = msgspec.json.decode((folder / "package.json").read_bytes())["dependencies"]
    return wanted


def _locked(name: str, package: str) -> str:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = re.search(rf"^{re.escape(package)}(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE)
    assert found, f"{package} is not locked in {name}.txt"
    return found[1]


def main() -> None:
    commit = asyncio.run(run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, environ={})).decode().strip()
    lines = [
        BEGIN,
        *table(read_results(Path(sys.argv[1]))),
        "",
        f"On {datetime.now(UTC):%d %B %Y}, at `{commit}`.",
        END,
    ]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"no marks in {PAGE}"
    PAGE.write_text(before + "\n".join(lines) + after)


if __name__ == "__main__":
    main()
