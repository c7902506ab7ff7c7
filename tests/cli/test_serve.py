"""`antiphon serve` as a newcomer meets it: what it says first, how it fails, and how it ends."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.cli.processes import WAIT_S, antiphon, terminal
from tests.helpers.process import refused
from tests.helpers.stream import check_stream
from tests.helpers.upstream import ScriptedUpstream, stream, text_chunks

_CURL = re.compile(
    r"curl (?P<url>http://\S+)/v1/responses -H \"Authorization: Bearer (?P<key>[^\"]+)\" -H .* -d '\{.*\}'"
)


@asynccontextmanager
async def serving(*arguments: str, **environ: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", "serve", *arguments), stderr=PIPE, env={**os.environ, **environ}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def welcome(process: Process) -> str:
    """All it says until it has said everything."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(WAIT_S):
        while "or talk to it" not in said and "Nothing can answer yet" not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
    return said


async def stopped(process: Process, *, by: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(by)
    async with asyncio.timeout(WAIT_S):
        return await process.wait()


async def status(url: str, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models", headers=headers) as answer:
        return answer.status


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_first_start_prints_a_command_to_paste_and_ends_with_0(by: signal.Signals) -> None:
    async def main() -> tuple[str, int, int]:
        async with serving(OPENAI_API_KEY="sk-x") as process:
            said = await welcome(process)
            found = _CURL.search(said)
            assert found, said
            return said, await status(found["url"], found["key"]), await stopped(process, by=by)

    said, answered, code = asyncio.run(main())
    assert (answered, code) == (200, 0)
    assert '"model": "openai/MODEL"' in said
    assert "public search pages (ddgs)" in said


def test_later_starts_keep_the_key_out_of_logs(data_dir: Path) -> None:
    async def main() -> str:
        said = ""
        for _ in range(2):
            async with serving(OPENAI_API_KEY="sk-x") as process:
                said = await welcome(process)
                assert await stopped(process) == 0
        return said

    said = asyncio.run(main())
    file = data_dir / "quickstart.key"
    assert file.read_text().strip() not in said
    assert f'"Authorization: Bearer $(cat {file})"' in said
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("data_dir")
def test_gateway_that_reaches_no_model_says_what_is_missing() -> None:
    async def main() -> str:
        async with serving() as process:
            return await welcome(process)

    assert "set a provider's key" in asyncio.run(main())


@pytest.mark.usefixtures("data_dir")
def test_control_c_on_a_terminal_ends_it_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")

    async def main() -> int:
        async with terminal("serve") as seen:
            assert "sk-" in await seen.sees("or talk to it")
            seen.type("\x03")
            return await seen.ends()

    assert asyncio.run(main()) == 0


@pytest.mark.usefixtures("data_dir")
def test_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = asyncio.run(antiphon("serve", "--port", str(port)))
    assert ended.code == 1
    assert ended.err.startswith(
        f"Error: Cannot listen on 127.0.0.1 port {port}: address already in use. Choose another"
    )
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [("sqlite:///{dir}/bad.db", "file is not a database"), ("sqlite:///{dir}/no/such.db", "unable to open")],
)
def test_unusable_database_is_told_in_one_line(data_dir: Path, url: str, reason: str) -> None:
    (data_dir.parent / "bad.db").write_text("this is no database, however long one looks at it")

    async def main() -> tuple[int, str]:
        async with serving(ANTIPHON_DATABASE_URL=url.format(dir=data_dir.parent)) as process:
            _, said = await process.communicate()
            return process.returncode or 0, said.decode()

    code, said = asyncio.run(main())
    assert code == 1
    assert said.startswith("Error: The database cannot be used.")
    assert reason in said
    assert said.count("\n") == 1


def test_told_to_stop_twice_it_ends_answers_that_are_being_made(data_dir: Path) -> None:
    async def main(upstream: ScriptedUpstream) -> tuple[bytes, int]:
        (data_dir.parent / "antiphon.yaml").write_text(f"providers: {{test: {{base_url: '{upstream.url}'}}}}\n")
        async with serving() as process, aiohttp.ClientSession() as session:
            found = _CURL.search(await welcome(process))
            assert found
            headers = {"authorization": f"Bearer {found['key']}"}
            body = {"model": "test/m", "input": "Hi", "stream": True}
            async with session.post(f"{found['url']}/v1/responses", json=body, headers=headers) as answer:
                received = await answer.content.readuntil(b"Hel")
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(WAIT_S):
                    await refused(found["url"])
                process.send_signal(signal.SIGTERM)
                received += await answer.read()
            async with asyncio.timeout(WAIT_S):
                return received, await process.wait()

    async def with_upstream() -> tuple[bytes, int]:
        role, text, *_ = text_chunks("Hel", "lo")
        async with ScriptedUpstream(stream(role, text, "stall", done=False)) as upstream:
            return await main(upstream)

    received, code = asyncio.run(with_upstream())
    assert code == 0
    assert check_stream(received, usage_optional=True).types[-1] == "response.failed"


def test_told_to_stop_in_the_middle_of_the_download_it_stops_at_once(data_dir: Path) -> None:
    index = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    index.setblocking(False)
    environ = {
        "ANTIPHON_LOCAL": "on",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_NO_INDEX": "",
    }

    async def main() -> tuple[int, str]:
        async with serving(**environ) as process:
            async with asyncio.timeout(WAIT_S):
                asking, _ = await asyncio.get_running_loop().sock_accept(index)
            with asking:
                code = await stopped(process)
            assert process.stderr is not None
            return code, (await process.stderr.read()).decode()

    with index:
        code, said = asyncio.run(main())
    assert code == 0
    assert "Traceback" not in said
    assert not list((data_dir / "models").iterdir())


@pytest.mark.usefixtures("data_dir")
def test_terminal_that_is_closed_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")

    async def main() -> int:
        async with terminal("serve") as seen:
            await seen.sees("or talk to it")
            seen.close()
            return await seen.ends()

    assert asyncio.run(main()) == 0
