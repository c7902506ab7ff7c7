"""How many requests are let in, from how long turns of the event loop were: numbers only."""

from collections import deque

import pytest

from antiphon.edge.admission import Admission, AdmissionLimits, Pace, Turn

LATE_S = 0.2


def busy(seconds: float, *, admitted: int = 100, refused: int = 0, done: int = 100) -> Turn:
    return Turn(seconds, seconds, admitted, refused, done)


def strict_pace() -> Pace:
    pace = Pace(LATE_S)
    for seconds in (0.12, 0.15, 0.25):
        pace.look(busy(seconds))
    assert pace.strict
    return pace


def test_one_long_turn_is_no_overload() -> None:
    pace = Pace(LATE_S)
    for _ in range(20):
        pace.look(busy(0.005, admitted=1))
        pace.look(busy(2.0, admitted=1000))
        pace.look(Turn(0.005, 0.001, 1, 0, 1000))
        assert not pace.strict


def test_one_long_piece_of_work_is_no_overload_however_busy_it_was_before_and_after() -> None:
    pace = Pace(LATE_S)
    for _ in range(20):
        for seconds in (0.09, 1.5, 0.8, 0.09, 0.4, 0.15):
            pace.look(busy(seconds))
            assert not pace.strict


def test_turns_that_are_long_but_bearable_are_no_overload() -> None:
    pace = Pace(LATE_S)
    for _ in range(100):
        pace.look(busy(0.15))
    assert not pace.strict


def test_time_that_others_had_the_processor_is_no_overload() -> None:
    pace = Pace(LATE_S)
    for _ in range(100):
        pace.look(Turn(0.4, 0.02, 100, 0, 100))
        pace.look(Turn(3.0, 0.02, 100, 0, 100))
        pace.look(Turn(0.1, 0.02, 100, 0, 100))
        for _ in range(3):
            pace.look(Turn(3.0, 0.01, 100, 0, 100))
    assert not pace.strict


def test_a_thread_that_gets_too_little_time_for_long_is_overloaded() -> None:
    pace = Pace(LATE_S)
    for _ in range(3):
        pace.look(Turn(0.6, 0.15, 100, 0, 100))
    assert pace.strict


def test_turns_that_get_longer_and_longer_are_overload() -> None:
    pace = strict_pace()
    assert pace.quota < 5


def test_more_than_a_burst_in_a_turn_that_is_too_long_is_overload_at_once() -> None:
    pace = Pace(LATE_S)
    pace.look(busy(0.15, admitted=1024, refused=300))
    assert not pace.strict  # it was not too long
    pace.look(busy(0.25, admitted=1024, refused=300))
    assert pace.strict


def test_more_than_a_burst_under_way_and_no_time_left_is_overload_before_turns_are_too_long() -> None:
    pace = Pace(LATE_S)
    for _ in range(5):
        pace.look(busy(0.005, admitted=100, done=0))
        pace.look(busy(0.12, admitted=150, done=50))
        assert not pace.strict
    pace.look(busy(0.12, admitted=150, done=50))
    assert pace.strict


def test_many_under_way_are_no_overload_while_there_is_time_left() -> None:
    pace = Pace(LATE_S)
    for _ in range(50):
        pace.look(busy(0.12, admitted=500, done=0))
        pace.look(Turn(0.005, 0.002, 10, 0, 0))
    assert not pace.strict


def test_in_a_jam_only_the_least_are_let_in() -> None:
    pace = strict_pace()
    for _ in range(20):
        pace.look(busy(0.02, refused=100))
    assert pace.quota > 20
    pace.look(busy(0.06, refused=100))
    assert pace.quota <= 2
    pace.look(busy(0.02, refused=100))
    assert pace.quota > 20


def test_what_came_before_it_was_noticed_is_done_soon() -> None:
    """Three times too much, on new connections at first, which make a refusal dear; and 1,400 answers to give."""
    pace = strict_pace()
    coming: deque[tuple[float, int]] = deque([(0.0, 1400)])
    now_s, turn_s, connections = 0.0, 0.2, 0
    while turn_s > 0.03:
        came = round(7000 * turn_s)
        admitted = min(came, pace.quota)
        done = sum(coming.popleft()[1] for _ in range(len(coming)) if coming[0][0] <= now_s)
        coming.append((now_s + 0.1, admitted))
        cost_s = 65e-6 if connections < 6000 else 15e-6
        connections += came - admitted
        turn_s = max((admitted + done) * 0.15e-3 + (came - admitted) * cost_s, 0.005)
        pace.look(Turn(turn_s, turn_s, admitted, came - admitted, done))
        now_s += turn_s
    assert now_s < 0.7


@pytest.mark.parametrize("times", [1.2, 3.0, 6.0])
@pytest.mark.parametrize("answer_s", [0.02, 0.5])
def test_as_many_are_let_in_as_can_be_done(times: float, answer_s: float) -> None:
    """A loop that takes 0.3 ms for each, half of it when its answer comes, and 10 µs to refuse one."""
    pace = strict_pace()
    coming: deque[tuple[float, int]] = deque()
    now_s, turn_s = 0.0, 0.005
    done_in_all = long_turns = 0
    while now_s < 10.0:
        came = round(3333 * times * turn_s)
        admitted, done = min(came, pace.quota), 0
        coming.append((now_s + answer_s, admitted))
        while coming and coming[0][0] <= now_s:
            done += coming.popleft()[1]
        worked_s = (admitted + done) * 0.15e-3 + (came - admitted) * 10e-6
        turn_s = max(worked_s, 0.005)
        pace.look(Turn(turn_s, worked_s, admitted, came - admitted, done))
        now_s += turn_s
        if now_s > 5.0:
            done_in_all += done
            long_turns += turn_s > 0.04
    left = 1.0 - 3333 * (times - 1.0) * 10e-6  # what refusing takes cannot be used
    assert done_in_all / 5.0 > 0.85 * 3333 * left
    assert long_turns == 0


def test_somebody_is_always_let_in() -> None:
    pace = strict_pace()
    quotas = []
    for _ in range(100):
        pace.look(busy(0.5, admitted=0, refused=1000, done=0))
        quotas.append(pace.quota)
    assert sum(quotas) / (100 * LATE_S) >= 19


def test_it_is_over_when_nobody_was_refused_for_a_second() -> None:
    pace = strict_pace()
    for _ in range(210):
        pace.look(Turn(0.005, 0.001, 1, 0, 1))
    assert pace.quota > 1000


def test_it_is_over_when_there_is_time_left_although_somebody_is_refused() -> None:
    pace = strict_pace()
    for _ in range(1000):
        pace.look(Turn(0.005, 0.001, 0, 1, 0))
    assert pace.quota > 1000


def test_so_many_are_under_way_and_no_more() -> None:
    admission = Admission(AdmissionLimits(max_runs=0))
    admission.refuse()
    fulls = [admission.is_full()]
    assert admission.refused == {"runs": 1, "lag": 0, "connections": 0}
    admission.use(AdmissionLimits(max_runs=1))
    fulls.append(admission.is_full())
    assert fulls == [True, False]
    assert admission.has_room(0)
    assert not admission.has_room(1)
