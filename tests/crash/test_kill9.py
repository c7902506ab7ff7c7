"""`kill -9` in the middle of many stored streams: afterwards a response is whole, or it was never there (P1, R3)."""

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest

from tests.crash.survival import Fate, Survivors, check_rows
from tests.crash.talk import Client, Heard, Pace, call
from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, gateway_process, write_config
from tests.helpers.upstream import ScriptedUpstream
from tests.store.conftest import PostgresServer

Sight = Literal["event heard", "answer ended at the provider", "stream completed"]


@dataclass
class Moment:
    """When to kill: a little after something was seen for the n-th time."""

    sight: Sight = "event heard"
    left: int = 0
    pause_s: float = 0.0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def drawn(cls, rng: random.Random, *, clients: int, is_last: bool) -> "Moment":
        """Anywhere in the streams, or around a commit, where it is most dangerous; the last not before one."""
        sight: Sight = rng.choice(("event heard", "answer ended at the provider", "stream completed"))
        if is_last:
            sight = "stream completed"
        most = clients * (40 if sight == "event heard" else 3)
        return cls(sight, rng.randint(1, most), rng.uniform(0, 0.004))

    def see(self, sight: Sight, count: int = 1) -> None:
        if sight != self.sight or self.left <= 0:
            return
        self.left -= count
        if self.left <= 0:
            asyncio.get_running_loop().call_later(self.pause_s, self.reached.set)


class Trial:
    """One gateway that is killed again and again, and what its clients heard."""

    def __init__(self, directory: Path, *, seed: int, clients: int, store_url: str | None = None) -> None:
        self._directory = directory
        self._rng = random.Random(seed)
        self._clients = clients
        self._sections: dict[str, Any] = {} if store_url is None else {"store": {"url": store_url}}
        self._moment = Moment()
        self.figures: Counter[str] = Counter()

    async def run(self, *, kills: int) -> None:
        heard: Sequence[Heard] = ()
        async with ScriptedUpstream(Pace(lambda: self._moment.see("answer ended at the provider"))) as up:
            config = write_config(self._directory, up.url, **self._sections)
            key = add_key(database_url(config))
            for life in range(kills + 1):
                async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
                    usage = check_rows(database_url(config))
                    survivors = Survivors(session, gateway.url, key=key)
                    fates = await survivors.check(heard, usage)
                    self._count(heard, fates)
                    for each in self._samples(heard, fates):
                        await survivors.check_continuation(each, fates[each.id or ""], up)
                    if life < kills:
                        self._moment = Moment.drawn(self._rng, clients=self._clients, is_last=life == kills - 1)
                        heard = await self._talk_until_killed(gateway, session, key=key)

    async def _talk_until_killed(
        self, gateway: GatewayProcess, session: aiohttp.ClientSession, *, key: str
    ) -> Sequence[Heard]:
        moment = self._moment
        clients = [Client(f"c{number}", random.Random(self._rng.random())) for number in range(self._clients)]

        def on_events(heard: Heard, count: int) -> None:
            moment.see("event heard", count)
            if heard.final is not None:
                moment.see("stream completed")

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.talk(session, f"{gateway.url}/v1/responses", key=key, on_events=on_events))
            await moment.reached.wait()
            await gateway.kill()
        return [heard for client in clients for heard in client.heard]

    def _samples(self, heard: Sequence[Heard], fates: Mapping[str, Fate]) -> Sequence[Heard]:
        """One of each fate."""
        known = [each for each in heard if each.id in fates]
        self._rng.shuffle(known)
        return list({fates[each.id or ""]: each for each in known}.values())

    def _count(self, heard: Sequence[Heard], fates: Mapping[str, Fate]) -> None:
        for each in heard:
            how = "to its end" if each.final else "cut" if each.id else "not at all"
            self.figures[f"heard {how}, {fates.get(each.id or '', 'absent')}"] += 1


def run_trial(trial: Trial, *, kills: int) -> None:
    asyncio.run(trial.run(kills=kills))
    print(f"{kills} kills: {dict(sorted(trial.figures.items()))}")
    assert trial.figures["heard to its end, absent"] == 0
    assert trial.figures["heard to its end, whole"] > 0


@pytest.fixture
def seed() -> int:
    """`ANTIPHON_CRASH_SEED` repeats a trial's draws."""
    drawn = int(os.environ.get("ANTIPHON_CRASH_SEED") or secrets.randbits(32))
    print(f"ANTIPHON_CRASH_SEED={drawn}")
    return drawn


def test_p1_killed_gateway_on_sqlite_leaves_each_response_whole_or_absent(tmp_path: Path, seed: int) -> None:
    run_trial(Trial(tmp_path, seed=seed, clients=20), kills=5)


def test_p1_killed_gateway_on_postgres_leaves_each_response_whole_or_absent(
    tmp_path: Path, seed: int, postgres: PostgresServer
) -> None:
    run_trial(Trial(tmp_path, seed=seed, clients=10, store_url=postgres.empty_database()), kills=2)


def test_gateway_killed_while_it_starts_comes_up_the_next_time(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    async def main() -> None:
        for number in range(4):
            config = write_config(fresh_directory(tmp_path, number), "http://127.0.0.1:9/v1")
            gateway = await GatewayProcess.start(config)
            await asyncio.sleep(rng.uniform(0.2, 0.8))  # anywhere between the imports and the first answer
            await gateway.kill()
            async with gateway_process(config) as gateway, aiohttp.ClientSession() as session:
                check_rows(database_url(config))
                key = (config.parent / "data" / "quickstart.key").read_text().strip()
                assert (await call(session, "GET", f"{gateway.url}/v1/models", key=key))[0] == 200

    asyncio.run(main())


def fresh_directory(parent: Path, number: int) -> Path:
    directory = parent / str(number)
    directory.mkdir()
    return directory


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_thousand_streams_cut_by_kill_on_sqlite(tmp_path: Path, seed: int) -> None:
    run_trial(Trial(tmp_path, seed=seed, clients=50), kills=20)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_hundred_streams_cut_by_kill_on_postgres(tmp_path: Path, seed: int, postgres: PostgresServer) -> None:
    run_trial(Trial(tmp_path, seed=seed, clients=20, store_url=postgres.empty_database()), kills=5)
