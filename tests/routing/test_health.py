"""What is remembered of targets: circuits, pauses, probes, who is busy and who is fast. On a clock of the test's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from antiphon.protocol.faults import Fault, RequestFault, UpstreamFault
from antiphon.protocol.target import Credential, Secret, Target
from antiphon.routing.health import TargetHealth

HERE = Target(
    provider="here",
    model="m",
    protocol="chat",
    quirks="generic",
    base_url="http://here.example/v1",
    credential=Credential("key-1", Secret("s")),
)
OTHER_KEY = structs.replace(HERE, credential=Credential("key-2", Secret("s")))
OTHER_MODEL = structs.replace(HERE, model="n")
ELSEWHERE = structs.replace(HERE, provider="there", base_url="http://there.example/v1")
BROKEN = UpstreamFault("Boom.", code="upstream_error", retryable=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> TargetHealth:
    return TargetHealth(clock)


def fail(health: TargetHealth, *, times: int = 1, fault: Fault = BROKEN, target: Target = HERE) -> None:
    for _ in range(times):
        health.begin(target).failed(fault)


def limited(wait_s: float | None = None) -> Fault:
    return UpstreamFault("Slow down.", code="rate_limit_exceeded", status=429, retryable=True, retry_after_s=wait_s)


def test_nothing_speaks_against_who_was_never_asked(health: TargetHealth) -> None:
    assert health.verdict(HERE) is None
    assert health.wait_s(HERE) == 0.0
    assert health.in_flight(HERE) == 0
    assert health.latency_ms(HERE) is None
    assert not health.unwell()


def test_five_failures_in_a_row_open_the_circuit_for_all_keys_of_the_model(health: TargetHealth) -> None:
    fail(health, times=4)
    assert health.verdict(HERE) is None
    fail(health, target=OTHER_KEY)
    assert health.verdict(HERE) == health.verdict(OTHER_KEY) == "circuit_open"
    assert health.wait_s(HERE) == pytest.approx(5.0)
    assert health.verdict(OTHER_MODEL) is health.verdict(ELSEWHERE) is None
    assert health.unwell() == {("here", "circuit_open"): 2}


def test_an_answer_in_between_begins_the_count_anew(health: TargetHealth) -> None:
    for _ in range(3):
        fail(health, times=4)
        health.begin(HERE).served()
    assert health.verdict(HERE) is None


def test_half_of_many_attempts_that_fail_open_it_too(health: TargetHealth, clock: Clock) -> None:
    for _ in range(7):
        assert health.verdict(HERE) is None
        health.begin(HERE).served()
        fail(health, times=2)
        clock.now += 1
    assert health.verdict(HERE) == "circuit_open"


def test_a_few_failures_now_and_then_open_nothing(health: TargetHealth, clock: Clock) -> None:
    for _ in range(50):
        fail(health)
        for _ in range(3):
            health.begin(HERE).served()
        clock.now += 1
    assert health.verdict(HERE) is None


def test_when_its_time_is_up_one_request_tries_and_closes_it(health: TargetHealth, clock: Clock) -> None:
    fail(health, times=5)
    clock.now += 5.1
    assert health.verdict(HERE) is None, "the first that asks is let through"
    assert health.verdict(HERE) == "circuit_open", "and no other meanwhile"
    trial = health.begin(HERE)
    clock.now += 30
    assert health.verdict(HERE) == "circuit_open"
    trial.served()
    assert health.verdict(HERE) is None
    assert health.verdict(HERE) is None
    assert not health.unwell()


def test_a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_minute(health: TargetHealth, clock: Clock) -> None:
    fail(health, times=5)
    seen = []
    for _ in range(6):
        seen.append(health.wait_s(HERE))
        clock.now += health.wait_s(HERE) + 0.1
        assert health.verdict(HERE) is None
        fail(health)
    assert seen == pytest.approx([5, 10, 20, 40, 60, 60])


def test_a_trial_that_never_came_or_was_given_up_leaves_the_place_to_the_next(
    health: TargetHealth, clock: Clock
) -> None:
    fail(health, times=5)
    clock.now += 5.1
    assert health.verdict(HERE) is None
    clock.now += 1.1
    assert health.verdict(HERE) is None
    trial = health.begin(HERE)
    trial.left()
    assert health.verdict(HERE) is None


def test_attempts_that_began_before_it_opened_say_nothing_of_it_now(health: TargetHealth, clock: Clock) -> None:
    early = [health.begin(HERE) for _ in range(3)]
    fail(health, times=5)
    early[0].served()
    assert health.verdict(HERE) == "circuit_open"
    clock.now += 5.1
    early[1].failed(BROKEN)
    assert health.verdict(HERE) is None
    assert health.wait_s(HERE) == pytest.approx(1.0), "reserved for who was told so"


def test_asking_it_for_want_of_another_does_not_open_it_for_longer(health: TargetHealth) -> None:
    fail(health, times=20)
    assert health.wait_s(HERE) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault("Bad."),
        RequestFault("Long.", code="context_length_exceeded"),
        UpstreamFault("Late.", code="run_timeout"),
        UpstreamFault("Limit.", code="rate_limit_exceeded"),
    ],
)
def test_what_is_not_its_fault_opens_nothing(health: TargetHealth, fault: Fault) -> None:
    fail(health, times=50, fault=fault)
    assert health.verdict(HERE) != "circuit_open"


@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, 5), (2.0, 2), (90.0, 90), (1e9, 3600)])
def test_u5_a_place_that_limits_its_rate_is_left_alone(
    health: TargetHealth, clock: Clock, asked_s: float | None, wait_s: float
) -> None:
    fail(health, fault=limited(asked_s))
    assert health.verdict(HERE) == "cooling_down"
    assert health.wait_s(HERE) == pytest.approx(wait_s)
    assert health.verdict(OTHER_KEY) is health.verdict(OTHER_MODEL) is None
    assert health.unwell() == {("here", "cooling_down"): 1}
    clock.now += wait_s
    assert health.verdict(HERE) is None


@pytest.mark.parametrize("code", ["upstream_credential_error", "upstream_quota"])
def test_u9_u5a_a_credential_that_is_refused_rests_for_all_models(
    health: TargetHealth, clock: Clock, code: str
) -> None:
    fault = UpstreamFault("No.", code=code, retryable=True)
    health.begin(OTHER_MODEL).served()
    fail(health, times=3, fault=fault)
    assert health.verdict(HERE) == health.verdict(OTHER_MODEL) == "cooling_down"
    assert health.verdict(OTHER_KEY) is health.verdict(ELSEWHERE) is None
    assert health.wait_s(HERE) == pytest.approx(60)
    clock.now += 60
    fail(health, fault=fault)
    assert health.wait_s(HERE) == pytest.approx(120)
    health.forgive()
    assert health.verdict(HERE) is None


def test_new_settings_end_pauses_since_the_keys_may_be_new_but_close_no_circuit(health: TargetHealth) -> None:
    fail(health, fault=limited(3600.0))
    fail(health, times=5, target=ELSEWHERE)
    health.forgive()
    assert health.verdict(HERE) is None
    assert health.verdict(ELSEWHERE) == "circuit_open"


def test_a_success_ends_a_pause_that_it_came_after(health: TargetHealth) -> None:
    before = health.begin(HERE)
    fail(health, fault=limited(30.0))
    before.served()
    assert health.verdict(HERE) == "cooling_down"
    health.begin(HERE).served()
    assert health.verdict(HERE) is None


def test_u7_an_overloaded_place_that_says_for_how_long_is_left_alone(health: TargetHealth) -> None:
    fault = UpstreamFault("Busy.", code="upstream_overloaded", status=503, retryable=True, retry_after_s=7.0)
    fail(health, fault=fault)
    assert health.verdict(HERE) == "cooling_down"
    assert health.wait_s(HERE) == pytest.approx(7)


def test_attempts_under_way_are_counted(health: TargetHealth) -> None:
    tries = [health.begin(HERE) for _ in range(3)]
    assert health.in_flight(HERE) == 3
    assert health.in_flight(OTHER_KEY) == 0
    tries[0].served()
    tries[1].failed(BROKEN)
    tries[2].left()
    for one in tries:
        one.left()
    assert health.in_flight(HERE) == 0


def test_latency_follows_what_is_seen_and_streams_count_more_than_whole_answers(health: TargetHealth) -> None:
    health.begin(HERE).served(latency_ms=900, streamed=False)
    assert health.latency_ms(HERE) == 900
    health.begin(HERE).served(latency_ms=100)
    assert health.latency_ms(HERE) == 100
    for _ in range(30):
        health.begin(HERE).served(latency_ms=200)
    assert health.latency_ms(HERE) == pytest.approx(200, abs=1)


def test_a_server_that_two_probes_missed_is_spared_until_one_finds_it(health: TargetHealth) -> None:
    health.begin(HERE).left()
    health.probed(HERE.base_url, answers=False)
    assert health.verdict(HERE) is None
    health.probed(HERE.base_url, answers=False)
    assert health.verdict(HERE) == health.verdict(OTHER_MODEL) == "unhealthy_probe"
    assert health.unwell() == {("here", "unhealthy_probe"): 1}
    health.probed(HERE.base_url, answers=True)
    assert health.verdict(HERE) is None


def test_requests_that_are_served_prove_more_than_probes_that_are_not(health: TargetHealth) -> None:
    for _ in range(5):
        health.begin(HERE).served()
        health.probed(HERE.base_url, answers=False)
    assert health.verdict(HERE) is None


def test_what_probes_found_is_forgotten_where_nobody_looks_any_more(health: TargetHealth) -> None:
    fail(health, times=5)
    assert health.broken_servers() == {HERE.base_url}
    for _ in range(2):
        health.probed(ELSEWHERE.base_url, answers=False)
    assert health.verdict(ELSEWHERE) == "unhealthy_probe"
    health.watch_only({HERE.base_url})
    assert health.verdict(ELSEWHERE) is None


def test_names_that_clients_make_up_fill_no_memory(health: TargetHealth, clock: Clock) -> None:
    fail(health, times=5)
    busy = health.begin(OTHER_MODEL)
    for number in range(20_000):
        health.begin(structs.replace(ELSEWHERE, model=f"made-up-{number}")).failed(BROKEN)
        clock.now += 0.0001
    assert len(health._seats) <= 4096
    assert len(health._circuits) <= 4096
    assert health.verdict(HERE) == "circuit_open"
    assert health.in_flight(OTHER_MODEL) == 1
    busy.left()
    for number in range(6000):
        fail(health, times=5, target=structs.replace(ELSEWHERE, model=f"broken-{number}"))
    assert len(health._seats) <= 4096


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "served", "failed", "limited", "refused", "left", "ask"]), st.floats(0, 20)),
    max_size=80,
)


@given(steps)
def test_counts_are_never_negative_and_every_spared_target_comes_back(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    health = TargetHealth(clock)
    under_way = []
    for what, passed in steps:
        clock.now += passed
        if what == "begin":
            under_way.append(health.begin(HERE))
        elif what == "ask":
            health.verdict(HERE)
        elif under_way:
            one = under_way.pop(0)
            match what:
                case "served":
                    one.served(latency_ms=passed)
                case "failed":
                    one.failed(BROKEN)
                case "limited":
                    one.failed(limited(passed))
                case "refused":
                    one.failed(UpstreamFault("No.", code="upstream_quota", retryable=True))
                case _:
                    one.left()
        assert health.in_flight(HERE) == len(under_way)
        assert 0 <= health.wait_s(HERE) <= 3600
    for one in under_way:
        one.left()
    clock.now += 3600
    assert health.verdict(HERE) is None
