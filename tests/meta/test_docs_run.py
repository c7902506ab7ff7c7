"""The examples of the documentation are run as they stand, against a real gateway with a scripted provider."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.contract.node import CLIENT
from tests.helpers.chat_wire import chat_json, tool_call_chunks
from tests.helpers.gateway import Gateway
from tests.helpers.node import node
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer, answer_like, stream
from tests.meta.pages import Block, blocks

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 60


def brain(request: Seen) -> Reply:
    """Remembers a name, and asks for the weather when it can."""
    body = request.json
    said = [message["content"] for message in body["messages"] if message["role"] == "user"]
    if body.get("tools"):
        arguments = '{"city": "Paris"}'
        if request.wants_stream:
            return stream(*tool_call_chunks("get_weather", arguments))
        call = {"id": "call_1", "name": "get_weather", "arguments": arguments}
        return answer(chat_json(None, tool_calls=[call]))
    if body["messages"][-1]["role"] == "tool":
        return answer_like(request, f"The tool said {body['messages'][-1]['content']}")
    return answer_like(request, f"You said: {' / '.join(map(str, said))}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        ThreadedUpstream(brain) as upstream,
        Gateway(upstream.url, tmp_path_factory.mktemp("docs"), config={"models": {"local": "test/m"}}) as running,
    ):
        yield running


def run(command: Sequence[str | Path], *, given: str = "", environ: Mapping[str, str]) -> str:
    """What the command prints. It must end well and say nothing on standard error."""

    async def main() -> tuple[int | None, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=-1, stdout=-1, stderr=-1, env={**os.environ, **environ}
        )
        out, err = await asyncio.wait_for(process.communicate(given.encode()), _TIMEOUT_S)
        return process.returncode, out, err

    code, out, err = asyncio.run(main())
    assert code == 0, err.decode()
    return out.decode()


def here(text: str, gateway: Gateway) -> str:
    """The example with the address and the key of this gateway."""
    return (
        text.replace("http://127.0.0.1:8000", gateway.url).replace("sk-...", gateway.key).replace("sk-…", gateway.key)
    )


def environ_of(gateway: Gateway) -> dict[str, str]:
    return {"ANTIPHON_URL": gateway.url, "ANTIPHON_API_KEY": gateway.key}


def examples(language: str, mark: str) -> list[object]:
    return [pytest.param(block, id=str(block)) for block in blocks(language) if mark in block.text]


@pytest.mark.parametrize("block", examples("sh", "curl"))
def test_curl_that_is_shown_gets_an_answer(block: Block, gateway: Gateway) -> None:
    said = run(["sh", "-c", here(block.text, gateway)], environ=environ_of(gateway))
    assert json.loads(said)["output"][0]["content"][0]["text"] == "You said: Say hello."


@pytest.mark.parametrize("block", examples("python", "OpenAI("))
def test_python_that_is_shown_gets_its_answers(block: Block, gateway: Gateway, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(here(block.text, gateway))
    said = run([sys.executable, script], environ={})
    assert said.startswith("You said: "), said
    assert " / " in said.splitlines()[0], "the second question continues the first"


@pytest.mark.parametrize("block", examples("js", "new OpenAI("))
def test_javascript_that_is_shown_gets_its_answer(block: Block, gateway: Gateway, tmp_path: Path) -> None:
    assert javascript(here(block.text, gateway), tmp_path, environ={}).startswith("You said: ")


def test_python_chat_remembers(gateway: Gateway) -> None:
    said = run([sys.executable, ROOT / "examples/chat.py"], given="One\nTwo\n", environ=environ_of(gateway))
    assert "You said: One\n" in said
    assert "You said: One / Two\n" in said


def test_python_tool_is_called(gateway: Gateway) -> None:
    said = run([sys.executable, ROOT / "examples/tools.py"], environ=environ_of(gateway))
    assert said.startswith("The tool said ")
    assert '"city": "Paris"' in said


def test_javascript_streams(gateway: Gateway, tmp_path: Path) -> None:
    text = (ROOT / "examples/stream.mjs").read_text()
    assert javascript(text, tmp_path, environ=environ_of(gateway)) == "You said: Tell me a story.\n"


def javascript(text: str, folder: Path, *, environ: Mapping[str, str]) -> str:
    (folder / "node_modules").symlink_to(CLIENT.folder() / "node_modules")
    script = folder / "example.mjs"
    script.write_text(text)
    return run([node(), script], environ=environ)
