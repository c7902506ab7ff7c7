"""What the edge can ask for: make a response, read it back, delete it. Knows which runs are alive in this process."""

import asyncio
from collections.abc import Callable
from typing import Never

from msgspec import structs

from antiphon.dialects.embeddings import EmbeddingsRequest
from antiphon.engine.counting import count_input
from antiphon.engine.embed import Embedded, EmbeddingRun
from antiphon.engine.explain import Explanation, explain
from antiphon.engine.fidelity import FIDELITY
from antiphon.engine.ports import Sink
from antiphon.engine.prepare import Parts
from antiphon.engine.record import Arrival
from antiphon.engine.run import Run, run_timeout, shutting_down
from antiphon.engine.shown import SEALS, Shown
from antiphon.engine.stored import ItemPage, list_items, stored_resource
from antiphon.protocol.faults import RequestFault, overloaded
from antiphon.protocol.ids import ResponseId, response_id_text
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Request
from antiphon.protocol.response import Response

__all__ = ["Engine"]


class Engine:
    """The runs of this process. `has_room`: whether there may be one more beside so many."""

    def __init__(self, parts: Parts, *, has_room: Callable[[int], bool] = lambda _: True) -> None:
        self._parts = parts
        self._has_room = has_room
        self._live: dict[ResponseId, Run | EmbeddingRun] = {}
        self._draining = False
        self._idle = asyncio.Event()

    @property
    def draining(self) -> bool:
        """No new runs are taken."""
        return self._draining

    @property
    def live_runs(self) -> int:
        """How many runs are under way."""
        return len(self._live)

    def use(self, parts: Parts) -> None:
        """Begin runs with these parts from now on. Those under way keep what they began with."""
        self._parts = parts

    def check_room(self, runs: int = 1) -> None:
        """Whether so many may be started now. Requests were counted before they came; one may want several answers.

        Raises:
            Fault: 503 while shutting down, or when there would be too many.
        """
        if self._draining:
            raise shutting_down()
        if not self._has_room(len(self._live) + runs - 1):
            raise overloaded()

    def start(self, request: Request, *, tenant: Tenant, arrival: Arrival, sink: Sink) -> Run:
        """Admit a request and give it its run. Nothing is sent anywhere yet.

        Raises:
            Fault: 503 while shutting down, or when there are too many; 400 when it continues a response that is still
                being made.
        """
        self.check_room()
        previous = request.previous_response_id
        if previous is not None and (other := self._live.get(previous)) is not None and other.tenant == tenant:
            raise RequestFault(
                f"Response '{response_id_text(previous)}' is still in progress. Continue it once it has ended.",
                code="response_in_progress",
                param="previous_response_id",
            )
        return Run(self._parts, request, tenant, arrival, sink)

    async def execute(self, run: Run) -> Response:
        """Run to the end; see `Run.execute`."""
        self._live[run.id] = run
        try:
            return await run.execute()
        finally:
            del self._live[run.id]
            self._check_idle()

    def start_embedding(self, asked: EmbeddingsRequest, *, tenant: Tenant, arrival: Arrival) -> EmbeddingRun:
        """Admit a request for embeddings.

        Raises:
            Fault: 503 while shutting down, or when there are too many runs.
        """
        self.check_room()
        return EmbeddingRun(self._parts, asked, tenant=tenant, arrival=arrival)

    async def embed(self, run: EmbeddingRun) -> Embedded:
        """Make the embeddings; see `EmbeddingRun.execute`."""
        self._live[run.id] = run
        try:
            return await run.execute()
        finally:
            del self._live[run.id]
            self._check_idle()

    async def count_input(self, request: Request, *, tenant: Tenant, arrival: Arrival) -> int | None:
        """The tokens of a prompt as its provider counts them; see `engine.counting`."""
        return await count_input(request, tenant, parts=self._parts, arrival=arrival)

    async def explain(self, request: Request, *, tenant: Tenant, arrival: Arrival) -> Explanation:
        """How a request would be served; see `engine.explain`."""
        return await explain(request, tenant, parts=self._parts, arrival=arrival)

    async def retrieve(
        self, tenant: Tenant, response_id: ResponseId, *, include: frozenset[str] = frozenset()
    ) -> bytes | None:
        """The resource as JSON: a stored one, or the snapshot of one that is being made.

        `include` asks for what is only shown on request, of a stored one; see `engine.shown`.
        """
        run = self._live.get(response_id)
        if isinstance(run, Run) and run.tenant == tenant and run.record.store:
            return run.encoded_snapshot()
        turn = await self._parts.store.turn(tenant, response_id)
        if turn is None:
            return None
        shown = Shown(self._parts.sealer, tenant, include)
        resource = shown.resource(stored_resource(turn), turn)
        if FIDELITY not in include:
            return resource
        return shown.reported(resource, turn, record=await self._parts.store.record(tenant, response_id))

    async def delete(self, tenant: Tenant, response_id: ResponseId) -> bool:
        """Delete a stored response; what continues it can no longer be continued."""
        return await self._parts.store.delete(tenant, response_id)

    async def input_items(
        self, tenant: Tenant, response_id: ResponseId, *, page: ItemPage, include: frozenset[str] = frozenset()
    ) -> bytes | None:
        """The effective input of a stored response as a list object (JSON), one page. `include`: as for `retrieve`."""
        turn = await self._parts.store.turn(tenant, response_id)
        if turn is None:
            return None
        chain = await self._parts.store.chain(tenant, response_id) if turn.previous_id else [turn]
        turns = chain or [turn]
        shown = Shown(self._parts.sealer, tenant, include)
        turns = [structs.replace(one, response=shown.resource(one.response, one)) for one in turns]
        return list_items(turns, page, sealed=SEALS in include)

    async def record(self, tenant: Tenant, response_id: ResponseId) -> bytes | None:
        """The run record as JSON."""
        return await self._parts.store.record(tenant, response_id)

    async def keep_time(self) -> Never:
        """End runs that have reached their limit, until cancelled. One look for all, instead of a timer for each.

        The budget of retries learns the time here as well.
        """
        while True:
            await asyncio.sleep(min(1.0, self._parts.limits.run_s / 4))
            now = self._parts.clock.monotonic()
            self._parts.retries.budget.tick(now)
            for run in tuple(self._live.values()):
                if run.ends_by_s < now:
                    run.abort(run_timeout())

    async def drain(self, patience_s: float) -> None:
        """Take no more runs, let those under way finish, and end the rest as failed after `patience_s`."""
        self._draining = True
        self._check_idle()
        try:
            async with asyncio.timeout(patience_s):
                await self._idle.wait()
        except TimeoutError:
            for run in tuple(self._live.values()):
                run.abort(shutting_down())

    def _check_idle(self) -> None:
        if self._draining and not self._live:
            self._idle.set()
