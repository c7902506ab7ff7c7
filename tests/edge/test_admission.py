"""How many requests are let in, from how long turns of the event loop were: numbers only."""

from collections import deque

import pytest

from antiphon.edge.admission import Admission, AdmissionLimits, Pace, Turn

LATE_S = 0.2
#: Of a container's share of the processor, as Linux gives it out.
_PERIOD_S = 0.1


def busy(seconds: float, *, admitted: int = 100, refused: int = 0, done: int = 100) -> Turn:
    return Turn(seconds, seconds, admitted, refused, done)


def strict_pace(late_s: float = LATE_S) -> Pace:
    pace = Pace(late_s)
    for share in (0.6, 0.75, 1.25):
        pace.look(busy(late_s * share))
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


def test_more_than_a_burst_in_a_turn_that_is_long_is_overload_at_once() -> None:
    pace = Pace(LATE_S)
    pace.look(busy(0.04, admitted=1024, refused=300))
    assert not pace.strict  # it was not long
    pace.look(busy(0.06, admitted=1024, refused=300))
    assert pace.strict


def test_more_than_a_burst_under_way_and_no_time_left_is_overload_before_turns_are_too_long() -> None:
    pace = Pace(LATE_S)
    for _ in range(5):
        pace.look(busy(0.005, admitted=100, done=0))
        pace.look(busy(0.12, admitted=150, done=50))
        assert not pace.strict
    assert pace.quota == 24
    pace.look(busy(0.12, admitted=24, done=50))
    assert not pace.strict
    pace.look(busy(0.12, admitted=50, refused=1, done=0))
    assert pace.strict


def test_a_flood_is_seen_where_others_have_the_processor_for_half_of_the_time() -> None:
    pace = Pace(LATE_S)
    for _ in range(4):
        pace.look(Turn(0.005, 0.005, 25, 0, 0))
        pace.look(Turn(0.1, 0.045, 300, 0, 40))
        assert not pace.strict
    pace.look(Turn(0.12, 0.06, 300, 0, 40))
    assert pace.quota < 300
    pace.look(Turn(0.12, 0.06, pace.quota, 300 - pace.quota, 40))
    assert pace.strict


def test_a_burst_is_let_in_whole_and_no_more_while_turns_are_long() -> None:
    pace = Pace(LATE_S)
    assert pace.quota == 1024
    pace.look(busy(0.15, admitted=1024, done=0))
    assert pace.quota == 0
    pace.look(busy(0.15, admitted=0, done=512))
    assert pace.quota == 512
    pace.look(busy(0.05, admitted=0, done=512))
    assert (pace.strict, pace.quota) == (False, 1024)


def test_many_under_way_are_no_overload_while_there_is_time_left() -> None:
    pace = Pace(LATE_S)
    for _ in range(50):
        pace.look(busy(0.12, admitted=500, done=0))
        pace.look(Turn(0.005, 0.002, 10, 0, 0))
    assert not pace.strict


@pytest.mark.parametrize(("elapsed_s", "worked_s"), [(0.006, 0.004), (0.02, 0.002)], ids=["work", "steal"])
def test_many_long_streams_are_no_overload_while_there_is_time_left(elapsed_s: float, worked_s: float) -> None:
    pace = Pace(LATE_S)
    for _ in range(1000):
        pace.look(Turn(elapsed_s, worked_s, 3, 0, 0))
    for _ in range(2):  # somebody sends a large body
        pace.look(busy(0.08, admitted=20, done=0))
        assert (pace.strict, pace.quota > 900) == (False, True)


def test_in_a_long_turn_no_more_are_let_in_than_in_a_good_one() -> None:
    pace = strict_pace()
    for _ in range(200):
        pace.look(busy(0.01, admitted=pace.quota, refused=100, done=pace.quota))
    good = pace.quota
    assert good > 10
    pace.look(busy(0.06, admitted=good, refused=600, done=100))
    assert pace.quota <= good * 1.2


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


class Loop:
    """An event loop that can serve `per_s`, half of the work of each when its answer comes, and refuses in 10 µs.

    Of each `_PERIOD_S` others have the processor for `taken_s`.
    """

    def __init__(self, per_s: float, answer_s: float, *, late_s: float = LATE_S, taken_s: float = 0.0) -> None:
        self.pace = strict_pace(late_s)
        self.taken_s = taken_s
        self.per_s = per_s
        self.answer_s = answer_s
        self.now_s = 0.0
        self.turn_s = 0.005
        self.came = 0.0
        self.coming: deque[tuple[float, float, int]] = deque()

    def turn(self, coming_per_s: float, slowness: float = 1.0) -> list[float]:
        """One turn. How long each of those who got their answer had waited for it."""
        began_s = self.now_s
        self.came = self.came % 1.0 + coming_per_s * self.turn_s
        admitted = min(int(self.came), self.pace.quota)
        done = [self.coming.popleft() for _ in range(len(self.coming)) if self.coming[0][0] <= began_s]
        count = sum(each[2] for each in done)
        refused = int(self.came) - admitted
        worked_s = ((admitted + count) / self.per_s / 2 + refused * 10e-6) * slowness
        came_s = began_s - self.turn_s / 2
        self.now_s = max(self._after(worked_s), began_s + 0.005)
        self.turn_s = self.now_s - began_s
        self.coming.append((self.now_s + self.answer_s, came_s, admitted))
        self.pace.look(Turn(self.turn_s, worked_s, admitted, refused, count))
        return [self.now_s - each[1] for each in done for _ in range(each[2])]

    def _after(self, worked_s: float) -> float:
        """When so much work is done: others have the processor at the end of each period."""
        given_s = _PERIOD_S - self.taken_s
        begun_s = min(self.now_s % _PERIOD_S, given_s) + worked_s
        periods = self.now_s // _PERIOD_S + begun_s // given_s
        return periods * _PERIOD_S + begun_s % given_s


@pytest.mark.parametrize("times", [1.2, 3.0, 6.0])
@pytest.mark.parametrize("answer_s", [0.02, 0.5])
@pytest.mark.parametrize("per_s", [3333, 40])
def test_as_many_are_let_in_as_can_be_done(times: float, answer_s: float, per_s: float) -> None:
    loop = Loop(per_s, answer_s)
    done_in_all, longest_s = 0, 0.0
    while loop.now_s < 20.0:
        done = len(loop.turn(per_s * times))
        if loop.now_s > 5.0:
            done_in_all += done
            longest_s = max(longest_s, loop.turn_s)
    left = 1.0 - per_s * (times - 1.0) * 10e-6  # what refusing takes cannot be used
    assert done_in_all / 15.0 > 0.85 * per_s * left
    assert longest_s < 0.04 + 5 / per_s


@pytest.mark.parametrize("taken_s", [0.03, 0.06, 0.075])
def test_what_is_left_of_a_processor_that_others_have_for_most_of_the_time_is_used(taken_s: float) -> None:
    loop = Loop(3333, 0.1, taken_s=taken_s)
    done = 0
    while loop.now_s < 20.0:
        done += len(loop.turn(10_000))
    refusing = 10e-6 * (10_000 - done / 20.0)
    assert done / 20.0 > 0.85 * 3333 * (1 - taken_s / _PERIOD_S - refusing)


@pytest.mark.parametrize("late_s", [1.0, 0.05, 0.005])
def test_as_many_are_let_in_as_can_be_done_whatever_is_called_late(late_s: float) -> None:
    loop = Loop(3333, 0.1, late_s=late_s)
    done = 0
    while loop.now_s < 20.0:
        done += len(loop.turn(10_000))
    assert done / 20.0 > 0.85 * 3333 * 0.93


def test_a_processor_that_is_slower_now_and_then_does_not_make_most_answers_late() -> None:
    """Half as fast for half a second, again and again; an answer takes 0.1 s, and is late after twice that."""
    loop = Loop(3333, 0.1)
    waits: list[float] = []
    while loop.now_s < 30.0:
        waits += loop.turn(10_000, slowness=2.0 if loop.now_s % 1.5 < 0.5 else 1.0)
    in_time = sum(each <= 0.207 for each in waits)
    assert in_time > 0.9 * len(waits)
    assert in_time > 0.85 * 30.0 * 3333 * (2 / 3 + 1 / 6)  # of what it could do


def test_somebody_is_always_let_in() -> None:
    pace = strict_pace()
    quotas = []
    for _ in range(100):
        pace.look(busy(0.5, admitted=0, refused=1000, done=0))
        quotas.append(pace.quota)
    assert min(quotas) >= 2


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


def test_a_reload_does_not_end_an_overload() -> None:
    admission = Admission(AdmissionLimits())
    for share in (0.6, 0.75, 1.25):
        admission._pace.look(busy(LATE_S * share))
    before = admission._pace.quota
    admission.use(AdmissionLimits(max_runs=7, late_s=0.4))
    assert (admission.max_runs, admission._pace.strict, admission._pace.quota) == (7, True, before)
    for _ in range(5):
        admission._pace.look(busy(0.25, refused=100))
    assert admission._pace.strict


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
