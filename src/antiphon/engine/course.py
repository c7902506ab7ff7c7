"""The way of one request over the candidates of its route: who is asked, who is next, and what the record says of it.

What to do after a failure is decided in `retries`. Nothing is sent here; the wait before a repeat ends at once when the
run does.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from antiphon.engine.prepare import Parts
from antiphon.engine.record import Attempt, Record
from antiphon.engine.retries import Decision, Standing, only_elsewhere
from antiphon.protocol.faults import Fault, RequestFault, UpstreamFault
from antiphon.protocol.target import Candidate, Fallback, Route, Target

__all__ = ["Asked", "Course", "too_slow"]

#: Faults that are the operator's to mend. Where another place failed for a reason that passes, the client is told that.
_OPERATORS = frozenset({"model_not_found", "upstream_credential_error", "upstream_quota"})


class Asked(Protocol):
    """What a request says about its candidates; see `Request`."""

    @property
    def model(self) -> str:
        """The name that was asked for."""

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Names to try after it."""


class Course:
    """Of one request. Candidates with a verdict are passed over.

    Attributes:
        left: positions of the candidates that were not asked yet.
    """

    __slots__ = (
        "_asked",
        "_at",
        "_attempts",
        "_before",
        "_candidates",
        "_clock",
        "_first",
        "_health",
        "_policy",
        "_reason",
        "_record",
        "_repeats",
        "_told",
        "left",
    )

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self, asked: Asked, route: Route, parts: Parts, record: Record
    ) -> None:
        self._asked = asked
        self._candidates = route.candidates
        self._policy = parts.retries
        self._clock = parts.clock
        self._health = parts.health
        self._record = record
        self._at = 0
        self._first: int | None = None  # the position that was chosen first
        self._attempts = 0
        self._repeats = 0  # of the candidate that is being asked
        self._before = (0, 0)  # these two, of the one before it
        self._reason: str | None = None  # why it is not the first one
        self._told: Fault | None = None
        self.left = [0] if len(route.candidates) == 1 else _open(route.candidates)
        parts.retries.budget.requests += 1

    def next(self, after: Fault | None = None) -> Candidate | None:
        """The next candidate, from now on the one that is being asked; `None` when none is left that could help."""
        others = self.left if after is None else self._others(after)
        if not others:
            return None
        if after is not None:
            self._before = (self._at, self._repeats)
        self._at = others[0]
        self.left.remove(self._at)
        if self._first is None:
            self._first = self._at
        self._repeats = 0
        return self._candidates[self._at]

    def unable(self, fault: RequestFault) -> None:
        """This candidate cannot be told what is asked. The one before may be asked again, and is the one again."""
        self.judge(_unable(fault))
        self._at, self._repeats = self._before
        self._reason = self._reason or fault.code or fault.type

    def judge(self, verdict: str) -> None:
        """What became of this candidate."""
        self._record.candidates[self._at].verdict = verdict

    def attempt(self, target: Target) -> Attempt:
        """An attempt at this candidate begins."""
        self._attempts += 1
        trace = Attempt(len(self._record.attempts) + 1, f"{target.provider}/{target.model}")
        trace.credential = target.credential.alias if target.credential else None
        self._record.attempts.append(trace)
        return trace

    def begin_round(self) -> None:
        """Another round, which only the place that answered can go on with: it has attempts of its own."""
        self._attempts = self._repeats = 0
        self.left = []
        self._policy.budget.requests += 1

    def forget_attempt(self) -> None:
        """The last attempt does not count: another request comes of it, not the same once more."""
        self._attempts -= 1

    def after(self, fault: Fault, *, elapsed_ms: int, output_sent: bool = False, acted: bool = False) -> Decision:
        """What to do after this failure of an attempt. To be asked again when the next candidate turns out unable."""
        if fault.code not in _OPERATORS:
            self._told = fault
        decision = self._decide(fault, elapsed_ms=elapsed_ms, output_sent=output_sent, acted=acted)
        if decision.verb == "next_candidate":
            self._reason = self._reason or fault.code
        return decision

    def would_follow(self, fault: Fault, *, acted: bool) -> Sequence[Target]:
        """Who would be asked, the first of them that can be told it, if the attempt failed like this now."""
        if self._decide(fault, acted=acted).verb != "next_candidate":
            return ()
        return [self._candidates[at].target for at in self._others(fault)]

    def _decide(self, fault: Fault, *, elapsed_ms: int = 0, output_sent: bool = False, acted: bool = False) -> Decision:
        standing = Standing(
            attempts=self._attempts,
            repeats=self._repeats,
            others=len(self._others(fault)),
            named=len(self._asked.fallbacks),
            elapsed_s=elapsed_ms / 1000,
            output_sent=output_sent,
            acted=acted,
            has_budget=self._policy.has_room(self._clock.monotonic()),
            spared=self._health.verdict(self._candidates[self._at].target) is not None,
        )
        return self._policy.decide(fault, standing)

    async def wait(self, decision: Decision, trace: Attempt) -> None:
        """Wait before this candidate is asked again."""
        self._policy.budget.spend(self._clock.monotonic())
        self._repeats += 1
        trace.wait = round(decision.wait_s * 1000)
        await asyncio.sleep(decision.wait_s)

    def fallback(self) -> Fallback | None:
        """What to tell when another place answers than the one that was asked for. Another key is no other place."""
        if self._reason is not None:
            return None if self._is_first_place() else Fallback(self._asked.model, self._reason)
        name = self._candidates[self._at].model
        if name == self._asked.model or name not in self._asked.fallbacks:
            return None
        verdicts = (candidate.verdict for candidate in self._candidates if candidate.verdict is not None)
        return Fallback(self._asked.model, next(verdicts, "not_available"))

    def _is_first_place(self) -> bool:
        """Whether this is the place that was chosen first, be it with another of its keys."""
        first, now = self._candidates[self._first or 0].target, self._candidates[self._at].target
        return (first.provider, first.model) == (now.provider, now.model)

    def to_tell(self, fault: Fault) -> Fault:
        """The last fault, but rather one that passes than one that only the operator can mend."""
        return self._told if self._told is not None and fault.code in _OPERATORS else fault

    def _others(self, fault: Fault) -> list[int]:
        """The candidates that were not asked yet and are not sure to fail in the same way."""
        if not only_elsewhere(fault):
            return self.left
        here = self._candidates[self._at].target.base_url
        return [at for at in self.left if self._candidates[at].target.base_url != here]


def too_slow(target: Target, patience_s: float) -> UpstreamFault:
    """The failure of a place that took longer to its output than the client would wait, with others to try."""
    return UpstreamFault(
        f"The provider {target.provider} gave no output within {patience_s:g} seconds.",
        code="upstream_timeout",
        status=504,
        retryable=True,
    )


def _open(candidates: Sequence[Candidate]) -> list[int]:
    return [at for at, candidate in enumerate(candidates) if candidate.verdict is None]


def _unable(fault: RequestFault) -> str:
    """The verdict on a candidate that the request cannot be said to."""
    if fault.code == "fidelity_refused":
        return "strict_fidelity"
    field = fault.param or ""
    if field.startswith("tool"):
        return "tool_missing"
    return "modality_missing" if field.startswith("input") else "failed"
