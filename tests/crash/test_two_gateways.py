"""Two gateways on one database: what one has stored the other knows, and a revoked key is refused by both."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from antiphon.cli.quickstart import quickstart_key
from antiphon.config.load import load
from antiphon.store.keys import open_keys
from tests.crash.talk import call
from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, command, database_url, gateway_process, write_config
from tests.helpers.upstream import ScriptedUpstream, echo_brain
from tests.store.conftest import PostgresServer

#: The promise: a key stops working everywhere within a second.
_REVOKED_WITHIN_S = 1.0


class Pair:
    """Two gateways, and whoever talks to them."""

    def __init__(self, config: Path, session: aiohttp.ClientSession, *, urls: tuple[str, str], key: str) -> None:
        self.config = config
        self.urls = urls
        self.key = key
        self._session = session

    async def call(self, url: str, method: str, path: str, body: object = None, *, key: str = "") -> tuple[int, Any]:
        status, answer = await call(self._session, method, f"{url}/v1{path}", key=key or self.key, body=body)
        return status, msgspec.json.decode(answer)

    async def create(self, url: str, **body: object) -> Any:
        status, answer = await self.call(url, "POST", "/responses", {"model": "test/m", **body})
        assert status == 200, answer
        return answer


@asynccontextmanager
async def pair(directory: Path, sections: dict[str, Any]) -> AsyncIterator[Pair]:
    async with ScriptedUpstream(echo_brain) as up, aiohttp.ClientSession() as session:
        config = write_config(directory, up.url, **sections)
        key = add_key(database_url(config))
        async with gateway_process(config) as one, gateway_process(config) as two:
            yield Pair(config, session, urls=(one.url, two.url), key=key)


@pytest.fixture(params=["sqlite", "postgres"])
def sections(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of an empty database."""
    if request.param == "sqlite":
        return {}
    server: PostgresServer = request.getfixturevalue("postgres")
    return {"store": {"url": server.empty_database()}}


def test_response_of_one_gateway_is_continued_read_and_deleted_at_the_other(
    tmp_path: Path, sections: dict[str, Any]
) -> None:
    async def main() -> None:
        async with pair(tmp_path, sections) as both:
            one, two = both.urls
            response: Any = {"id": None}
            for turn in range(6):  # to and fro, each time at once
                here = both.urls[turn % 2]
                response = await both.create(here, input=f"turn {turn}", previous_response_id=response["id"])
                seen = msgspec.json.decode(response["output"][0]["content"][0]["text"])
                assert [each["content"] for each in seen if each["role"] == "user"] == [
                    f"turn {number}" for number in range(turn + 1)
                ]
            path = f"/responses/{response['id']}"
            assert await both.call(one, "GET", path) == await both.call(two, "GET", path) == (200, response)
            assert (await both.call(one, "DELETE", path))[0] == 200
            assert (await both.call(two, "GET", path))[0] == 404

    asyncio.run(main())


def test_key_revoked_on_the_command_line_is_refused_by_both_within_a_second(
    tmp_path: Path, sections: dict[str, Any]
) -> None:
    async def main() -> None:
        async with pair(tmp_path, sections) as both:
            made = await command("keys", "create", "doomed", config=both.config)
            assert made.code == 0, made.err
            key = made.out.strip()
            for url in both.urls:
                assert (await both.call(url, "GET", "/models", key=key))[0] == 200
            revoked = await command("keys", "revoke", "doomed", config=both.config)
            assert revoked.code == 0, revoked.err
            took_s = await asyncio.gather(*(refused_after_s(both, url, key) for url in both.urls))
            print(f"refused after {[f'{each:.2f} s' for each in took_s]}")
            assert max(took_s) < _REVOKED_WITHIN_S
            assert (await both.call(both.urls[0], "GET", "/models"))[0] == 200

    asyncio.run(main())


async def refused_after_s(both: Pair, url: str, key: str) -> float:
    """Ask until the key is refused: how long that took, from the moment the command had ended."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout(30):
        while True:
            asked_at = clock()
            status, body = await both.call(url, "GET", "/models", key=key)
            if status == 401:
                assert body["error"]["code"] == "invalid_api_key"
                return asked_at - began
            assert status == 200, body
            await asyncio.sleep(0.02)


def test_starts_at_the_same_moment_make_one_key_between_them(tmp_path: Path, sections: dict[str, Any]) -> None:
    config = write_config(tmp_path, **sections)
    settings = load(config, {})
    with open_keys(database_url(config)):
        pass  # the tables are there: the race is for the key alone

    with ThreadPoolExecutor(8) as starts:
        made = list(starts.map(lambda _: quickstart_key(settings), range(8)))

    assert sum(key is not None and key.is_new for key in made) == 1
    assert len({key.text if key is not None else None for key in made}) == 1
    with open_keys(settings.database_url) as keys:
        assert len(keys.list_keys(None)) == 1


def test_gateways_that_start_at_once_on_an_empty_database_both_come_up(
    tmp_path: Path, sections: dict[str, Any]
) -> None:
    async def main() -> None:
        config = write_config(tmp_path, "http://127.0.0.1:9/v1", **sections)
        gateways = [await GatewayProcess.start(config) for _ in range(3)]
        try:
            await asyncio.gather(*(gateway.ready() for gateway in gateways))
            # Each tells of the one key that the first of them made.
            key = (tmp_path / "data" / "quickstart.key").read_text().strip()
            async with aiohttp.ClientSession() as session:
                for gateway in gateways:
                    status, _ = await call(session, "GET", f"{gateway.url}/v1/models", key=key)
                    assert status == 200
        finally:
            for gateway in gateways:
                await gateway.kill()

    asyncio.run(main())
