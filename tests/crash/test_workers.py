"""Several processes that serve as one: each goes on where another stopped, and none is missed for long when it dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import yaml

from antiphon.protocol.records import KeyRecord
from antiphon.store.keys import open_keys
from tests.crash.talk import call
from tests.helpers.crew import Member, pinned, until, workers_of
from tests.helpers.gateway import add_key
from tests.helpers.local_model import process_end
from tests.helpers.process import GatewayProcess, children_of, database_url, gateway_process, write_config
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, echo_brain, sse, text_chunks
from tests.store.conftest import PostgresServer

WIRE = sse(*text_chunks("Hel", "lo."))
EVENTS = {"content-type": "text/event-stream"}


class Stage(NamedTuple):
    gateway: GatewayProcess
    members: Sequence[Member]
    config: Path
    key: str


@asynccontextmanager
async def stage(directory: Path, upstream: str | None, *, workers: int = 2, **sections: Any) -> AsyncIterator[Stage]:
    server = {"access_log": False, "workers": workers, **sections.pop("server", {})}
    config = write_config(directory, upstream, server=server, **sections)
    key = add_key(database_url(config))
    async with (
        gateway_process(config) as gateway,
        pinned(gateway, {"authorization": f"Bearer {key}"}) as members,
    ):
        assert len(members) == workers
        yield Stage(gateway, members, config, key)


def paused(gate: Gate) -> Reply:
    """A stream that stops in the middle."""
    return Reply([*WIRE[:2], gate, *WIRE[2:]], headers=EVENTS, framing="chunked")


async def begun(member: Member) -> tuple[aiohttp.ClientResponse, bytes]:
    """A stream that has had some output."""
    answer = await member.create(stream=True)
    return answer, await answer.content.readuntil(b'"delta":"Hel"')


async def refuses(gateway: GatewayProcess) -> bool:
    try:
        _, writer = await asyncio.open_connection(*gateway.address)
    except OSError:
        return True
    writer.close()
    return False


def test_bodies_that_all_may_hold_together_are_shared_out_once(tmp_path: Path) -> None:
    """4 MiB for two: each holds two of 0.7 MB, not a third as if all were its own, and not one as if it were a quarter."""
    gate = Gate()
    server = {"max_body_mib": 1, "max_memory_bodies_mib": 4}

    async def main() -> None:
        async with AsyncExitStack() as stack:
            up = await stack.enter_async_context(ScriptedUpstream(paused(gate)))
            on = await stack.enter_async_context(stage(tmp_path, up.url, server=server, limits={"late_s": 30}))
            headers = {"authorization": f"Bearer {on.key}"}
            connected = [on.members, *[await stack.enter_async_context(pinned(on.gateway, headers)) for _ in range(2)]]
            held = []
            for one, two, three in zip(*connected, strict=True):  # by worker
                assert one.pid == two.pid == three.pid
                for member in (one, two):
                    answer = await member.create(stream=True, input="x" * 700_000)
                    assert answer.status == 200
                    held.append(answer)
                refused = await three.create(input="x" * 700_000)
                assert refused.status == 503
            gate.open()
            for answer in held:
                assert check_stream(await answer.read()).text == "Hello."

    asyncio.run(main())


def test_worker_killed_in_the_middle_of_streams_costs_its_own_and_is_replaced(tmp_path: Path) -> None:
    gate = Gate()

    async def main(up: ScriptedUpstream) -> None:
        async with stage(tmp_path, up.url) as (gateway, (one, other), _, key):
            assert await one.status("/v1/models") == 200

            async def seen() -> bool:
                return await other.metric("antiphon_requests_total") >= 3

            await until(seen)  # by the parent: what a worker counted in its last second may be lost with it
            lost, _ = await begun(one)
            kept, heard = await begun(other)
            said = len(gateway.said)
            os.kill(one.pid, signal.SIGKILL)
            with pytest.raises(aiohttp.ClientError):
                await lost.read()
            async with aiohttp.ClientSession() as fresh:  # no connection is refused, no request is left lying
                status, _ = await call(fresh, "GET", f"{gateway.url}/v1/models", key=key)
                assert status == 200
            gate.open()
            checked = check_stream(heard + await kept.read())
            assert (checked.response["status"], checked.text) == ("completed", "Hello.")
            await gateway.says("serves, process", since=said)
            assert len(workers_of(gateway)) == 2
            assert one.pid not in workers_of(gateway)
            assert await other.metric("antiphon_worker_restarts_total") == 1
            assert await other.metric("antiphon_requests_total") >= 4

            async def counted() -> bool:
                return await other.metric("antiphon_workers") == 2

            await until(counted)
            assert await gateway.stop() == 0

    async def with_upstream() -> None:
        async with ScriptedUpstream(paused(gate)) as up:
            await main(up)

    asyncio.run(with_upstream())


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_response_stored_by_one_worker_is_continued_by_another(
    tmp_path: Path, request: pytest.FixtureRequest, workers: int, database: str
) -> None:
    sections: dict[str, Any] = {}
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        sections["store"] = {"url": server.ready_database()}

    async def conversation(members: Sequence[Member], number: int) -> None:
        """Each turn at the next worker, and then all of them looked at by each."""
        previous: str | None = None
        for turn in range(len(members) + 1):
            member = members[(number + turn) % len(members)]
            async with await member.create(input=f"{number}.{turn}", previous_response_id=previous) as answer:
                body = await answer.json()
                assert answer.status == 200, body
            previous = body["id"]
        for member in members:
            assert await member.status(f"/v1/responses/{previous}") == 200
        async with members[0].session.get(f"{members[0].url}/v1/responses/{previous}/input_items?limit=100") as answer:
            texts = [item["content"][0]["text"] for item in (await answer.json())["data"] if item["role"] == "user"]
        assert texts == [f"{number}.{turn}" for turn in reversed(range(len(members) + 1))]

    async def main() -> None:
        async with (
            ScriptedUpstream(echo_brain) as up,
            stage(tmp_path, up.url, workers=workers, **sections) as (gateway, members, _, _),
        ):
            # Many at once, so that the processes want to write at the same time.
            await asyncio.gather(*(conversation(members, number) for number in range(10)))
            assert await members[0].metric("antiphon_not_stored_total") == 0
            assert await gateway.stop() == 0

    asyncio.run(main())


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_revoked_key_stops_at_every_worker_and_every_replica_within_a_second(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    sections: dict[str, Any] = {}
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        sections["store"] = {"url": server.ready_database()}

    async def ends(member: Member) -> float:
        async def refused() -> bool:
            return await member.status("/v1/models") == 401

        await until(refused)
        return asyncio.get_running_loop().time()

    async def main() -> None:
        async with stage(tmp_path, "http://127.0.0.1:9/v1", **sections) as (_, members, config, key):
            headers = {"authorization": f"Bearer {key}"}
            async with gateway_process(config) as replica, pinned(replica, headers) as others:
                everybody = [*members, *others]
                assert [await member.status("/v1/models") for member in everybody] == [200] * 4
                revoked_at = await asyncio.to_thread(_revoke, database_url(config))
                began = asyncio.get_running_loop().time()
                assert revoked_at
                ended = await asyncio.gather(*(ends(member) for member in everybody))
                assert max(ended) - began < 1.0

    asyncio.run(main())


def _revoke(url: str) -> bool:
    with open_keys(url) as keys:
        record: KeyRecord = next(iter(keys.list_keys(None)))
        return keys.revoke_key(record.tenant, record.id, at=1)


def test_told_to_stop_all_workers_end_their_streams_first(tmp_path: Path) -> None:
    gate = Gate()

    async def main(up: ScriptedUpstream) -> None:
        async with stage(tmp_path, up.url) as (gateway, members, _, _):
            streams = [await begun(member) for member in members]
            pids = workers_of(gateway)
            gateway.signal(signal.SIGTERM)

            await until(partial(refuses, gateway))
            gate.open()
            for answer, heard in streams:
                assert check_stream(heard + await answer.read()).text == "Hello."
            assert await gateway.wait() == 0
            assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    async def with_upstream() -> None:
        async with ScriptedUpstream(paused(gate)) as up:
            await main(up)

    asyncio.run(with_upstream())


def test_told_twice_they_end_the_streams_at_once(tmp_path: Path) -> None:
    async def main(up: ScriptedUpstream) -> None:
        async with stage(tmp_path, up.url, server={"drain_s": 600}) as (gateway, (member, _), _, _):
            answer, heard = await begun(member)
            gateway.signal(signal.SIGTERM)

            await until(partial(refuses, gateway))
            gateway.signal(signal.SIGTERM)
            checked = check_stream(heard + await answer.read(), usage_optional=True)
            assert checked.types[-1] == "response.failed"
            assert await gateway.wait() == 0

    async def with_upstream() -> None:
        async with ScriptedUpstream(paused(Gate())) as up:
            await main(up)

    asyncio.run(with_upstream())


def test_settings_reach_every_worker_and_bad_ones_none_not_even_a_new_one(tmp_path: Path) -> None:
    listed = {"test": {"base_url": "http://127.0.0.1:9/v1", "protocol": "chat", "models": ["m"]}}

    async def main() -> None:
        async with stage(tmp_path, None, providers=listed, models={"a": "m"}) as (gateway, members, config, key):
            document = yaml.safe_load(config.read_text())
            config.write_text(yaml.safe_dump({**document, "models": {"b": "m"}}))
            gateway.signal(signal.SIGHUP)
            for member in members:

                async def changed(member: Member = member) -> bool:
                    return await member.models() == {"b", "m"}

                await until(changed)
            config.write_text(yaml.safe_dump({**document, "models": {"c": "nowhere"}}))
            gateway.signal(signal.SIGHUP)
            await gateway.says("cannot be used")
            said = len(gateway.said)
            os.kill(members[0].pid, signal.SIGKILL)
            await gateway.says("serves, process", since=said)
            async with pinned(gateway, {"authorization": f"Bearer {key}"}) as now:
                assert [await member.models() for member in now] == [{"b", "m"}] * 2
                assert await now[0].metric("antiphon_reloads_total") == 2

    asyncio.run(main())


def test_one_scrape_tells_of_all_workers(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, "http://127.0.0.1:9/v1") as (_, (one, other), _, _):
            for _ in range(3):
                assert await one.status("/v1/models") == 200
            for _ in range(4):
                assert await other.status("/v1/models") == 200

            async def all_counted() -> bool:
                async with one.session.get(one.url + "/metrics") as answer:
                    text = await answer.text()
                return 'antiphon_requests_total{route="/v1/models",status="200"} 7.0' in text

            await until(all_counted)
            assert await one.metric("antiphon_workers") == 2

    asyncio.run(main())


def test_workers_share_one_local_model(tmp_path: Path, model_file: Path) -> None:
    async def main() -> None:
        local = {"enabled": True, "model": str(model_file), "context": 2048}
        async with stage(tmp_path, None, local=local) as (gateway, members, _, _):
            assert len(children_of(gateway.pid)) == 3
            for member in members:
                async with await member.create(model="local", max_output_tokens=4) as answer:
                    assert answer.status == 200, await answer.text()
            [model] = set(children_of(gateway.pid)) - set(workers_of(gateway))
            os.kill(model, signal.SIGKILL)
            await gateway.says("starting it again")

            async def back() -> bool:
                return set(children_of(gateway.pid)) > set(workers_of(gateway))

            await until(back)
            await gateway.ready()

    asyncio.run(main())


def test_workers_do_not_outlive_the_process_that_started_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, "http://127.0.0.1:9/v1") as (gateway, members, _, _):
            await gateway.kill()
            for member in members:
                await asyncio.wait_for(process_end(member.pid), 30)

    asyncio.run(main())


def test_start_that_fails_in_a_worker_ends_with_1_and_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        config = write_config(tmp_path, "http://127.0.0.1:9/v1", server={"workers": 2})
        (tmp_path / "data").mkdir(mode=0o700)
        (tmp_path / "data" / "seal.keys").write_text("no keys\n")
        gateway = await GatewayProcess.start(config)
        assert await gateway.wait() == 1
        assert any("seal.keys" in line for line in gateway.said)
        lines = [msgspec.json.decode(line) for line in gateway.said if line.startswith("{")]
        assert any("could not start" in line["message"] for line in lines)

    asyncio.run(main())
