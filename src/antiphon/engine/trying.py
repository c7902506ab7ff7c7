"""From the candidates of a route to one answer: ask, and ask again or elsewhere while no output was sent."""

import asyncio
from collections.abc import Coroutine

from antiphon.engine.attempts import Call, Taker, attempt
from antiphon.engine.choosing import Choice, chosen_plan
from antiphon.engine.course import Course, too_slow
from antiphon.engine.prepare import Material, Parts, Plan, nowhere_to_go, shortened
from antiphon.engine.reception import Reception
from antiphon.engine.record import Attempt
from antiphon.engine.retries import acts
from antiphon.protocol.faults import Fault, RequestFault, forget_frames
from antiphon.protocol.request import Request
from antiphon.protocol.target import Route, Target

__all__ = ["Trying"]


class Trying:
    """The attempts of one run. Use `first` and then `answer`, once."""

    __slots__ = (
        "_ahead",
        "_cannot",
        "_client",
        "_course",
        "_health",
        "_limit",
        "_material",
        "_reception",
        "_request",
    )

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self, parts: Parts, request: Request, material: Material, route: Route, reception: Reception
    ) -> None:
        self._client = parts.client
        self._health = parts.health
        self._request = request
        self._material: Material | None = material
        self._course = Course(request, route, parts, reception.record)
        self._reception = reception
        self._cannot: RequestFault | None = None  # why the first candidate could not be asked
        self._limit: asyncio.Timeout | None = None  # on an attempt that is given up when the client's patience ends
        self._ahead: Plan | None = None  # what is sent to the next one, where that had to be known before

    async def first(self) -> Plan:
        """What is sent to the first candidate that it can be said to.

        Raises:
            Fault: it can be said to nobody: why it could not be said to the first.
        """
        plan = await self._next()
        if plan is None:
            raise self._cannot or nowhere_to_go()
        return plan

    async def answer(self, plan: Plan) -> None:
        """Ask until somebody has answered.

        Raises:
            Fault: nobody did, or one failed when there was output already.
        """
        reception, course = self._reception, self._course
        reception.on_output = self._settle
        try:
            while True:
                trace = course.attempt(plan.call.target)
                reception.begin(trace, plan.spent)
                try:
                    if plan.question is not None:
                        plan = await self._choose(plan, plan.question, trace=trace)
                        self._go(plan)
                        continue
                    await self._ask(plan.call, trace, taker=reception)
                except Fault as fault:
                    trace.outcome = fault.code or fault.type
                    course.judge("failed")
                    plan = await self._after(fault, plan, trace=trace)
                    forget_frames(fault)  # the course may keep it, to tell the client in the end
                else:
                    trace.outcome = "served"
                    course.judge("served")
                    reception.end()
                    return
        finally:
            reception.on_output = None

    async def again(self, plan: Plan) -> None:
        """Ask the one who has answered for another round. Nobody else can go on with it.

        Raises:
            Fault: it failed, and asking again made no sense, or the client had seen some of the round.
        """
        reception, course = self._reception, self._course
        course.begin_round()
        self._material = None
        asked = reception.vault.plan or plan
        request_bytes = len(asked.call.upstream.body)
        reception.vault.plan = plan
        begun = False
        while True:
            trace = course.attempt(plan.call.target)
            if not begun:
                reception.begin_round(trace, request_bytes=request_bytes)
                begun = True
            else:
                reception.repeat_round(trace)
            try:
                if plan.question is not None:
                    plan = reception.vault.plan = await self._choose(plan, plan.question, trace=trace)
                    continue
                await self._ask(plan.call, trace, taker=reception)
            except Fault as fault:
                trace.outcome = fault.code or fault.type
                shorter = self._shorter_round(plan, fault)
                if shorter is not None:
                    trace.decision, plan = "shorten", shorter
                    continue
                decision = course.after(
                    fault,
                    elapsed_ms=reception.elapsed_ms(),
                    output_sent=reception.round_has_output,
                    acted=acts(plan.call.request),
                )
                trace.decision = decision.verb
                if decision.verb != "retry":
                    raise
                await course.wait(decision, trace)
                forget_frames(fault)
            else:
                trace.outcome = "served"
                return

    async def _choose(self, plan: Plan, question: Call, *, trace: Attempt) -> Plan:
        """Have the model say whether it answers or calls. It is an attempt like others, but not one that failed."""
        choice = Choice(self._reception.elapsed_ms)
        await self._ask(question, trace, taker=choice)
        self._course.forget_attempt()
        trace.outcome = "served"
        plan, trace.decision = chosen_plan(plan, choice, asked_bytes=len(question.upstream.body))
        if plan.spent is not None:
            self._reception.spend(plan.spent)
        return plan

    def _ask(self, call: Call, trace: Attempt, *, taker: Taker) -> Coroutine[None, None, None]:
        """One attempt. Where there is another place, it is given up when the client's patience ends before output."""
        patience_s = self._request.fallback_s
        if patience_s is not None and self._course.left:
            return self._ask_for_a_while(call, trace, taker, patience_s=patience_s)
        return attempt(call, self._client, health=self._health, trace=trace, taker=taker)

    async def _ask_for_a_while(self, call: Call, trace: Attempt, taker: Taker, *, patience_s: float) -> None:
        fault = too_slow(call.target, patience_s)
        limit = asyncio.timeout(None)
        impatience = asyncio.create_task(self._give_up(limit, fault, patience_s=patience_s))
        try:
            async with limit as self._limit:
                await attempt(call, self._client, health=self._health, trace=trace, taker=taker)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise fault from error
        finally:
            self._limit = None
            impatience.cancel()

    async def _give_up(self, limit: asyncio.Timeout, fault: Fault, *, patience_s: float) -> None:
        """End the attempt when patience is over, once it is known that another place would be asked, and can be."""
        await asyncio.sleep(patience_s)
        for target in self._course.would_follow(fault, acted=acts(self._request)):
            material = self._material
            if material is None:
                return  # there is output by now
            try:
                plan = await material.plan(target)
            except Fault:
                continue  # it cannot be told this, at least not now; who is being asked may go on
            if self._limit is limit:
                self._ahead = plan
                limit.reschedule(asyncio.get_running_loop().time())
            return

    async def _after(self, fault: Fault, plan: Plan, *, trace: Attempt) -> Plan:
        """What to ask after this failure. Raises the fault that the client is told when there is nothing."""
        shorter = self._shorter(plan, fault)
        if shorter is not None:
            trace.decision = "shorten"
            return shorter
        reception, course = self._reception, self._course
        acted = acts(self._request)
        decision = course.after(
            fault, elapsed_ms=reception.elapsed_ms(), output_sent=reception.output_sent, acted=acted
        )
        if decision.verb == "next_candidate":
            following = await self._next(fault)
            if following is not None:
                trace.decision = decision.verb
                return following
            decision = course.after(fault, elapsed_ms=reception.elapsed_ms(), acted=acted)
        trace.decision = decision.verb
        if decision.verb == "stop_output_sent":
            raise fault
        if decision.verb != "retry":
            raise course.to_tell(fault)
        await course.wait(decision, trace)
        return plan

    async def _next(self, after: Fault | None = None) -> Plan | None:
        """What is sent to the next candidate that it can be said to."""
        while self._material is not None and (candidate := self._course.next(after)) is not None:
            try:
                plan = await self._plan(self._material, candidate.target)
            except RequestFault as fault:
                self._course.unable(fault)
                self._cannot = self._cannot or fault
                continue
            if not self._course.left:
                self._material = None  # it may be large, and a stream may stay open for long
            self._go(plan)
            return plan
        return None

    async def _plan(self, material: Material, target: Target) -> Plan:
        ahead = self._ahead
        if ahead is None or ahead.call.target is not target:
            return await material.plan(target)
        self._ahead = None
        return ahead

    def _go(self, plan: Plan) -> None:
        """This is what is asked now, and what the answer's headers shall tell."""
        reception = self._reception
        reception.vault.plan = plan
        reception.expect(plan.functions, single=self._request.parallel_tool_calls is False)
        reception.record.notices = list(plan.notices)
        reception.sink.prepare(reception.record.notices, plan.call.target, fallback=self._course.fallback())

    def _shorter(self, plan: Plan, fault: Fault) -> Plan | None:
        if fault.code != "context_length_exceeded" or self._reception.output_sent:
            return None
        shorter = shortened(plan) if self._request.truncation == "auto" else None
        if shorter is not None:
            self._course.forget_attempt()
            self._go(shorter)
        return shorter

    def _shorter_round(self, plan: Plan, fault: Fault) -> Plan | None:
        """The same for a round behind the first. What was noticed of those before stays."""
        reception = self._reception
        if fault.code != "context_length_exceeded" or reception.round_has_output:
            return None
        shorter = shortened(plan) if self._request.truncation == "auto" else None
        if shorter is not None:
            self._course.forget_attempt()
            reception.vault.plan = shorter
            kept = [notice for notice in reception.record.notices if notice.where != "truncation"]
            reception.record.notices = [*kept, *(one for one in shorter.notices if one.where == "truncation")]
        return shorter

    def _settle(self) -> None:
        """There is output, and with it no way back."""
        self._material = self._ahead = None
        if self._limit is not None:
            self._limit.reschedule(None)
            self._limit = None
