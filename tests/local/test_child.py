"""The process that holds the model, started the way its supervisor starts it."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

KEY = "a-key-only-the-parent-knows"


@asynccontextmanager
async def child(model: Path, *options: str, key: str = KEY) -> AsyncIterator[tuple[Process, str]]:
    """The process and what it announced, an empty address if it ended without."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon.local.child", "--model", str(model), *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key.encode() + b"\n")
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        yield process, json.loads(line)["address"] if line else ""
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def status_of(address: str, path: str, key: str | None) -> int:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession() as session, session.get(address + path, headers=headers) as response:
        assert "*" not in response.headers.get("access-control-allow-origin", "")
        return response.status


def test_listens_on_loopback_and_answers_only_who_knows_the_key(model_file: Path) -> None:
    async def main() -> tuple[str | None, list[int]]:
        async with child(model_file) as (_, address):
            statuses = [
                await status_of(address, "/v1/models", KEY),
                await status_of(address, "/v1/models", None),
                await status_of(address, "/v1/models", KEY.upper()),
                await status_of(address, "/slots", KEY),
                await status_of(address, "/tools", KEY),
                await status_of(address, "/", KEY),
            ]
            return urlsplit(address).hostname, statuses

    host, statuses = asyncio.run(main())

    assert host == "127.0.0.1"
    assert statuses == [200, 401, 401, 501, 403, 404]


def test_key_is_nowhere_another_user_could_read_it(model_file: Path) -> None:
    async def main() -> bytes:
        async with child(model_file) as (process, _):
            proc = Path("/proc") / str(process.pid)
            return (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()

    assert KEY.encode() not in asyncio.run(main())


def test_reports_its_alias_and_shares_its_context_over_the_slots(model_file: Path) -> None:
    async def main() -> tuple[str, int]:
        options = ("--alias", "small", "--slots", "4", "--context", "4096", "--threads", "1")
        async with child(model_file, *options) as (_, address), aiohttp.ClientSession() as session:
            async with session.get(address + "/v1/models", headers={"authorization": f"Bearer {KEY}"}) as response:
                model = (await response.json())["data"][0]
            return model["id"], model["meta"]["n_ctx"]

    assert asyncio.run(main()) == ("small", 1024)


def test_ends_when_stdin_ends(model_file: Path) -> None:
    async def main() -> int:
        async with child(model_file) as (process, _):
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(10):
                return await process.wait()

    assert asyncio.run(main()) == 0


def test_ends_on_sigterm_and_outlives_control_c(model_file: Path) -> None:
    async def main() -> tuple[int, int]:
        async with child(model_file) as (process, address):
            process.send_signal(signal.SIGINT)
            status = await status_of(address, "/health", KEY)
            process.terminate()
            async with asyncio.timeout(10):
                return status, await process.wait()

    assert asyncio.run(main()) == (200, -signal.SIGTERM)


@pytest.mark.parametrize("key", ["", "   "])
def test_does_not_serve_without_a_key(model_file: Path, key: str) -> None:
    async def main() -> tuple[str, int, bytes]:
        async with child(model_file, key=key) as (process, address):
            assert process.stderr is not None
            return address, await process.wait(), await process.stderr.read()

    address, status, said = asyncio.run(main())

    assert (address, status) == ("", 1)
    assert b"no API key" in said


def test_tamed_model_ends_its_answer_when_nobody_set_a_limit(model_file: Path) -> None:
    async def main() -> dict[str, object]:
        async with child(model_file, "--tame") as (_, address), aiohttp.ClientSession() as session:
            body = {"messages": [{"role": "user", "content": "Say hello."}], "ignore_eos": True}
            headers = {"authorization": f"Bearer {KEY}"}
            async with session.post(address + "/v1/chat/completions", json=body, headers=headers) as response:
                said = await response.json()
            return {"tokens": said["usage"]["completion_tokens"], "why": said["choices"][0]["finish_reason"]}

    assert asyncio.run(main()) == {"tokens": 512, "why": "length"}
