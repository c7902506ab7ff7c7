"""Hundreds of streams at once with something wrong in each: every one ends, once, and leaves nothing behind.

`ANTIPHON_FUZZ_N` is a hundred times their number (500; the long tier runs 10,000), `ANTIPHON_FUZZ_SEED` another beginning.
"""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.clients import Told
from tests.faults.house import provider_at
from tests.faults.injections import Case, Injector
from tests.faults.tongues import TONGUES, Tongue
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.upstream import Reply, ScriptedUpstream, Seen

Json = dict[str, Any]

STREAMS = int(os.environ.get("ANTIPHON_FUZZ_N", "50000")) // 100 // len(TONGUES)
SEED = int(os.environ.get("ANTIPHON_FUZZ_SEED", "1"))
AT_ONCE = 24
#: No run may take longer, whatever happens: there is no limit of this kind for the runs themselves.
MOST_S = 20.0

#: Where a client hears its upstream's own words.
_SAME = (("responses", "responses"), ("anthropic", "messages"))
_ABOUT = re.compile(rb"case (\d+);")


class Faulty:
    """The upstream: what each case says the first time, and an answer that is in order when asked again."""

    def __init__(self, cases: Mapping[int, Case]) -> None:
        self.cases = cases
        self.asked: Counter[int] = Counter()

    def __call__(self, request: Seen) -> Reply:
        number = self.number(request)
        self.asked[number] += 1
        case = self.cases[number]
        return case.reply if self.asked[number] == 1 else case.whole

    @staticmethod
    def number(request: Seen) -> int:
        found = _ABOUT.search(request.body)
        assert found is not None, request.body
        return int(found.group(1))


class Swarm:
    """All clients of one gateway."""

    def __init__(self, gateway: Gateway, tongue: Tongue, session: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._tongue = tongue
        self._session = session
        self.ended: dict[int, str] = {}  # what the client knows of how its run ended
        self.statuses: Counter[int] = Counter()

    async def work(self, cases: Iterator[Case]) -> None:
        for case in cases:
            try:
                async with asyncio.timeout(MOST_S):
                    self.ended[case.number] = await self._play(case)
            except (AssertionError, TimeoutError, aiohttp.ClientError) as error:
                error.add_note(f"{self._tongue.name}, seed {SEED}: {case}")
                raise

    async def _play(self, case: Case) -> str:
        body = case.door.body(self.model(case.number), stream=case.stream, tools=["f"], about=case.about)
        url = self._gateway.url + case.door.path
        if case.leaves_after is not None:
            await self._leave(url, body, case.leaves_after)
            return "cancelled"
        async with self._session.post(url, json=body) as got:
            answer = Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, await got.read())
        self.statuses[answer.status] += 1
        if answer.status != 200:
            case.door.refused(answer)
            return "failed"
        if case.contradicts and (self._tongue.name, case.door.name) in _SAME:
            return case.door.ending(answer.body) if case.stream else ""
        told = case.door.stream(answer.body) if case.stream else case.door.whole(answer.json)
        _check_text(told, case)
        return {"length": "incomplete", "filter": "incomplete"}.get(told.ending, told.ending)

    async def _leave(self, url: str, body: Json, after: int) -> None:
        """Read so much, or until nothing more comes for a while, and hang up."""
        seen = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1), self._session.post(url, json=body) as got:
                while seen < after and (piece := await got.content.readany()):
                    seen += len(piece)
                got.close()

    def model(self, number: int) -> str:
        return f"{self._tongue.name}/case-{number}"


def _check_text(told: Told, case: Case) -> None:
    """What was there is given, and nothing twice."""
    if case.said is None:
        return
    assert case.said.startswith(told.text), told.text
    assert told.text == case.said or told.ending != "completed", told.text


@pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)
def test_every_stream_ends_once_whatever_its_upstream_does(tmp_path: Path, tongue: Tongue) -> None:
    injector = Injector(tongue, SEED)
    faulty = Faulty({number: injector.case(number) for number in range(STREAMS)})

    async def main() -> None:
        async with ScriptedUpstream(faulty) as upstream:
            provider = provider_at(tongue, upstream.url.removesuffix("/v1"))
            config = {
                "providers": {tongue.name: provider},
                "limits": {"idle_s": 0.3, "first_byte_s": 0.5, "run_s": 3},
                "retries": {"attempts": 2, "max_wait_s": 0.02, "budget_percent": 100},
            }
            gateway = Gateway(None, tmp_path, config=config)
            await asyncio.to_thread(gateway.__enter__)
            try:
                await swarm_at(gateway, upstream)
            finally:
                await asyncio.to_thread(gateway.stop)

    async def swarm_at(gateway: Gateway, upstream: ScriptedUpstream) -> None:
        headers = {"authorization": f"Bearer {gateway.key}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            swarm = Swarm(gateway, tongue, session)
            before = await tasks_of(gateway)
            cases = iter(faulty.cases.values())
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(swarm.work(cases))
            await nothing_is_left(gateway, upstream, tasks=before)
        check_ledger(gateway, swarm)
        assert swarm.statuses[200] > STREAMS // 3

    asyncio.run(main())


async def tasks_of(gateway: Gateway) -> int:
    """How many tasks there are in the gateway."""

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1  # without this one

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(count(), gateway.loop))


async def nothing_is_left(gateway: Gateway, upstream: ScriptedUpstream, *, tasks: int) -> None:
    """No task, no run, and no connection to the upstream that is waiting for more."""
    began = time.monotonic()
    while await tasks_of(gateway) > tasks or waiting(upstream):
        assert time.monotonic() - began < 5, (await tasks_of(gateway), tasks, waiting(upstream))
        await asyncio.sleep(0)


def waiting(upstream: ScriptedUpstream) -> int:
    """Connections in the middle of a reply."""
    return sum(
        not connection.replied.is_set() and not connection.closed.is_set() for connection in upstream.connections
    )


def check_ledger(gateway: Gateway, swarm: Swarm) -> None:
    """Every run has one row, which says what the client knows. Who left may have been too early, or too late."""
    gateway.stop()
    rows = gateway.sql("SELECT model, status FROM runs")
    found = dict(rows)
    assert len(rows) == len(found)
    assert len(swarm.ended) == STREAMS
    for number, ended in swarm.ended.items():
        status = found.get(swarm.model(number), "cancelled")
        assert ended in (status, "cancelled", ""), (number, status, ended)
