"""One run: from a parsed request to a committed response, whatever happens on the way.

Two marks order everything. Until the client has a status, a failure is an HTTP error and nothing is stored. From then
on the stream ends with exactly one terminal event, and with `store` that event leaves only after the response is
committed.
A JSON answer is the same run with nobody reading the events.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import msgspec
from msgspec import Raw, structs

from antiphon.engine.fidelity import FIDELITY, fidelity_report
from antiphon.engine.history import History
from antiphon.engine.ledger import Ended, run_row, turn_row
from antiphon.engine.ports import Sink
from antiphon.engine.prepare import Parts, Plan, gather, renew, without_body
from antiphon.engine.reception import Reception
from antiphon.engine.record import Arrival, Record, Timing, first_line
from antiphon.engine.rounds import RoundBounds, Rounds
from antiphon.engine.trying import Trying
from antiphon.engine.vault import Vault
from antiphon.protocol.assembler import Assembler, Outcome, terminal_event
from antiphon.protocol.echo import begin_response
from antiphon.protocol.extended import extended
from antiphon.protocol.faults import Fault, ServerFault, StoreFault, UpstreamFault, forget_frames
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.reading import read_fields
from antiphon.protocol.records import CallState, RunRow, Tenant
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.response import Response
from antiphon.protocol.target import Target
from antiphon.protocol.usage import Usage

__all__ = ["Run", "run_timeout", "shutting_down"]

_encoder = msgspec.json.Encoder()
_log = logging.getLogger(__name__)


class Run:
    """Drives one response. Use `execute` once; `abort` from outside ends it early and properly."""

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self, parts: Parts, request: Request, tenant: Tenant, arrival: Arrival, sink: Sink
    ) -> None:
        self.id: ResponseId = ResponseId(parts.ids.new_response_id())
        self.tenant = tenant
        self._parts = parts
        self._request = request
        self._sink = sink
        self._arrival = arrival
        self._began = arrival.began_s
        self._elapsed_ms = elapsed_ms = _stopwatch(parts.clock.monotonic, arrival.began_s)
        self._created_at = parts.clock.now()
        base = begin_response(request, self.id, created_at=self._created_at)
        self._base = base
        self._abort: Fault | None = None
        self.row: RunRow | None = None  # what was written about it, once it has ended
        self._task: asyncio.Task[object] | None = None
        self.record = Record(
            base.id,
            tenant.id,
            arrival.caller,
            self._created_at,
            request.model,
            request.stream,
            request.store,
            retention_days=parts.limits.retention_days if request.store else None,
            end_user=request.safety_identifier or request.user,
            metadata=dict(request.metadata) or None,
            previous_response_id=base.previous_response_id,
            first_line=first_line(request) if parts.limits.keep_first_line else None,
            timing=Timing(authenticated=arrival.authenticated_ms, read=elapsed_ms()),
        )
        vault = self._vault = Vault(parts, tenant, self.id)
        new_assembler = partial(
            Assembler,
            base,
            owner=self.id,
            new_call_id=parts.ids.new_call_id,
            seal=vault.seal if "reasoning.encrypted_content" in request.include else None,
            seals_messages=request.dialect == "responses",
        )
        self._reception = Reception(request, new_assembler, sink, vault, self.record, elapsed_ms)

    async def execute(self) -> Response:
        """Run to the end.

        Raises:
            Fault: it failed before the client had a status. After that the failed response is returned instead.
            CancelledError: the client is gone. The upstream was closed, and what there was is stored as `cancelled`.
        """
        self._task = asyncio.current_task()
        self._reception.open()
        try:
            await self._work()
        except Fault as fault:
            return await self._fail(fault)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._abort is not None and task is not None:
                task.uncancel()
                return await self._fail(self._abort)
            self.record.client_left()
            await self._conclude("cancelled")
            raise
        except Exception:  # noqa: BLE001 - the supervisor of a run: a bug is logged once and told to nobody
            _log.exception("run %s failed", self._base.id)
            return await self._fail(_internal_error())
        stopped = self._reception.stopped
        if stopped is None or stopped.reason == "completed":
            return await self._conclude("completed")
        return await self._conclude("incomplete", reason=stopped.reason)

    @property
    def ends_by_s(self) -> float:
        """Monotonic seconds at which it has reached its limit: the one that held when it began."""
        return self._began + self._parts.limits.run_s

    def abort(self, fault: Fault) -> None:
        """End the run as failed, from outside (shutdown, its time limit). Does nothing once it has ended."""
        if self._task is not None and self._abort is None:
            self._abort = fault
            self._task.cancel()

    def encoded_snapshot(self) -> bytes:
        """The response as it is now, as JSON."""
        return _encoder.encode(self._reception.assembler.snapshot())

    async def _work(self) -> None:
        """Everything that may be interrupted. Behind it the end is certain and nothing may stop the commit."""
        try:
            parts = self._parts
            material, route = await gather(
                self._request, self.tenant, parts=parts, arrival=self._arrival, record=self.record
            )
            self._request = without_body(self._request)
            trying = Trying(parts, self._request, material, route, self._reception)
            hosted = material.hosted
            del material
            try:
                plan = await trying.first()
                self.record.timing.encoded = begun_ms = self._elapsed_ms()
                if plan.history.ancestors:
                    await renew(plan.history, self.tenant, parts=parts)
                await trying.answer(plan)
                if hosted is not None or self._reception.is_paused:
                    await self._go_on(plan, trying, begun_ms=begun_ms)
            finally:
                if hosted is not None:
                    await hosted.close()
        finally:
            self._task = None

    async def _go_on(self, plan: Plan, trying: Trying, *, begun_ms: int) -> None:
        parts = self._parts
        bounds = RoundBounds(self._request, new_call_id=parts.ids.new_call_id, call_s=parts.limits.tool_s)
        await Rounds(trying, self._reception, bounds=bounds).go_on(plan, begun_ms=begun_ms)

    async def _fail(self, fault: Fault) -> Response:
        """Before the status: an HTTP error and a run row. After it: a failed response like any other."""
        self.record.error = fault.code or fault.type
        if not self._sink.status_sent:
            self.record.status = "failed"
            partial = structs.replace(self._base, usage=self._usage()) if self._reception.output_sent else None
            self._post(self._write_row(self._ended(partial)))
            raise fault
        _log.warning("request %s: %s (%s)", self.record.caller.request_id, fault.message, fault.detail)
        forget_frames(fault)
        return await self._conclude("failed", fault=fault)

    async def _conclude(
        self,
        status: Literal["completed", "incomplete", "failed", "cancelled"],
        *,
        reason: Literal["max_output_tokens", "content_filter"] | None = None,
        fault: Fault | None = None,
    ) -> Response:
        """Close the response, commit it, and only then tell the client that it ended."""
        usage = self._usage() if status != "failed" or self._reception.output_sent else None
        more = self._upstreams_own()
        if usage is not None and "usage" in more:
            own = read_fields(more.pop("usage"))
            usage = extended(usage, own) if self._reception.meter.before is None else usage  # it only knows its round
        if FIDELITY in self._request.include:
            more["antiphon"] = fidelity_report(self._reception.notices(), self._target())
        outcome = Outcome(status, usage, reason, fault, self._parts.clock.now(), self._reception.service_tier, more)
        closing, terminal = self._reception.assembler.finish(outcome)
        self._reception.trace(closing)
        response = await self._commit(terminal.response)
        if response is not terminal.response:
            terminal = terminal_event(response, terminal.sequence_number)
        if status != "cancelled":
            await self._sink.end([*closing, terminal])
        return response

    def _upstreams_own(self) -> dict[str, Raw]:
        """What an upstream of the client's own dialect said of its finished response that no field of ours can say."""
        stopped, plan = self._reception.stopped, self._vault.plan
        if stopped is None or stopped.vendor is None or plan is None:
            return {}
        own = plan.call.target.protocol == self._request.dialect == "responses"
        return read_fields(stopped.vendor) if own else {}

    def _usage(self) -> Usage | None:
        plan, reception = self._vault.plan, self._reception
        if plan is None:
            return None
        return reception.meter.total(request_bytes=len(plan.call.upstream.body), output=reception.round_output)

    def _target(self) -> Target | None:
        plan = self._vault.plan
        return plan.call.target if plan is not None else None

    async def _commit(self, response: Response) -> Response:
        """Write the run and the response. When the store fails for good, the answer is given all the same."""
        record = self.record
        record.status = response.status
        record.notices = self._reception.notices()
        ended = self._ended(response)
        row = self._write_row(ended)
        calls = self._vault.calls(response, self._reception.assembler.states)
        if not self._request.store:
            if calls:
                await self._keep(row, calls)
            else:
                self._post(row)
            return response
        history = self._vault.plan.history if self._vault.plan else History(self._request.input, self._request.input)
        states = self._vault.locked(self._reception.assembler.states)
        retention_s = self._parts.limits.retention_s
        turn = turn_row(ended, response, history=history, retention_s=retention_s, states=states)
        try:
            await self._parts.store.put(self.tenant, row, turn, calls=calls)
        except StoreFault as fault:
            _log.error("response %s could not be stored: %s", record.id, fault.detail)
            record.notices.append(Notice("store", "dropped", "store_unavailable"))
            return structs.replace(response, store=False)
        return response

    async def _keep(self, row: RunRow, calls: Sequence[CallState]) -> None:
        """A run that is not stored. What belongs to its calls is there before the client can send them back."""
        try:
            await self._parts.store.put(self.tenant, row, None, calls=calls)
        except StoreFault as fault:
            _log.error("the thoughts before the calls of %s are lost: %s", self.record.id, fault.detail)

    def _ended(self, response: Response | None) -> Ended:
        return Ended(self.id, self._request, self._target(), response, self._created_at, self._elapsed_ms())

    def _post(self, row: RunRow) -> None:
        if not self._parts.store.post(self.tenant, row):
            _log.error("the usage of run %s is lost: the store's queue is full", self.record.id)

    def _write_row(self, ended: Ended) -> RunRow:
        self.row = run_row(ended, self.record)
        return self.row


def _stopwatch(monotonic: Callable[[], float], began_s: float) -> Callable[[], int]:
    def elapsed_ms() -> int:
        return int((monotonic() - began_s) * 1000)

    return elapsed_ms


def run_timeout() -> Fault:
    """Why a run ended that took longer than `RunLimits.run_s`."""
    return UpstreamFault("The response took longer than this gateway allows.", code="run_timeout", status=504)


def _internal_error() -> Fault:
    return ServerFault("The gateway failed to process this request.", code="internal_error")


def shutting_down() -> Fault:
    """Why a run ended that had to make way for a shutdown."""
    return ServerFault("The gateway is shutting down. Please try again.", code="shutting_down", status=503)
