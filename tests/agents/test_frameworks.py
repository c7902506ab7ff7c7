"""Agents of the frameworks complete a task with two tools: two calls at once, and one that needs both results.

In every way that the framework has (whole, streamed, by value, stored, with sealed thoughts), through every door that it
knows, with a model behind every wire format. What they answer at last, only the tools could tell.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.agents.mind import SUM_SAYS
from tests.agents.programs import ROOT, VERCEL, agents_python, run_walled
from tests.agents.stage import DIALECTS, Stage
from tests.helpers.node import node

#: Each: the command, and the folder to run it in.
CLIENTS: dict[str, Callable[[], tuple[Sequence[str], Path]]] = {
    "Vercel AI SDK": lambda: ([node(), "agent.mjs"], VERCEL.folder()),
    "OpenAI Agents SDK": lambda: ([sys.executable, "-m", "tests.agents.clients.agents_sdk"], ROOT),
    "LangChain": lambda: ([agents_python(), "-m", "tests.agents.clients.with_langchain"], ROOT),
    "Pydantic AI": lambda: ([agents_python(), "-m", "tests.agents.clients.with_pydantic_ai"], ROOT),
}

#: The two that `make test` runs as well need no more than what is installed for it.
CASES = [
    ("Vercel AI SDK", "responses"),
    ("OpenAI Agents SDK", "responses"),
    *(
        pytest.param(*case, marks=pytest.mark.long)
        for case in [
            ("Vercel AI SDK", "chat"),
            ("Vercel AI SDK", "messages"),
            ("OpenAI Agents SDK", "chat"),
            *((client, door) for client in ("LangChain", "Pydantic AI") for door in ("responses", "chat", "messages")),
        ]
    ),
]


@pytest.mark.parametrize(("client", "door"), CASES)
def test_the_agent_of_a_framework_completes_its_task(
    stage: Stage, tmp_path: Path, record_property: Callable[[str, object], None], client: str, door: str
) -> None:
    command, folder = CLIENTS[client]()
    environ = {
        "ANTIPHON_URL": stage.url,
        "ANTIPHON_KEY": stage.key,
        "ANTIPHON_MODELS": ",".join(f"{dialect}/m" for dialect in DIALECTS),
        "ANTIPHON_DOOR": door,
    }
    ended = asyncio.run(run_walled(command, stage, folder=folder, home=tmp_path, environ=environ))
    assert ended.code == 0, ended.err
    answers = msgspec.json.decode(ended.out)
    record_property("agent", f"{client} · {door}")
    for dialect, model in stage.models.items():
        said = set(answers[f"{dialect}/m"].values())
        record_property(dialect, "passed" if said == {SUM_SAYS} and not model.broken else "failed")
    assert {dialect: model.broken for dialect, model in stage.models.items() if model.broken} == {}
    assert {answer for ways in answers.values() for answer in ways.values()} == {SUM_SAYS}, answers
    assert stage.strays == []
