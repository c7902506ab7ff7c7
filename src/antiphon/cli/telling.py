"""A run record in words, for `antiphon why`."""

from collections.abc import Iterator, Mapping

from antiphon.cli.output import date_of
from antiphon.engine.record import Attempt, Record

__all__ = ["tell"]

_VERDICTS: Mapping[str, str] = {
    "served": "answered",
    "failed": "was tried, and failed",
    "not_needed": "was not needed",
    "circuit_open": "was spared: it had failed too often",
    "cooling_down": "was spared: it had asked for a pause, or failed a moment before",
    "rate_limited": "had reached a limit",
    "over_budget": "was beyond the budget",
    "context_too_small": "takes less than the request has",
    "modality_missing": "does not take what is in the request, or has no such endpoint",
    "tool_missing": "does not have the tools",
    "region_excluded": "is in none of the regions that the request is bound to, or is for others",
    "condition_excluded": "is for other tenants or tags",
    "endpoint_excluded": "is a model that only /v1/responses serves",
    "key_excluded": "is not for this key",
    "model_not_allowed": "is a model that the key may not use",
    "paused": "is paused",
    "unhealthy_probe": "was spared: it did not answer when it was looked at",
    "deadline_too_short": "could not have answered in the time that was left",
    "strict_fidelity": "could not do exactly what was asked",
}

_STRATEGIES: Mapping[str, str] = {
    "ordered": "in the order of the configuration",
    "weighted": "by lot, as weighted",
    "random": "by lot",
    "least_busy": "the least busy first",
    "lowest_latency": "the fastest first",
    "cheapest": "the cheapest first",
}

_DECISIONS: Mapping[str, str] = {
    "retry": "it was asked again",
    "next_candidate": "the next place was tried",
    "shorten": "it was asked again with fewer of the old turns",
    "answer": "it was asked for an answer",
    "call": "it was asked for the call that it had chosen",
    "stop_output_sent": "the client had output already: nothing else could be tried",
    "stop_not_retryable": "another try could not have helped",
    "stop_attempts": "there had been enough tries",
    "stop_budget": "there had been too many tries lately",
    "stop_deadline": "no time was left",
    "stop_client_gone": "the client had left",
}


def tell(record: Record) -> Iterator[str]:
    """Line by line. A part of which the record has nothing is left out."""
    yield from _facts(record)
    if record.candidates:
        yield ""
        yield from _places(record)
    if record.attempts:
        yield ""
        yield "What was tried:"
        for attempt in record.attempts:
            yield from _attempt(attempt)
    if record.timing.finished is not None:
        yield ""
        yield "Where the time went:"
        yield from _times(record)
    if record.notices:
        yield ""
        yield "What was not done exactly as asked:"
        for notice in record.notices:
            change = f", {notice.asked} became {notice.became}" if notice.became else ""
            yield f"  {notice.where}: {notice.kind} ({notice.reason}{change})"


def _facts(record: Record) -> Iterator[str]:
    caller, took = record.caller, record.timing.finished
    error = f" with {record.error}" if record.error else ""
    after = f" after {_span(took)}" if took is not None else ""
    yield f"{record.id}: {record.status}{error}{after}"
    key = caller.key_name or caller.key_id
    by = f" by {key}" if key else ""
    client = f" from {caller.client_address}" if caller.client_address else ""
    yield f"  asked for   {record.model}{' (stream)' if record.stream else ''}, through {caller.front_door}"
    yield f"  asked       {date_of(record.created_at)} UTC{by}, tenant {record.tenant}{client}"
    yield f"  request     {caller.request_id}"
    if record.previous_response_id:
        yield f"  continues   {record.previous_response_id}"
    served = next((attempt for attempt in record.attempts if attempt.outcome == "served"), None)
    if served is not None:
        named = f", which calls itself {served.upstream_model}" if served.upstream_model else ""
        yield f"  answered by {_place(served.target, served.credential)}{named}"
    if record.cost_micros is not None:
        yield f"  cost        ${record.cost_micros / 1_000_000:.6f}"


def _places(record: Record) -> Iterator[str]:
    how = _STRATEGIES.get(record.strategy, record.strategy) if record.strategy else ""
    kept = "; kept where its conversation is" if record.affinity else ""
    yield f"Where it could go ({how}{kept}):" if how else "Where it could go:"
    names = [_place(candidate.target, candidate.credential) for candidate in record.candidates]
    width = max(map(len, names))
    for name, candidate in zip(names, record.candidates, strict=True):
        yield f"  {name:<{width}}  {_VERDICTS.get(candidate.verdict, candidate.verdict)}"


def _attempt(attempt: Attempt) -> Iterator[str]:
    began = f" at {_span(attempt.start)}" if attempt.start is not None else ""
    yield f"  {attempt.number}. {_place(attempt.target, attempt.credential)}{began}: {_outcome(attempt)}"
    steps = [
        f"{what} after {_span(moment - attempt.start)}"
        for what, moment in (
            ("answer began", attempt.first_byte),
            ("first output", attempt.first_delta),
            ("ended", attempt.end),
        )
        if moment is not None and attempt.start is not None
    ]
    if steps:
        yield f"     {', '.join(steps)}"
    if attempt.decision:
        after = f", {_span(attempt.wait)} later" if attempt.wait else ""
        yield f"     then {_DECISIONS.get(attempt.decision, attempt.decision)}{after}"


def _outcome(attempt: Attempt) -> str:
    status = f" with status {attempt.status}" if attempt.status is not None else ""
    if attempt.outcome == "served":
        stop = f", and stopped with `{attempt.stop}`" if attempt.stop else ""
        return f"answered{status}{stop}"
    return f"failed{status}: {attempt.outcome}" if attempt.outcome else f"did not end{status}"


def _times(record: Record) -> Iterator[str]:
    """The gateway's before the first attempt, the providers', and what came after."""
    finished = record.timing.finished or 0
    starts = [attempt.start for attempt in record.attempts if attempt.start is not None]
    ends = [attempt.end for attempt in record.attempts if attempt.end is not None]
    if not starts or not ends:
        yield f"  {_span(finished)} in the gateway: no provider was asked"
        return
    yield f"  {_span(starts[0])} in the gateway before the first provider was asked{_milestones(record)}"
    asked = sum(end - start for start, end in zip(starts, ends, strict=False))
    waited = max(ends[-1] - starts[0] - asked, 0)
    yield f"  {_span(asked)} at {'the provider' if len(starts) == 1 else 'providers'}"
    if waited:
        yield f"  {_span(waited)} between the tries"
    yield f"  {_span(max(finished - ends[-1], 0))} in the gateway after that, mostly to store"


def _milestones(record: Record) -> str:
    timing = record.timing
    named = {"read": timing.read, "history": timing.history, "routed": timing.routed, "encoded": timing.encoded}
    shown = [f"{name} {_span(moment)}" for name, moment in named.items() if moment is not None]
    return f" ({', '.join(shown)})" if shown else ""


def _place(target: str, credential: str | None) -> str:
    return f"{target} (key {credential})" if credential else target


def _span(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.2f} s"
