from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.routing.strategies import cheapest, least_busy, lowest_latency, rendezvous, weighted

_ROUNDS = 4000

weights_of = st.lists(st.floats(0.1, 100), min_size=1, max_size=8)
seeds = st.integers(0, 2**32)


def shares(orders: Sequence[Sequence[int]], count: int) -> list[float]:
    firsts = Counter(order[0] for order in orders)
    return [firsts[at] / len(orders) for at in range(count)]


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (1, 2, 3), (0.5, 0.25, 0.25, 0)])
def test_weights_are_shares_of_the_requests(weights: Sequence[float]) -> None:
    chance = Random(7).random
    orders = [weighted(weights, chance=chance) for _ in range(_ROUNDS)]
    wanted = [weight / sum(weights) for weight in weights]
    assert shares(orders, len(weights)) == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (1, 2, 3), (0.5, 0.25, 0.25, 0)])
def test_weights_are_shares_of_the_conversations(weights: Sequence[float]) -> None:
    keys = [f"place-{at}" for at in range(len(weights))]
    orders = [rendezvous(keys, weights, affinity=f"conversation {number}") for number in range(_ROUNDS)]
    wanted = [weight / sum(weights) for weight in weights]
    assert shares(orders, len(weights)) == pytest.approx(wanted, abs=0.03)


@given(weights_of, seeds)
def test_every_strategy_keeps_every_member_once(weights: list[float], seed: int) -> None:
    count = len(weights)
    numbers = [int(weight) for weight in weights]
    some: list[float | None] = [None if number % 3 == 0 else float(number) for number in numbers]
    orders: list[Callable[[], list[int]]] = [
        lambda: weighted(weights, chance=Random(seed).random),
        lambda: least_busy(numbers, weights, chance=Random(seed).random),
        lambda: lowest_latency(some, chance=Random(seed).random),
        lambda: cheapest(some),
        lambda: rendezvous([str(at) for at in range(count)], weights, affinity=str(seed)),
    ]
    for order in orders:
        assert sorted(order()) == list(range(count))
        assert order() == order(), "the same numbers and the same chance give the same order"


@given(weights_of, st.text(), st.data())
def test_when_one_member_goes_away_the_others_keep_their_order(
    weights: list[float], affinity: str, data: st.DataObject
) -> None:
    keys = [f"place-{at}" for at in range(len(weights))]
    gone = data.draw(st.integers(0, len(weights) - 1))
    before = [keys[at] for at in rendezvous(keys, weights, affinity=affinity)]
    keys_left, weights_left = keys[:gone] + keys[gone + 1 :], weights[:gone] + weights[gone + 1 :]
    after = [keys_left[at] for at in rendezvous(keys_left, weights_left, affinity=affinity)]
    assert after == [key for key in before if key != keys[gone]]


@given(st.text())
def test_the_order_of_the_configuration_does_not_move_a_conversation(affinity: str) -> None:
    keys, weights = ["a", "b", "c", "d"], [1.0, 2.0, 3.0, 4.0]
    first = keys[rendezvous(keys, weights, affinity=affinity)[0]]
    turned = rendezvous(keys[::-1], weights[::-1], affinity=affinity)[0]
    assert keys[::-1][turned] == first


def test_fewest_requests_under_way_come_first() -> None:
    assert least_busy([3, 0, 1], [1, 1, 1], chance=Random(1).random) == [1, 2, 0]


def test_a_larger_place_is_less_busy_with_the_same_requests() -> None:
    assert least_busy([3, 3], [1, 4], chance=Random(1).random) == [1, 0]
    assert least_busy([0, 3], [0, 1], chance=Random(1).random) == [1, 0], "without weight it comes last"


def test_idle_places_share_the_load() -> None:
    chance = Random(3).random
    orders = [least_busy([0, 0, 0], [1, 1, 1], chance=chance) for _ in range(_ROUNDS)]
    assert shares(orders, 3) == pytest.approx([1 / 3] * 3, abs=0.03)


def test_the_fastest_comes_first_but_for_a_few_looks_at_the_others() -> None:
    chance = Random(5).random
    orders = [lowest_latency([900.0, 200.0, 400.0], chance=chance) for _ in range(_ROUNDS)]
    first, second, third = shares(orders, 3)
    assert second == pytest.approx(0.95, abs=0.02)
    assert first == pytest.approx(third, abs=0.02)
    assert first > 0
    assert [order[1] for order in orders if order[0] != 1] == [1] * sum(order[0] != 1 for order in orders)


def test_who_is_about_as_fast_shares_the_load() -> None:
    chance = Random(5).random
    orders = [lowest_latency([210.0, 200.0, 400.0], chance=chance) for _ in range(_ROUNDS)]
    assert shares(orders, 3)[:2] == pytest.approx([0.48, 0.48], abs=0.05)


def test_what_was_never_measured_is_measured_first() -> None:
    assert lowest_latency([100.0, None], chance=lambda: 0.5) == [1, 0]


def test_what_has_no_price_comes_last() -> None:
    assert cheapest([None, 3.0, 0.0, 3.0]) == [2, 1, 3, 0]
