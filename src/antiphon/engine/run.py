"""One run: from a parsed request to a committed response, whatever happens on the way.

Two marks order everything. Until the client has a status, a failure is an HTTP error and nothing is stored. From then
on the stream ends with exactly one terminal event, and with `store` that event leaves only after the response is
committed.
A JSON answer is the same run with nobody reading the events.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, structs

from antiphon.engine.allowed import AllowedCalls
from antiphon.engine.attempts import Call, attempt
from antiphon.engine.fidelity import FIDELITY, fidelity_report
from antiphon.engine.history import History
from antiphon.engine.ledger import Ended, run_row, turn_row
from antiphon.engine.meter import Meter
from antiphon.engine.ports import Sink
from antiphon.engine.prepare import Parts, Plan, prepare, renew, shortened, without_body
from antiphon.engine.record import Arrival, Attempt, Record, Timing, first_line
from antiphon.engine.vault import Vault
from antiphon.protocol import deltas, events
from antiphon.protocol.assembler import Assembler, Outcome, terminal_event
from antiphon.protocol.echo import begin_response
from antiphon.protocol.extended import extended
from antiphon.protocol.faults import Fault, ServerFault, StoreFault, UpstreamFault
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.reading import read_fields
from antiphon.protocol.records import CallState, RunRow, Tenant
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.response import Response
from antiphon.protocol.usage import Usage

__all__ = ["Run", "run_timeout", "shutting_down"]

_OUTPUT = frozenset(
    {
        deltas.Text,
        deltas.Refusal,
        deltas.Annotation,
        deltas.Reasoning,
        deltas.CallOpened,
        deltas.CallArguments,
        deltas.Seal,
        deltas.SearchOpened,
        deltas.SearchDone,
        deltas.Relayed,
        deltas.Closed,
    }
)
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_encoder = msgspec.json.Encoder()
_log = logging.getLogger(__name__)


class Run:
    """Drives one response. Use `execute` once; `abort` from outside ends it early and properly."""

    def __init__(self, parts: Parts, request: Request, *, tenant: Tenant, arrival: Arrival, sink: Sink) -> None:
        self.id: ResponseId = ResponseId(parts.ids.new_response_id())
        self.tenant = tenant
        self._parts = parts
        self._request = request
        self._sink = sink
        self._began = arrival.began_s
        self._created_at = parts.clock.now()
        base = begin_response(request, self.id, created_at=self._created_at)
        self._base = base
        self._vault = Vault(parts, tenant, owner=self.id)
        self._assembler = Assembler(
            base,
            owner=self.id,
            new_call_id=parts.ids.new_call_id,
            seal=self._vault.seal if "reasoning.encrypted_content" in request.include else None,
        )
        self._meter = Meter()
        self._stopped: deltas.Stopped | None = None
        self._service_tier: str | None = None
        self._allowed = AllowedCalls.of(request)
        self._plan: Plan | None = None
        self._output_seen = False
        self._abort: Fault | None = None
        self.row: RunRow | None = None  # what was written about it, once it has ended
        self._task: asyncio.Task[object] | None = None
        self.record = Record(
            id=base.id,
            tenant=tenant.id,
            caller=arrival.caller,
            created_at=self._created_at,
            model=request.model,
            stream=request.stream,
            store=request.store,
            retention_days=parts.limits.retention_days if request.store else None,
            end_user=request.safety_identifier or request.user,
            metadata=dict(request.metadata) or None,
            previous_response_id=base.previous_response_id,
            first_line=first_line(request) if parts.limits.keep_first_line else None,
            timing=Timing(authenticated=arrival.authenticated_ms, read=self._elapsed_ms()),
        )

    async def execute(self) -> Response:
        """Run to the end.

        Raises:
            Fault: it failed before the client had a status. After that the failed response is returned instead.
            CancelledError: the client is gone. The upstream was closed, and what there was is stored as `cancelled`.
        """
        self._task = asyncio.current_task()
        self._sink.hold(self._assembler.open())
        try:
            await self._work()
        except Fault as fault:
            return await self._fail(fault)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._abort is not None and task is not None:
                task.uncancel()
                return await self._fail(self._abort)
            await self._conclude("cancelled")
            raise
        except Exception:  # noqa: BLE001 - the supervisor of a run: a bug is logged once and told to nobody
            _log.exception("run %s failed", self._base.id)
            return await self._fail(_internal_error())
        stopped = self._stopped
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
        return _encoder.encode(self._assembler.snapshot())

    async def _work(self) -> None:
        """Everything that may be interrupted. Behind it the end is certain and nothing may stop the commit."""
        try:
            call: Call | None = await self._prepared()
            while call is not None:
                call = await self._ask_or_shorten(call)
        finally:
            self._task = None

    async def _ask_or_shorten(self, call: Call) -> Call | None:
        """`None` once there was an answer; else what to ask instead, with fewer of the old turns."""
        try:
            await self._ask(call)
        except Fault as fault:
            shorter = self._shorter() if fault.code == "context_length_exceeded" else None
            if shorter is None:
                raise
            self.record.attempts[-1].decision = "shorten"
            return shorter
        return None

    def _shorter(self) -> Call | None:
        found = None
        if self._plan is not None and not self._output_seen and self._request.truncation == "auto":
            found = shortened(self._plan)
        if found is None:
            return None
        self._plan, notice = found
        self._vault.plan = self._plan
        self.record.notices = [known for known in self.record.notices if known.where != "truncation"] + [notice]
        self._sink.prepare(self.record.notices, self._plan.call.target)
        return self._plan.call

    async def _ask(self, call: Call) -> None:
        trace = Attempt(len(self.record.attempts) + 1, f"{call.target.provider}/{call.target.model}")
        trace.credential = call.target.credential.alias if call.target.credential else None
        self.record.attempts.append(trace)
        try:
            await attempt(call, self._parts.client, trace=trace, clock_ms=self._elapsed_ms, taker=self)
        except Fault as fault:
            trace.outcome = fault.code or fault.type
            trace.decision = "stop_output_sent" if self._output_seen else "stop_not_retryable"
            self._verdict("failed")
            raise
        trace.outcome = "served"
        self._verdict("served")

    def _verdict(self, verdict: str) -> None:
        self.record.candidates[0].verdict = verdict

    async def _prepared(self) -> Call:
        plan = await prepare(
            self._request, self.tenant, parts=self._parts, record=self.record, clock_ms=self._elapsed_ms
        )
        await renew(plan.history, self.tenant, parts=self._parts)
        self._plan = self._vault.plan = plan
        self._request = without_body(self._request)
        self._sink.prepare(self.record.notices, plan.call.target)
        return plan.call

    def take_now(self, batch: list[deltas.Delta]) -> bool:
        """Deal with a piece of text at once, as nearly all reads of a stream are; false for everything else."""
        first = batch[0]
        if len(batch) != 1 or type(first) is not deltas.Text or not self._output_seen or not self._sink.ready:
            return False
        caused = self._assembler.feed((first,))
        if len(caused) > 1:  # the text opened an item
            self._trace(caused)
        self._sink.write_now(caused)
        return True

    async def take(self, batch: list[deltas.Delta]) -> bool:
        """Sort one read's deltas; send the events they cause in one write."""
        output: list[deltas.OutputDelta] = []
        broke: Fault | None = None
        for delta in batch:
            if type(delta) in _OUTPUT:
                output.append(delta)  # type: ignore[arg-type]  # the set holds exactly the output deltas
            elif isinstance(delta, deltas.Broke):
                broke = delta.fault
            else:
                self._note(delta)
        if self._allowed is not None:
            output = self._allowed.filter(output)
        if output and (caused := self._assembler.feed(self._vault.cover(output))):
            await self._send(caused)
        if broke is not None:
            raise broke
        return self._stopped is not None

    async def _send(self, batch: Sequence[events.Event]) -> None:
        if not self._output_seen:
            self._output_seen = True
            self.record.timing.first_event = self.record.attempts[-1].first_delta = self._elapsed_ms()
        if len(batch) > 1 or type(batch[0]) is not events.TextDelta:
            self._trace(batch)
        await self._sink.write(batch)

    def _trace(self, batch: Sequence[events.Event]) -> None:
        at_ms = self._elapsed_ms()
        for event in batch:
            self.record.see(event, at_ms=at_ms)

    def _note(self, delta: deltas.Delta) -> None:
        match delta:
            case deltas.UsageSeen():
                self._meter.see(delta)
                self._sink.see(delta)
            case deltas.Stopped():
                if self._stopped is None:
                    self._sink.see(delta)
                    self._stopped = delta
                    self.record.attempts[-1].stop = delta.native
            case deltas.Native():
                self._sink.see(delta)
            case deltas.Opened():
                self._sink.see(delta)
                trace = self.record.attempts[-1]
                trace.upstream_id = delta.upstream_id or trace.upstream_id
                trace.upstream_model = delta.model or trace.upstream_model
                if delta.service_tier in _TIERS:
                    self._service_tier = delta.service_tier

    async def _fail(self, fault: Fault) -> Response:
        """Before the status: an HTTP error and a run row. After it: a failed response like any other."""
        self.record.error = fault.code or fault.type
        if not self._sink.status_sent:
            self.record.status = "failed"
            partial = structs.replace(self._base, usage=self._usage()) if self._output_seen else None
            self._post(self._write_row(self._ended(partial)))
            raise fault
        _log.warning("request %s: %s (%s)", self.record.caller.request_id, fault.message, fault.detail)
        return await self._conclude("failed", fault=fault)

    async def _conclude(
        self,
        status: Literal["completed", "incomplete", "failed", "cancelled"],
        *,
        reason: Literal["max_output_tokens", "content_filter"] | None = None,
        fault: Fault | None = None,
    ) -> Response:
        """Close the response, commit it, and only then tell the client that it ended."""
        usage = self._usage() if status != "failed" or self._output_seen else None
        more = self._upstreams_own()
        if usage is not None and "usage" in more:
            usage = extended(usage, read_fields(more.pop("usage")))
        if FIDELITY in self._request.include:
            more["antiphon"] = fidelity_report(self._notices(), self._plan.call.target if self._plan else None)
        outcome = Outcome(status, usage, reason, fault, self._parts.clock.now(), self._service_tier, more)
        closing, terminal = self._assembler.finish(outcome)
        self._trace(closing)
        response = await self._commit(terminal.response)
        if response is not terminal.response:
            terminal = terminal_event(response, terminal.sequence_number)
        if status != "cancelled":
            await self._sink.end([*closing, terminal])
        return response

    def _upstreams_own(self) -> dict[str, Raw]:
        """What an upstream of the client's own dialect said of its finished response that no field of ours can say."""
        stopped, plan = self._stopped, self._plan
        if stopped is None or stopped.vendor is None or plan is None:
            return {}
        own = plan.call.target.protocol == self._request.dialect == "responses"
        return read_fields(stopped.vendor) if own else {}

    def _notices(self) -> list[Notice]:
        return [*self.record.notices, *(self._allowed.notices if self._allowed is not None else ())]

    def _usage(self) -> Usage | None:
        if self._plan is None:
            return None
        return self._meter.total(request_bytes=len(self._plan.call.upstream.body), output=self._assembler.output)

    async def _commit(self, response: Response) -> Response:
        """Write the run and the response. When the store fails for good, the answer is given all the same."""
        record = self.record
        record.status = response.status
        record.notices = self._notices()
        ended = self._ended(response)
        row = self._write_row(ended)
        calls = self._vault.calls(response, self._assembler.states)
        if not self._request.store:
            await self._write(row, calls)
            return response
        history = self._plan.history if self._plan else History(self._request.input, self._request.input)
        states = self._vault.locked(self._assembler.states)
        retention_s = self._parts.limits.retention_s
        turn = turn_row(ended, response, history=history, retention_s=retention_s, states=states)
        try:
            await self._parts.store.put(self.tenant, row, turn, calls=calls)
        except StoreFault as fault:
            _log.error("response %s could not be stored: %s", record.id, fault.detail)
            record.notices.append(Notice("store", "dropped", "store_unavailable"))
            return structs.replace(response, store=False)
        return response

    async def _write(self, row: RunRow, calls: Sequence[CallState]) -> None:
        """A run that is not stored. What belongs to its calls is there before the client can send them back."""
        if not calls:
            self._post(row)
            return
        try:
            await self._parts.store.put(self.tenant, row, None, calls=calls)
        except StoreFault as fault:
            _log.error("the thoughts before the calls of %s are lost: %s", self.record.id, fault.detail)

    def _ended(self, response: Response | None) -> Ended:
        target = self._plan.call.target if self._plan else None
        return Ended(self.id, self._request, target, response, self._created_at, self._elapsed_ms())

    def _post(self, row: RunRow) -> None:
        if not self._parts.store.post(self.tenant, row):
            _log.error("the usage of run %s is lost: the store's queue is full", self.record.id)

    def _write_row(self, ended: Ended) -> RunRow:
        self.row = run_row(ended, self.record)
        return self.row

    def _elapsed_ms(self) -> int:
        return int((self._parts.clock.monotonic() - self._began) * 1000)


def run_timeout() -> Fault:
    """Why a run ended that took longer than `RunLimits.run_s`."""
    return UpstreamFault("The response took longer than this gateway allows.", code="run_timeout", status=504)


def _internal_error() -> Fault:
    return ServerFault("The gateway failed to process this request.", code="internal_error")


def shutting_down() -> Fault:
    """Why a run ended that had to make way for a shutdown."""
    return ServerFault("The gateway is shutting down. Please try again.", code="shutting_down", status=503)
