"""One request for embeddings: sent on, answered, and counted like any other run. Nothing of it is stored."""

import asyncio
import logging

from msgspec import Struct, structs

from antiphon.dialects.embeddings import EmbeddingsRequest
from antiphon.engine.attempts import error_body, upstream_request
from antiphon.engine.course import Course, too_slow
from antiphon.engine.ledger import Ended, run_row
from antiphon.engine.meter import estimate_tokens
from antiphon.engine.prepare import Parts, hashed, nowhere_to_go
from antiphon.engine.record import Arrival, Attempt, Record, Timing
from antiphon.protocol.exchange import UpstreamRequest
from antiphon.protocol.faults import Fault, RequestFault, ServerFault, UpstreamFault
from antiphon.protocol.ids import ResponseId, response_id_text
from antiphon.protocol.records import RunRow, Tenant
from antiphon.protocol.request import Request
from antiphon.protocol.response import Response
from antiphon.protocol.target import Ask, Candidate, Fallback, Route, Target
from antiphon.protocol.usage import Usage
from antiphon.providers.embeddings import EmbeddingsAnswer, embeddings_url, encode_embeddings, read_embeddings

__all__ = ["Embedded", "EmbeddingRun"]

#: Two thousand vectors of four thousand numbers, as text.
_ANSWER_BYTES = 128 * 1024 * 1024

_log = logging.getLogger(__name__)


class Embedded(Struct, frozen=True):
    """The answer and who gave it."""

    body: bytes
    target: Target
    fallback: Fallback | None = None


class EmbeddingRun:
    """Makes one answer. Use `execute` once; `abort` from outside ends it early."""

    def __init__(self, parts: Parts, asked: EmbeddingsRequest, *, tenant: Tenant, arrival: Arrival) -> None:
        self.id = ResponseId(parts.ids.new_response_id())
        self.tenant = tenant
        self.began_s = arrival.began_s
        self.ends_by_s = arrival.began_s + parts.limits.run_s
        self.row: RunRow | None = None  # what was written about it, once it has ended
        self._parts = parts
        self._asked = asked
        self._arrival = arrival
        self._target: Target | None = None
        self._task: asyncio.Task[object] | None = None
        self._abort: Fault | None = None
        self._created_at = parts.clock.now()
        self.record = Record(
            id=response_id_text(self.id),
            tenant=tenant.id,
            caller=arrival.caller,
            created_at=self._created_at,
            model=asked.model,
            stream=False,
            store=False,
            end_user=asked.user,
            timing=Timing(authenticated=arrival.authenticated_ms, read=self._elapsed_ms()),
        )

    async def execute(self) -> Embedded:
        """Ask, and write the run's row.

        Raises:
            Fault: it failed, which is in the row.
            CancelledError: the client is gone; the upstream was closed, and the row says `cancelled`.
        """
        self._task = asyncio.current_task()
        try:
            embedded = await self._ask()
        except Fault as fault:
            raise self._failed(fault) from fault
        except asyncio.CancelledError:
            if self._abort is None or self._task is None:
                self.record.client_left()
                self._end("cancelled", None)
                raise
            self._task.uncancel()
            raise self._failed(self._abort) from None
        except Exception as error:
            _log.exception("run %s failed", self.record.id)
            raise self._failed(_internal_error()) from error
        finally:
            self._task = None
        return embedded

    def abort(self, fault: Fault) -> None:
        """End it as failed, from outside. Does nothing once it has ended."""
        if self._task is not None and self._abort is None:
            self._abort = fault
            self._task.cancel()

    async def _ask(self) -> Embedded:
        """Ask one candidate after the other, as the policy for retries has it."""
        route = self._routed()
        course = Course(self._asked, route, self._parts, self.record)
        candidate = course.next()
        while candidate is not None:
            target = self._target = candidate.target
            trace = course.attempt(target)
            answer = await self._tried(target, trace, course=course)
            if isinstance(answer, EmbeddingsAnswer):
                course.judge("served")
                self._end("completed", self._usage(answer))
                return Embedded(answer.body, target, course.fallback())
            course.judge("failed")
            decision = course.after(answer, elapsed_ms=self._elapsed_ms())
            trace.decision = decision.verb
            if decision.verb == "next_candidate":
                candidate = course.next(answer)
            elif decision.verb == "retry":
                await course.wait(decision, trace)
            else:
                raise course.to_tell(answer)
        raise nowhere_to_go()

    async def _tried(self, target: Target, trace: Attempt, *, course: Course) -> EmbeddingsAnswer | Fault:
        began = trace.start = self._elapsed_ms()
        tried = self._parts.health.begin(target)
        patience_s = self._asked.fallback_s
        slow = None if patience_s is None else too_slow(target, patience_s)
        if slow is not None and not course.would_follow(slow, acted=False):
            patience_s = None
        limit = asyncio.timeout(patience_s)
        try:
            async with limit:
                answer = await self._exchange(target, trace=trace)
        except Fault as fault:
            tried.failed(fault)
            trace.outcome = fault.code or fault.type
            return fault
        except TimeoutError:
            if slow is None or not limit.expired():
                raise
            trace.outcome = slow.code or slow.type  # which is no failure of the place
            return slow
        else:
            tried.served(latency_ms=self._elapsed_ms() - began, streamed=False)
            trace.outcome = "served"
            return answer
        finally:
            tried.left()
            trace.end = self._elapsed_ms()

    def _routed(self) -> Route:
        """Where it may go. Those that make no embeddings, or not in this dialect, are none of the candidates."""
        ask = Ask(
            model=self._asked.model,
            tenant=self.tenant.id,
            key_id=self._arrival.caller.key_id,
            tags=self._arrival.tags,
            regions=self._arrival.regions,
            fallbacks=self._asked.fallbacks,
            fallback=self._asked.fallback,
        )
        route = self._parts.router.route(ask)
        candidates = tuple(map(_able, route.candidates))
        route = structs.replace(route, candidates=candidates)
        self.record.route(route)
        self.record.timing.routed = self._elapsed_ms()
        if all(candidate.verdict is not None for candidate in candidates):
            raise RequestFault(
                f"The provider of the model `{self._asked.model[:100]}` makes no embeddings, or not in this dialect.",
                code="unsupported_endpoint",
                param="model",
            )
        return route

    def _encoded(self, target: Target) -> UpstreamRequest:
        url = embeddings_url(target) or ""
        user = hashed(self._asked.user, self.tenant)
        upstream = upstream_request(encode_embeddings(self._asked.fields, target, url=url, user=user), target)
        return structs.replace(upstream, first_byte_s=target.first_byte_s, idle_s=target.idle_s)

    async def _exchange(self, target: Target, *, trace: Attempt) -> EmbeddingsAnswer:
        async with await self._parts.client.open(self._encoded(target)) as exchange:
            trace.first_byte, trace.status = self._elapsed_ms(), exchange.status
            if not 200 <= exchange.status < 300:
                body = await error_body(exchange)
                raise self._parts.codecs["chat"].fault(exchange.status, exchange.headers, body=body, target=target)
            body = await exchange.read_all(_ANSWER_BYTES)
        answer = read_embeddings(body, model=self._asked.model)
        if answer is None:
            raise UpstreamFault(
                f"The provider '{target.provider}' gave an answer that could not be read.",
                code="upstream_protocol_error",
            )
        return answer

    def _usage(self, answer: EmbeddingsAnswer) -> Usage:
        if answer.input_tokens is not None:
            return Usage(answer.input_tokens, 0, answer.input_tokens)
        tokens = estimate_tokens(self._asked.input_bytes)
        return Usage(tokens, 0, tokens, estimated=True)

    def _failed(self, fault: Fault) -> Fault:
        self.record.error = fault.code or fault.type
        self._end("failed", None)
        return fault

    def _end(self, status: str, usage: Usage | None) -> None:
        """Write the row; whoever asked does not wait for it."""
        self.record.status = status
        request = Request(model=self._asked.model, input=())
        response = Response(
            id=self.record.id, created_at=self._created_at, status="completed", model=self._asked.model, usage=usage
        )
        ended = Ended(self.id, request, self._target, response, self._created_at, self._elapsed_ms())
        self.row = run_row(ended, self.record)
        if not self._parts.store.post(self.tenant, self.row):
            _log.error("the usage of run %s is lost: the store's queue is full", self.record.id)

    def _elapsed_ms(self) -> int:
        return int((self._parts.clock.monotonic() - self.began_s) * 1000)


def _able(candidate: Candidate) -> Candidate:
    if candidate.verdict is not None or embeddings_url(candidate.target) is not None:
        return candidate
    return structs.replace(candidate, verdict="modality_missing")


def _internal_error() -> Fault:
    return ServerFault("The gateway failed to process this request.", code="internal_error")
