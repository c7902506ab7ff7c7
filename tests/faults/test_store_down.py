"""A store that goes away, fills up, or is slow, while the gateway runs: rows S1 to S4."""

import asyncio
import json
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import create_engine, text

from antiphon.store.base import StoreSettings
from tests.edge.refusals import assert_refused
from tests.edge.wire import Wire, request_of
from tests.faults.upstreams import Stage, open_stage
from tests.helpers.gateway import Gateway, add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Gate, Reply, ScriptedUpstream, Seen, answer_like, sse, text_chunks
from tests.store.conftest import PostgresServer

EVENTS = {"content-type": "text/event-stream"}
WIRE = sse(*text_chunks("Hel", "lo."))
SOON_S = 10.0


def say_hello(request: Seen) -> Reply:
    return answer_like(request, "Hello.")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def stage(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A gateway on Postgres that waits a fifth of a second for it, instead of five."""
    monkeypatch.setattr("antiphon.app.StoreSettings", partial(StoreSettings, patience_s=0.2))
    with open_stage(tmp_path, store={"url": postgres.ready_database()}) as opened:
        opened.script(say_hello)
        yield opened


def ask(stage: Stage, **body: Any) -> Any:
    return stage.gateway.request("POST", "/v1/responses", body={"model": "test/m", "input": "Hi", **body})


def until_refused(stage: Stage) -> None:
    """Ask for stored answers until they are refused. Until then they are given and say that they are not stored."""
    began = time.monotonic()
    while True:
        asked = len(stage.upstream.requests)
        got = ask(stage)
        if got.status == 503:
            assert_refused(got, 503, "store_unavailable")
            assert got.headers["retry-after"]
            assert len(stage.upstream.requests) == asked, "the provider was asked all the same"
            return
        assert check_response(got.json)["store"] is False
        assert time.monotonic() - began < SOON_S


def until_stored(stage: Stage) -> Any:
    began = time.monotonic()
    while (got := ask(stage)).status == 503 or got.json["store"] is False:
        assert time.monotonic() - began < SOON_S
    return check_response(got.json)


def test_s1_s4_while_the_store_is_down_the_stateless_goes_on_and_all_of_it_comes_back(
    stage: Stage, postgres: PostgresServer
) -> None:
    gateway = stage.gateway
    before = check_response(ask(stage, metadata={"kept": "yes"}).json)
    postgres.stop()

    made = check_response(ask(stage, store=False).json)
    assert made["output"][0]["content"][0]["text"] == "Hello."
    assert check_stream(ask(stage, store=False, stream=True).body).text == "Hello."
    assert_refused(gateway.request("GET", "/v1/models", key="sk-unknown"), 503, "store_unavailable")
    until_refused(stage)
    asked = len(stage.upstream.requests)
    for streamed in (False, True):
        assert_refused(ask(stage, stream=streamed), 503, "store_unavailable")
        going_on = ask(stage, previous_response_id=before["id"], store=False, stream=streamed)
        assert_refused(going_on, 503, "store_unavailable")
    for method, path in (("GET", ""), ("GET", "/input_items"), ("DELETE", "")):
        assert_refused(gateway.request(method, f"/v1/responses/{before['id']}{path}"), 503, "store_unavailable")
    assert len(stage.upstream.requests) == asked
    assert gateway.request("GET", "/healthz").status == 200
    ready = gateway.request("GET", "/readyz")
    assert (ready.status, ready.json["checks"]["store"]) == (503, "unavailable")
    assert check_response(ask(stage, store=False).json)

    postgres.start()
    after = until_stored(stage)
    assert gateway.request("GET", "/readyz").status == 200
    assert gateway.request("GET", f"/v1/responses/{before['id']}").json == before
    assert gateway.request("GET", f"/v1/responses/{after['id']}").json == after
    assert check_response(ask(stage, previous_response_id=before["id"]).json)["store"] is True
    assert_refused(gateway.request("GET", "/v1/models", key="sk-unknown"), 401, "invalid_api_key")


def test_s2_when_the_store_goes_while_the_answer_is_made_it_is_given_and_says_so(
    stage: Stage, postgres: PostgresServer
) -> None:
    gate = Gate()
    whole = answer_like(Seen("POST", "/", {}, b"{}", 0), "Hello.")

    def brain(request: Seen) -> Reply:
        if request.wants_stream:
            return Reply([*WIRE[:2], gate, *WIRE[2:]], headers=EVENTS, framing="chunked")
        return Reply([gate, whole.head(), *whole.parts], framing="raw")

    stage.script(brain)
    with Wire(stage.gateway) as streamed, Wire(stage.gateway) as single:
        streamed.send(request_of(stage.gateway, stream=True))
        single.send(request_of(stage.gateway))
        stage.upstream.received(2)
        postgres.stop()
        gate.open()
        checked = check_stream(streamed.answer().body)
        made = check_response(single.answer().json)
    assert checked.response["status"] == made["status"] == "completed"
    assert checked.text == "Hello."
    assert checked.events[0]["response"]["store"] is True
    assert checked.response["store"] is made["store"] is False
    assert "antiphon_not_stored_total 2.0" in stage.gateway.request("GET", "/metrics").body.decode()


def test_s4_dropped_connections_are_noticed_by_nobody(stage: Stage, postgres: PostgresServer) -> None:
    made = check_response(ask(stage).json)
    for _ in range(3):
        postgres.drop_connections()
        made = check_response(ask(stage, previous_response_id=made["id"]).json)
        assert made["store"] is True
    postgres.drop_connections()
    assert stage.gateway.request("GET", f"/v1/responses/{made['id']}").json == made


def test_d2_leaving_while_the_history_is_read_cancels_the_run_and_asks_no_model(stage: Stage) -> None:
    made = check_response(ask(stage).json)
    asked = len(stage.upstream.requests)
    engine = create_engine(stage.gateway.settings.database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE responses IN ACCESS EXCLUSIVE MODE"))
        with Wire(stage.gateway) as wire:
            wire.send(request_of(stage.gateway, previous_response_id=made["id"], store=False))
            while live_runs(stage.gateway) != 1:
                pass
            began = time.monotonic()
        while live_runs(stage.gateway):
            assert time.monotonic() - began < 1
    engine.dispose()
    assert len(stage.upstream.requests) == asked


def live_runs(gateway: Gateway) -> int:
    lines = gateway.request("GET", "/metrics").body.decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("antiphon_live_runs ")).split()[1]))


def test_s4_a_busy_sqlite_file_is_waited_for(tmp_path: Path) -> None:
    with open_stage(tmp_path) as sqlite, Wire(sqlite.gateway) as wire:
        sqlite.script(say_hello)
        other = sqlite3.connect(sqlite.gateway.settings.data_path / "antiphon.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        wire.send(request_of(sqlite.gateway))
        sqlite.upstream.received(1)
        assert check_response(ask(sqlite, store=False).json)
        other.execute("COMMIT")
        other.close()
        made = check_response(wire.answer().json)
        assert made["store"] is True
        assert sqlite.gateway.request("GET", f"/v1/responses/{made['id']}").json == made


def limit_files(gateway: GatewayProcess, most_bytes: int) -> None:
    """From now on the process can write no file beyond this size: to it, the disk is full."""
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


def test_s3_a_full_disk_costs_nothing_but_what_would_be_stored_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        async with ScriptedUpstream(say_hello) as upstream:
            config = write_config(tmp_path, upstream.url)
            headers = {"authorization": "Bearer " + add_key(database_url(config))}
            async with (
                gateway_process(config) as gateway,
                aiohttp.ClientSession(gateway.url, headers=headers) as session,
            ):
                await fill_and_empty(session, gateway, upstream)
                assert await gateway.stop() == 0

    asyncio.run(main())
    with closing(sqlite3.connect(tmp_path / "data" / "antiphon.db")) as connection, connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def fill_and_empty(session: aiohttp.ClientSession, gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    async def create(**body: Any) -> tuple[int, Any]:
        async with session.post("/v1/responses", json={"model": "test/m", "input": "Hi", **body}) as got:
            return got.status, json.loads(await got.read())

    async def read(name: str) -> Any:
        async with session.get(f"/v1/responses/{name}") as got:
            assert got.status == 200
            return json.loads(await got.read())

    _, before = await create()
    check_response(before)
    limit_files(gateway, 4096)
    status, unstored = await create()
    assert (status, unstored["store"]) == (200, False)
    asked = len(upstream.requests)
    status, refused = await create()
    assert (status, refused["error"]["code"]) == (503, "store_unavailable")
    assert len(upstream.requests) == asked
    status, made = await create(store=False)
    assert status == 200
    check_response(made)
    assert await read(before["id"]) == before
    limit_files(gateway, resource.RLIM_INFINITY)
    began = time.monotonic()
    while (after := await create())[0] == 503:
        assert time.monotonic() - began < SOON_S
    assert after[1]["store"] is True
    assert await read(after[1]["id"]) == after[1]
    assert await read(before["id"]) == before
