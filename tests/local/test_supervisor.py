"""The local model's life: it comes up, answers, comes back after a crash, and never stays behind."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
import uvloop

from antiphon.local.supervisor import LocalModel, LocalSettings
from tests.helpers.local_model import process_end, running_local_model

T = TypeVar("T")


async def ask(model: LocalModel) -> str:
    """One chat completion through the front door, with no randomness."""
    body = {
        "model": "any",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0,
        "max_tokens": 12,
    }
    headers = {"authorization": f"Bearer {model.api_key.value}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(model.base_url + "/chat/completions", json=body, headers=headers) as response,
    ):
        answer = await response.json()
        assert response.status == 200, answer
        return str(answer["choices"][0]["message"]["content"])


async def next_life(model: LocalModel, pid: int | None) -> int:
    """Wait until another process than `pid` is there."""
    async with asyncio.timeout(20):
        while model.pid in (None, pid):  # noqa: ASYNC110 - the supervisor has no event for it, and needs none
            await asyncio.sleep(0)
    assert model.pid is not None
    return model.pid


async def first_failure(model: LocalModel) -> str:
    async with asyncio.timeout(20):
        while model.failure is None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
    return model.failure


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_model_answers_and_stops_with_its_supervisor(
    model_file: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> tuple[str, int]:
        async with running_local_model(LocalSettings(model_file)) as model:
            answer, pid = await ask(model), model.pid
            assert pid is not None
        assert not model.ready.is_set()
        return answer, pid

    answer, pid = run_on(loop, main())

    assert answer.strip()
    with pytest.raises(ProcessLookupError):  # neither running nor a zombie
        os.kill(pid, 0)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_killed_model_comes_back_at_the_same_address(
    model_file: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> tuple[str, str]:
        async with running_local_model(LocalSettings(model_file, first_delay_s=0.01)) as model:
            first, address = model.pid, model.base_url
            assert first is not None
            before = await ask(model)
            os.kill(first, signal.SIGKILL)
            await process_end(first)
            await next_life(model, first)
            await model.ready.wait()
            assert (model.base_url, model.failure) == (address, None)
            return before, await ask(model)

    before, after = run_on(loop, main())

    assert before == after  # the same model, asked without randomness


def test_connections_are_refused_while_the_model_is_not_up(model_file: Path) -> None:
    async def main() -> None:
        async with running_local_model(LocalSettings(model_file), wait=False) as model:
            assert not model.ready.is_set()
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(model)

    asyncio.run(main())


def test_supervisor_that_is_stopped_while_the_model_loads_leaves_no_process(model_file: Path) -> None:
    async def main() -> int:
        async with running_local_model(LocalSettings(model_file), wait=False) as model:
            return await next_life(model, None)

    pid = asyncio.run(main())

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_model_that_cannot_be_loaded_is_tried_again_and_the_reason_is_kept(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF and then nothing that makes sense")

    async def main() -> str:
        async with running_local_model(LocalSettings(bad, first_delay_s=0.01), wait=False) as model:
            first = await next_life(model, None)
            reason = await first_failure(model)
            await next_life(model, first)
            return reason

    reason = asyncio.run(main())

    assert "ended with status 1" in reason
    assert "Failed to init server" in reason


def test_model_that_does_not_come_up_in_time_is_stopped_and_started_again(model_file: Path) -> None:
    async def main() -> tuple[str, int]:
        settings = LocalSettings(model_file, start_timeout_s=0.01, first_delay_s=0.01)
        async with running_local_model(settings, wait=False) as model:
            first = await next_life(model, None)
            return await first_failure(model), first

    reason, pid = asyncio.run(main())

    assert "ended with status -15" in reason
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_model_that_does_not_heed_sigterm_is_killed(model_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        async with running_local_model(LocalSettings(model_file, stop_timeout_s=0.1)) as model:
            assert model.pid is not None
            return model.pid

    # A blocked signal stays blocked in the processes one starts.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        pid = asyncio.run(main())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert any("did not end on SIGTERM" in record.message for record in caplog.records)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_model_dies_with_a_supervisor_that_is_killed(model_file: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from antiphon.local.supervisor import *\n"
        "async def main():\n"
        "    model = LocalModel(LocalSettings(Path(sys.argv[1])))\n"
        "    async with asyncio.TaskGroup() as tasks:\n"
        "        tasks.create_task(model.run())\n"
        "        await model.ready.wait()\n"
        "        print(model.pid, flush=True)\n"
        "asyncio.run(main())\n"
    )

    async def main() -> None:
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, str(model_file)), stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        pid = int(await parent.stdout.readline())
        parent.kill()
        await parent.wait()
        await process_end(pid, timeout_s=10)

    asyncio.run(main())


def test_secrets_of_the_gateway_are_not_handed_to_the_child(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-the-child")
    monkeypatch.setenv("ANTIPHON_ADMIN", "not-for-the-child")

    async def main() -> bytes:
        async with running_local_model(LocalSettings(model_file)) as model:
            return Path(f"/proc/{model.pid}/environ").read_bytes()

    environment = asyncio.run(main())

    assert b"PATH=" in environment
    assert b"not-for-the-child" not in environment


def test_what_the_child_writes_is_logged_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="antiphon.local.supervisor")

    async def main() -> None:
        async with running_local_model(LocalSettings(tmp_path / "no.gguf"), wait=False) as model:
            await first_failure(model)

    asyncio.run(main())

    assert any("no.gguf" in record.message for record in caplog.records if record.levelno == logging.DEBUG)
    assert any("starting it again" in record.message for record in caplog.records if record.levelno == logging.WARNING)


def test_model_that_never_runs_gives_its_port_back(model_file: Path) -> None:
    model = LocalModel(LocalSettings(model_file))
    assert model.base_url.startswith("http://127.0.0.1:")
    model.close()
