"""Settings that change while the gateway serves: streams go on, bad files are refused, and what cannot change is told."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, command, database_url, gateway_process, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, error, sse, stream, text_chunks

WIRE = sse(*text_chunks("Hel", "lo."))
EVENTS = {"content-type": "text/event-stream"}
#: With models that are named, so that a name that leads nowhere is a mistake.
LISTED = {"test": {"base_url": "http://127.0.0.1:9/v1", "protocol": "chat", "models": ["m", "other"]}}
READ_ANEW = "the settings were read anew"
REFUSED = "the settings stay as they were"


class Client:
    """Requests to one gateway."""

    def __init__(self, gateway: GatewayProcess, session: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._session = session

    async def create(self, model: str, **body: Any) -> aiohttp.ClientResponse:
        return await self._session.post(
            self._gateway.url + "/v1/responses", json={"model": model, "input": "Hi", **body}
        )

    async def models(self) -> set[str]:
        async with self._session.get(self._gateway.url + "/v1/models") as answer:
            return {model["id"] for model in (await answer.json())["data"]}

    async def reloads(self) -> dict[str, float]:
        """The counter of reloads by its result."""
        async with self._session.get(self._gateway.url + "/metrics") as answer:
            lines = [line for line in (await answer.text()).splitlines() if line.startswith("antiphon_reloads_total{")]
        return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[tuple[GatewayProcess, Client]]:
    headers = {"authorization": "Bearer " + add_key(database_url(config))}
    async with gateway_process(config) as gateway, aiohttp.ClientSession(headers=headers) as session:
        yield gateway, Client(gateway, session)


def change(config: Path, **sections: Any) -> None:
    """Give sections of the file other values."""
    document = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**document, **sections}))


def message(line: str) -> str:
    """The text of a line of the log."""
    text: str = msgspec.json.decode(line)["message"]
    return text


def test_stream_goes_on_while_its_provider_is_taken_out_of_the_settings(tmp_path: Path) -> None:
    gate = Gate()

    async def main(old: ScriptedUpstream, new: ScriptedUpstream) -> None:
        config = write_config(tmp_path, old.url, limits={"run_s": 600})
        async with serving(config) as (gateway, client):
            answer = await client.create("test/m", stream=True)
            seen = await answer.content.readuntil(b'"delta":"Hel"')
            other = {"base_url": new.url, "protocol": "chat", "models": ["fresh"]}
            change(config, providers={"other": other}, models={"quick": "fresh"}, limits={"run_s": 0.5})
            gateway.signal(signal.SIGHUP)
            await gateway.says(READ_ANEW)
            assert await client.models() == {"fresh", "quick"}
            assert (await client.create("test/m")).status == 404
            assert (await client.create("quick")).status == 200
            gate.open()
            checked = check_stream(seen + await answer.read())
            assert (checked.response["status"], checked.text) == ("completed", "Hello.")
            assert (len(old.requests), len(new.requests)) == (1, 1)
            assert await client.reloads() == {"ok": 1}

    async def with_upstreams() -> None:
        slow = Reply([*WIRE[:2], gate, *WIRE[2:]], headers=EVENTS, framing="chunked")
        async with ScriptedUpstream(slow) as old, ScriptedUpstream(stream(*text_chunks("Hi"))) as new:
            await main(old, new)

    asyncio.run(with_upstreams())


def test_bad_file_is_refused_in_the_words_of_check_config_and_the_old_one_stays(tmp_path: Path) -> None:
    async def main() -> None:
        config = write_config(tmp_path, providers=LISTED, models={"mine": "m"})
        async with serving(config) as (gateway, client):
            change(config, modles={"x": "y"}, models={"yours": "tset/m"})
            gateway.signal(signal.SIGHUP)
            said = message(await gateway.says(REFUSED))
            checked = await command("check-config", config=config)
            assert checked.code == 2
            assert said.partition("\n")[2] == checked.err.rstrip("\n")
            assert await client.models() == {"mine", "m", "other"}
            # One that can be read, and names what does not exist.
            document = yaml.safe_load(config.read_text())
            del document["modles"]
            config.write_text(yaml.safe_dump(document))
            before = len(gateway.said)
            gateway.signal(signal.SIGHUP)
            again = message(await gateway.says("yours", since=before))
            assert again.partition("\n")[2] == (await command("check-config", config=config)).err.rstrip("\n")
            config.unlink()
            gateway.signal(signal.SIGHUP)
            await gateway.says("cannot be read")
            assert await client.models() == {"mine", "m", "other"}
            assert await client.reloads() == {"refused": 3}

    asyncio.run(main())


def test_what_needs_a_restart_is_told_and_stays(tmp_path: Path) -> None:
    async def main() -> None:
        config = write_config(tmp_path, "http://127.0.0.1:9/v1")
        async with serving(config) as (gateway, client):
            change(config, local={"slots": 3}, server={"port": 1, "cors_origins": ["https://a.example"]}, data_dir="no")
            change(config, models={"mine": "test/m"})
            gateway.signal(signal.SIGHUP)
            told = message(await gateway.says("until a restart"))
            # `--port` on the command line holds on, so the file's is no change.
            assert told.endswith(": server.access_log, local, data_dir"), told
            assert await client.models() == {"mine"}
            preflight = {"origin": "https://a.example", "access-control-request-method": "GET"}
            async with (
                aiohttp.ClientSession() as page,
                page.options(f"{gateway.url}/readyz", headers=preflight) as seen,
            ):
                assert seen.headers["access-control-allow-origin"] == "https://a.example"
            assert not (tmp_path / "no").exists()

    asyncio.run(main())


def test_an_outage_has_no_new_budget_of_retries_after_a_reload(tmp_path: Path) -> None:
    async def main() -> None:
        retries = {"attempts": 2, "max_wait_s": 0.01, "budget_percent": 0}
        async with ScriptedUpstream(lambda _: error(500, "Boom.")) as upstream:
            config = write_config(tmp_path, upstream.url, retries=retries)
            async with serving(config) as (gateway, client):
                for _ in range(12):
                    assert (await client.create("test/m", store=False)).status == 502
                assert len(upstream.requests) == 12 + 10
                change(config, retries={**retries, "max_wait_s": 0.02})
                gateway.signal(signal.SIGHUP)
                await gateway.says(READ_ANEW)
                assert (await client.create("test/m", store=False)).status == 502
                assert len(upstream.requests) == 13 + 10

    asyncio.run(main())


def test_watched_files_take_effect_by_themselves(tmp_path: Path) -> None:
    async def main() -> None:
        config = write_config(tmp_path, providers=LISTED, server={"reload": True}, models={"a": "${LEADS_TO}"})
        (tmp_path / ".env").write_text("LEADS_TO=m\n")
        async with serving(config) as (gateway, client):
            change(config, models={"a": "${LEADS_TO}", "b": "test/m"})
            await gateway.says(READ_ANEW)
            assert await client.models() == {"a", "b", "m", "other"}
            before = len(gateway.said)
            (tmp_path / ".env").write_text("LEADS_TO=nowhere/at/all\n")
            assert "models.a" in await gateway.says(REFUSED, since=before)
            (tmp_path / ".env").write_text("LEADS_TO=other\n")
            await gateway.says(READ_ANEW, since=before)
            assert await client.reloads() == {"ok": 2, "refused": 1}

    asyncio.run(main())
