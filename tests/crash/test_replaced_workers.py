"""A worker that takes the place of a dead one, after the settings have changed: it serves as the others do."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import msgspec
import yaml

from tests.helpers.crew import pinned, workers_of
from tests.helpers.gateway import add_key
from tests.helpers.process import database_url, gateway_process, write_config
from tests.helpers.upstream import ScriptedUpstream, answer, chat_json


def test_what_needs_a_restart_stays_for_a_worker_that_is_started_later_too(tmp_path: Path) -> None:
    """Another database would be another truth: keys that nobody knows, and responses that are not there."""

    async def main(up: ScriptedUpstream) -> None:
        config = write_config(tmp_path, up.url, server={"access_log": False, "workers": 2})
        headers = {"authorization": "Bearer " + add_key(database_url(config))}
        async with gateway_process(config) as gateway:
            async with aiohttp.ClientSession(headers=headers) as session:
                asked = {"model": "test/m", "input": "Hi"}
                async with session.post(gateway.url + "/v1/responses", json=asked) as got:
                    path = f"/v1/responses/{(await got.json())['id']}"
            document = yaml.safe_load(config.read_text())
            changed = {"data_dir": str(tmp_path / "elsewhere"), "models": {"mine": "test/m"}}
            config.write_text(yaml.safe_dump({**document, **changed}))
            gateway.signal(signal.SIGHUP)
            told: str = msgspec.json.decode(await gateway.says("until a restart"))["message"]
            assert told.endswith(": data_dir"), told
            said = len(gateway.said)
            os.kill(workers_of(gateway)[0], signal.SIGKILL)
            await gateway.says("serves, process", since=said)
            async with pinned(gateway, headers) as members:
                for member in members:
                    assert await member.models() == {"mine"}
                    assert await member.status(path) == 200
            assert not (tmp_path / "elsewhere").exists()

    async def with_upstream() -> None:
        async with ScriptedUpstream(answer(chat_json("Hello."))) as up:
            await main(up)

    asyncio.run(with_upstream())
