"""Hosted tools that hang, break or flood by themselves, and runs that end from outside while one runs: row T1."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from msgspec import Raw, structs

from antiphon.protocol.request import FunctionTool, HostedTool
from antiphon.store.base import StoreSettings
from antiphon.tools.base import Caller, Outcome
from antiphon.tools.sources import SourceBook
from antiphon.tools.web.citations import LinkCiter
from tests.edge.wire import Wire, request_of
from tests.faults.clients import DOORS
from tests.faults.house import new_model
from tests.faults.searching import FOUND, Searching, in_rounds, looks_for, open_searching, results_in
from tests.faults.tongues import TONGUES, Words
from tests.faults.upstreams import open_stage
from tests.helpers.gateway import add_key
from tests.helpers.process import database_url, gateway_process, write_config
from tests.helpers.stream import check_response, check_stream
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import Gate, ScriptedUpstream
from tests.helpers.web import silence, small_web
from tests.store.conftest import PostgresServer

CHAT = TONGUES["chat"]
RESPONSES = DOORS["responses"]
SOON_S = 5.0
SEARCH = [{"type": "web_search"}]
_ACTION = Raw(b'{"type":"search","query":"bread"}')


class OddTool:
    """A search that does as its query says. Implements `HostedKind` and `OpenedTool`."""

    item_type = "web_search_call"
    functions = (FunctionTool("web_search", parameters=Raw(b'{"type":"object"}'), strict=False),)

    def __init__(self) -> None:
        self.opened = self.closed = self.cancelled = 0

    def serves(self, kind: str) -> bool:
        return kind == "web_search"

    async def open(self, tool: HostedTool, caller: Caller) -> "OddTool":
        del tool, caller
        self.opened += 1
        return self

    def begun(self, name: str, arguments: str) -> Raw:
        del name
        if "unreadable" in arguments:
            raise RecursionError
        return _ACTION

    async def call(self, name: str, arguments: str) -> Outcome:
        del name
        if "hangs" in arguments:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if "breaks" in arguments:
            raise ValueError("what nobody is to see")
        return Outcome("x" * 3_000_000 if "floods" in arguments else "Found.", _ACTION)

    def new_citer(self) -> LinkCiter:
        return LinkCiter(SourceBook())

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Searching, OddTool]]:
    tool = OddTool()
    with open_searching(tmp_path_factory.mktemp("odd")) as opened:
        assert opened.house.gateway.app.services is not None
        parts = opened.house.gateway.app.services.engine._parts
        structs.force_setattr(parts, "tools", (tool,))
        structs.force_setattr(parts.limits, "tool_s", 0.3)
        yield opened, tool
    assert tool.opened == tool.closed


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("hangs", "it took longer than 0.3 seconds"),
        ("breaks", "an error of the gateway"),
        ("unreadable", "an error of the gateway"),
    ],
)
def test_t1_a_tool_that_hangs_or_breaks_is_given_up(odd: tuple[Searching, OddTool], query: str, said: str) -> None:
    searching, tool = odd
    searching.begin()
    searching.house.script(in_rounds(CHAT, looks_for("good", query, "good"), [Words(FOUND)]))
    got = searching.send(RESPONSES, new_model("chat"), stream=True)
    response = check_stream(got.body).response
    assert [item.get("status") for item in response["output"]] == ["completed", "failed", "completed", "completed"]
    shown = results_in(searching.house.upstream.requests[-1])
    assert sorted(said in one for one in shown) == [False, False, True]
    assert b"nobody" not in got.body
    assert query != "hangs" or tool.cancelled == 1


def test_t1_of_what_floods_the_model_is_shown_a_million_characters(odd: tuple[Searching, OddTool]) -> None:
    searching, _ = odd
    searching.begin()
    searching.house.script(in_rounds(CHAT, looks_for("floods"), [Words(FOUND)]))
    assert check_response(searching.send(RESPONSES, new_model("chat"), stream=False).json)["status"] == "completed"
    (shown,) = results_in(searching.house.upstream.requests[-1])
    assert 1_048_576 < len(shown) < 1_050_000
    assert shown.endswith("[The rest is left out.]")


def test_a_tool_is_closed_where_nothing_is_made_of_the_request(odd: tuple[Searching, OddTool]) -> None:
    searching, tool = odd
    gateway = searching.house.gateway
    opened = tool.opened
    body = {"model": new_model("chat"), "input": "Hi", "tools": SEARCH}
    assert gateway.request("POST", "/v1/antiphon/explain", body=body).status == 200
    clash = {"type": "function", "name": "web_search", "parameters": {}}
    assert gateway.request("POST", "/v1/responses", body={**body, "tools": [*SEARCH, clash]}).status == 400
    assert tool.opened == tool.closed == opened + 2


def test_the_limit_of_a_run_ends_a_search(tmp_path: Path) -> None:
    with open_searching(tmp_path, limits={"run_s": 1}, web_search={"timeout_s": 60}) as searching:
        searching.begin(silence)
        searching.house.script(in_rounds(CHAT, looks_for("bread"), [Words(FOUND)]))
        got = searching.send(RESPONSES, new_model("chat"), stream=True)
        response = check_stream(got.body).response
        assert (response["status"], response["error"]["reason"]) == ("failed", "run_timeout")
        assert [item["status"] for item in response["output"]] == ["failed"]
        searching.web.wait_until_left(1)


def test_p4_a_shutdown_ends_a_search(tmp_path: Path) -> None:
    async def main() -> None:
        async with small_web() as web, ScriptedUpstream(in_rounds(CHAT, looks_for("bread"))) as upstream:
            web.search = silence
            search = {"engine": "searxng", "url": web.search_url, "timeout_s": 60}
            server = {"drain_s": 0.2, "access_log": False}
            config = write_config(tmp_path, upstream.url, server=server, web_search=search)
            headers = {"authorization": "Bearer " + add_key(database_url(config))}
            async with gateway_process(config) as gateway, aiohttp.ClientSession(headers=headers) as session:
                body = {"model": "test/m", "input": "Hi", "stream": True, "tools": SEARCH}
                answer = await session.post(gateway.url + "/v1/responses", json=body)
                await asyncio.wait_for(web.arrived.wait(), SOON_S)
                code = asyncio.create_task(gateway.stop())
                response = check_stream(await answer.read()).response
                assert response["error"]["reason"] == "shutting_down"
                assert [item["status"] for item in response["output"]] == ["failed"]
                assert await code == 0
                await asyncio.wait_for(web.left.wait(), 1)

    asyncio.run(main())


def test_s2_when_the_store_goes_while_a_search_runs_the_answer_is_given_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antiphon.app.StoreSettings", partial(StoreSettings, patience_s=0.2))
    postgres = PostgresServer()
    gate = Gate()

    async def waits(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.transport.abort()

    with ThreadedWeb() as web:
        web.web.search = waits
        search = {"engine": "searxng", "url": web.web.search_url, "timeout_s": 60}
        with open_stage(tmp_path, store={"url": postgres.ready_database()}, web_search=search) as stage:
            stage.script(in_rounds(CHAT, looks_for("bread"), [Words(FOUND)]))
            with Wire(stage.gateway) as wire:
                wire.send(request_of(stage.gateway, tools=SEARCH))
                web.wait_until_asked(SOON_S)
                postgres.stop()
                gate.open()
                response = check_response(wire.answer().json)
            assert response["store"] is False
            assert [item["type"] for item in response["output"]] == ["web_search_call", "message"]
    postgres.close()
