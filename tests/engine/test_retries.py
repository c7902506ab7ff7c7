"""What is tried again, and where: the policy alone, against the table of docs/faults.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antiphon.config.retries import RetrySettings
from antiphon.engine.retries import RetryBudget, Standing, Verb, acts, decide, only_elsewhere
from antiphon.protocol.exchange import NetworkFault, Phase
from antiphon.protocol.faults import Fault, RequestFault, ServerFault, UpstreamFault
from antiphon.protocol.request import HostedTool, Request, Tool

SETTINGS = RetrySettings()
AGAIN = ("upstream_error", "upstream_protocol_error", "upstream_reset", "upstream_truncated", "upstream_unreachable")
ELSEWHERE_FIRST = ("rate_limit_exceeded", "upstream_overloaded")
ELSEWHERE = ("upstream_timeout", "upstream_stall", "upstream_quota", "upstream_credential_error", "model_not_found")


def upstream(code: str, *, wait_s: float | None = None) -> Fault:
    return UpstreamFault("It failed.", code=code, retryable=True, retry_after_s=wait_s)


def verb(fault: Fault, settings: RetrySettings = SETTINGS, **standing: float) -> Verb:
    return decide(fault, Standing(**standing), settings=settings, draw=lambda: 0.5).verb  # type: ignore[arg-type]  # as the struct has them


@pytest.mark.parametrize("code", AGAIN)
def test_what_may_pass_is_asked_again_before_another_is(code: str) -> None:
    assert verb(upstream(code)) == "retry"
    assert verb(upstream(code), others=1) == "retry"
    assert verb(upstream(code), others=1, attempts=2, repeats=1) == "next_candidate"


def test_a_place_that_has_failed_too_often_is_not_asked_again_before_another() -> None:
    assert verb(upstream("upstream_error"), others=1, spared=True) == "next_candidate"
    assert verb(upstream("upstream_error"), spared=True) == "retry"


@pytest.mark.parametrize("code", ELSEWHERE_FIRST)
def test_who_is_busy_is_only_asked_again_when_there_is_nobody_else(code: str) -> None:
    assert verb(upstream(code), others=1) == "next_candidate"
    assert verb(upstream(code)) == "retry"


@pytest.mark.parametrize("code", ELSEWHERE)
def test_what_stays_broken_is_only_asked_elsewhere(code: str) -> None:
    assert verb(upstream(code), others=1) == "next_candidate"
    assert verb(upstream(code)) == "stop_not_retryable"


@pytest.mark.parametrize("phase", ["dns", "tls", "setup"])
def test_a_name_or_certificate_that_is_bad_is_bad_for_all_of_that_address(phase: Phase) -> None:
    fault = NetworkFault("Not reached.", code="upstream_unreachable", phase=phase)
    assert only_elsewhere(fault)
    assert verb(fault) == "stop_not_retryable"
    assert verb(fault, others=1) == "next_candidate"
    assert not only_elsewhere(NetworkFault("Not reached.", code="upstream_unreachable", phase="connect"))


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault("Bad.", code="invalid_value"),
        RequestFault("Long.", code="context_length_exceeded"),
        ServerFault("Ours.", code="internal_error"),
        UpstreamFault("Out of time.", code="run_timeout", status=504),
        UpstreamFault("New.", code="unheard_of", retryable=True),
    ],
)
def test_what_no_repetition_helps_is_told_at_once(fault: Fault) -> None:
    assert verb(fault, others=3) == "stop_not_retryable"


def test_the_last_attempt_is_kept_for_a_place_that_was_not_asked() -> None:
    assert verb(upstream("upstream_error"), others=1, attempts=2) == "next_candidate"
    assert verb(upstream("upstream_error"), others=0, attempts=2) == "retry"


def test_attempts_have_an_end() -> None:
    assert verb(upstream("upstream_error"), attempts=3) == "stop_attempts"
    assert verb(upstream("upstream_error"), attempts=3, others=2) == "stop_attempts"
    assert verb(upstream("upstream_timeout"), attempts=3, others=2) == "stop_attempts"
    assert verb(upstream("upstream_error"), RetrySettings(attempts=1)) == "stop_attempts"


def test_every_model_that_the_client_names_gets_an_attempt() -> None:
    assert verb(upstream("upstream_timeout"), attempts=5, others=1, named=5) == "next_candidate"
    assert verb(upstream("upstream_error"), attempts=5, others=0, named=5) == "stop_attempts"


@pytest.mark.parametrize(("wait_s", "expected"), [(4.9, "retry"), (5.0, "retry"), (5.1, "stop_deadline")])
def test_a_place_that_asks_for_a_long_pause_is_not_waited_for(wait_s: float, expected: Verb) -> None:
    assert verb(upstream("rate_limit_exceeded", wait_s=wait_s)) == expected
    decision = decide(upstream("rate_limit_exceeded", wait_s=wait_s), Standing(), settings=SETTINGS, draw=lambda: 0.999)
    assert decision.verb != "retry" or wait_s <= decision.wait_s < wait_s + 0.25


def test_who_asks_for_a_pause_is_not_asked_before_another_is() -> None:
    assert verb(upstream("upstream_error", wait_s=1.0), others=1) == "next_candidate"


def test_nothing_is_asked_again_after_the_deadline_but_a_new_place_still_is() -> None:
    assert verb(upstream("upstream_error"), elapsed_s=29.5) == "retry"
    assert verb(upstream("upstream_error"), elapsed_s=29.9) == "stop_deadline"
    assert verb(upstream("upstream_error"), elapsed_s=300, others=1) == "next_candidate"


def test_the_budget_stops_repeats_and_not_other_places() -> None:
    assert verb(upstream("upstream_error"), has_budget=False) == "stop_budget"
    assert verb(upstream("upstream_error"), has_budget=False, others=1) == "next_candidate"


def test_what_may_have_acted_is_not_done_twice() -> None:
    assert verb(upstream("upstream_error"), acted=True, others=1) == "stop_not_retryable"
    assert verb(upstream("rate_limit_exceeded"), acted=True, others=1) == "next_candidate"
    assert verb(upstream("upstream_unreachable"), acted=True) == "retry"


@pytest.mark.parametrize(
    ("tools", "expected"),
    [((), False), (("web_search_preview",), False), (("web_search", "mcp"), True), (("code_interpreter",), True)],
)
def test_tools_of_the_provider_may_act(tools: tuple[str, ...], expected: bool) -> None:
    hosted: tuple[Tool, ...] = tuple(HostedTool(kind, Raw(b"{}")) for kind in tools)
    assert acts(Request(model="m", input=(), tools=hosted)) is expected


standings = st.builds(
    Standing,
    attempts=st.integers(1, 8),
    repeats=st.integers(0, 3),
    others=st.integers(0, 6),
    named=st.integers(0, 5),
    elapsed_s=st.floats(0, 100),
    output_sent=st.booleans(),
    acted=st.booleans(),
    has_budget=st.booleans(),
    spared=st.booleans(),
)
faults = st.builds(
    upstream, st.sampled_from([*AGAIN, *ELSEWHERE_FIRST, *ELSEWHERE]), wait_s=st.none() | st.floats(0, 20)
)


@given(faults, standings, st.floats(0, 0.999))
def test_the_bounds_hold_whatever_happens(fault: Fault, standing: Standing, chance: float) -> None:
    decision = decide(fault, standing, settings=SETTINGS, draw=lambda: chance)
    going_on = decision.verb in {"retry", "next_candidate"}
    if standing.output_sent:
        assert decision.verb == "stop_output_sent"
    if decision.verb == "retry":
        assert standing.attempts < SETTINGS.attempts
        assert standing.has_budget
        assert standing.elapsed_s + decision.wait_s <= SETTINGS.within_s
        assert (fault.retry_after_s or 0) <= decision.wait_s <= SETTINGS.max_wait_s + 0.25
    if decision.verb == "next_candidate":
        assert standing.others
        assert decision.wait_s == 0
    if going_on:
        assert standing.attempts < max(SETTINGS.attempts, standing.named + 1)


@given(st.integers(1, 2), st.floats(0, 0.999))
def test_waits_are_spread_from_nothing_to_a_bound_that_doubles(attempts: int, chance: float) -> None:
    decision = decide(upstream("upstream_error"), Standing(attempts=attempts), settings=SETTINGS, draw=lambda: chance)
    assert decision.wait_s == pytest.approx(chance * 0.5 * 2 ** (attempts - 1))


def test_ten_repeats_a_minute_are_always_within_the_budget() -> None:
    budget = RetryBudget()
    for _ in range(10):
        assert budget.has_room(100.0, 10)
        budget.spend(100.0)
    assert not budget.has_room(100.0, 10)
    assert not budget.has_room(159.9, 10)
    assert budget.has_room(160.0, 10)


def test_the_budget_grows_with_the_requests_of_the_last_minute() -> None:
    budget = RetryBudget()
    for second in range(60):
        budget.requests += 10
        budget.tick(1000.0 + second)
    for _ in range(60):
        assert budget.has_room(1059.0, 10)
        budget.spend(1059.0)
    assert not budget.has_room(1059.0, 10)
    assert not budget.has_room(1060.0, 10), "ten requests have become too old to count"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50), st.booleans()), max_size=60))
def test_the_budget_is_never_exceeded_in_any_minute(steps: list[tuple[float, int, bool]]) -> None:
    budget, now = RetryBudget(), 1000.0
    requests: list[tuple[int, int]] = []
    repeats: list[int] = []
    for passed, came, wants in steps:
        now += passed
        budget.requests += came
        budget.tick(now)
        requests.append((int(now), came))
        if wants and budget.has_room(now, 10):
            lately = sum(1 for second in repeats if second > int(now) - 60)
            allowed = sum(count for second, count in requests if second > int(now) - 60) * 0.1
            assert lately < max(10, allowed)
            budget.spend(now)
            repeats.append(int(now))
