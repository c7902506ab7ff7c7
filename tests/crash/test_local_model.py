"""`kill -9` of the local model under a stream, and of the gateway above the model."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec

from tests.crash.talk import call
from tests.helpers.gateway import add_key
from tests.helpers.local_model import process_end
from tests.helpers.process import GatewayProcess, children_of, database_url, gateway_process, write_config
from tests.helpers.stream import check_response, check_stream

_LONG = {"model": "local", "input": "Count from one to five hundred.", "max_output_tokens": 1500, "temperature": 0}
_SHORT = {"model": "local", "input": "Say hello.", "max_output_tokens": 4}


class Stage(NamedTuple):
    gateway: GatewayProcess
    session: aiohttp.ClientSession
    key: str
    model_pid: int

    async def ask(self, body: object) -> tuple[int, bytes]:
        return await call(self.session, "POST", f"{self.gateway.url}/v1/responses", key=self.key, body=body)


@asynccontextmanager
async def stage(directory: Path, model: Path) -> AsyncIterator[Stage]:
    config = write_config(
        directory,
        local={"enabled": True, "model": str(model), "context": 2048},
        retries={"attempts": 1},  # a second attempt may meet the next model while it loads, or find it ready
    )
    key = add_key(database_url(config))
    async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
        [model_pid] = children_of(gateway.pid)
        yield Stage(gateway, session, key, model_pid)


def test_model_killed_under_a_stream_ends_it_once_and_comes_back(tmp_path: Path, model_file: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, model_file) as scene:
            checked = check_stream(await stream_with_kill(scene), usage_optional=True)
            assert checked.types.count("response.failed") == 1
            assert checked.types[-1] == "response.failed"
            assert checked.text  # what there was is kept
            status, stored = await call(
                scene.session, "GET", f"{scene.gateway.url}/v1/responses/{checked.response['id']}", key=scene.key
            )
            assert (status, msgspec.json.decode(stored)) == (200, checked.response)
            await scene.gateway.ready()
            assert children_of(scene.gateway.pid) != [scene.model_pid]
            status, body = await scene.ask(_SHORT)
            assert status == 200, body
            check_response(msgspec.json.decode(body))

    asyncio.run(main())


async def stream_with_kill(scene: Stage) -> bytes:
    """A stream during which the model is killed once there is text."""
    received = b""
    body = {**_LONG, "stream": True, "store": True}
    headers = {"authorization": f"Bearer {scene.key}"}
    async with (
        asyncio.timeout(60),
        scene.session.post(f"{scene.gateway.url}/v1/responses", json=body, headers=headers) as answer,
    ):
        assert answer.status == 200
        killed = False
        async for data in answer.content.iter_any():
            received += data
            if not killed and b"response.output_text.delta" in received:
                killed = True
                os.kill(scene.model_pid, signal.SIGKILL)
    return received


def test_model_killed_before_it_has_said_anything_is_an_http_error(tmp_path: Path, model_file: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, model_file) as scene:
            os.kill(scene.model_pid, signal.SIGSTOP)  # takes requests, and says nothing
            asked = asyncio.create_task(scene.ask({**_SHORT, "stream": True}))
            await live_run(scene)
            os.kill(scene.model_pid, signal.SIGKILL)
            status, body = await asked
            assert status in (502, 503), body
            error = msgspec.json.decode(body)["error"]
            assert (error["type"], error["code"]) in {
                ("server_error", "upstream_unreachable"),
                ("server_error", "upstream_error"),
            }
            await process_end(scene.model_pid)
            await scene.gateway.ready()
            status, body = await scene.ask(_SHORT)
            assert status == 200, body

    asyncio.run(main())


async def live_run(scene: Stage) -> None:
    """Wait until a run is under way."""
    async with asyncio.timeout(30):
        while True:
            _, metrics = await call(scene.session, "GET", f"{scene.gateway.url}/metrics", key=scene.key)
            if b"antiphon_live_runs 1.0" in metrics:
                return
            await asyncio.sleep(0.01)


def test_killed_gateway_leaves_no_model_behind(tmp_path: Path, model_file: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, model_file) as scene:
            body = {**_LONG, "stream": True}
            headers = {"authorization": f"Bearer {scene.key}"}
            async with scene.session.post(f"{scene.gateway.url}/v1/responses", json=body, headers=headers) as answer:
                assert await answer.content.readany()  # it is in the middle of its work
                await scene.gateway.kill()
            await process_end(scene.model_pid, timeout_s=10)

    asyncio.run(main())
