"""The budget of retries goes by when requests came, also while none of them fails and nobody asks for a retry."""

import asyncio
from contextlib import suppress
from pathlib import Path

from antiphon.config.load import load
from antiphon.engine.engine import Engine
from antiphon.engine.media import MediaInliner
from antiphon.engine.prepare import Parts, RunLimits
from antiphon.engine.seal import Sealer
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.routing.catalog import build_catalog
from antiphon.routing.health import TargetHealth
from antiphon.routing.router import ModelRouter
from antiphon.store.migrate import migrate
from antiphon.store.sql import SqlStore
from antiphon.upstream.client import UpstreamClient
from tests.helpers.far_end import answer, far_end

WAIT_S = 10.0


class Steps(SystemClock):
    """A clock that goes on by so many seconds when it is told to. `looked`: somebody asked since."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.looked = asyncio.Event()

    def monotonic(self) -> float:
        self.looked.set()
        return self.now_s

    async def passes(self, seconds: float) -> None:
        self.now_s += seconds
        for _ in range(2):  # what is under way may have asked before
            self.looked.clear()
            await asyncio.wait_for(self.looked.wait(), WAIT_S)


def test_requests_of_an_hour_without_failures_are_no_budget_for_the_first_minute_with_some(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Steps()
        file = tmp_path / "antiphon.yaml"
        file.write_text("local: off\nproviders: {test: {base_url: 'http://127.0.0.1:9'}}\n")
        settings = load(file, {"ANTIPHON_DATA_DIR": str(tmp_path)})
        migrate(settings.database_url)
        store = SqlStore.open(settings.database_url, SystemClock())
        async with far_end(answer()) as far, UpstreamClient() as client:
            parts = Parts(
                store=store,
                router=ModelRouter(build_catalog(settings)),
                client=client,
                media=MediaInliner(far.fetcher()),
                codecs={},
                clock=clock,
                ids=SystemIds(),
                limits=RunLimits(run_s=0.02),
                sealer=Sealer([b"k" * 32]),
                health=TargetHealth(clock.monotonic),
            )
            keeping = asyncio.create_task(Engine(parts).keep_time())
            budget = parts.retries.budget
            try:
                for _ in range(60):
                    budget.requests += 100
                    await clock.passes(60)
                await clock.passes(60)
                for _ in range(10):
                    assert parts.retries.has_room(clock.now_s)
                    budget.spend(clock.now_s)
                assert not parts.retries.has_room(clock.now_s), "of requests that came more than a minute ago"
            finally:
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping
                await store.close()

    asyncio.run(main())
