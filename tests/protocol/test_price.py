import pytest

from antiphon.protocol.price import Price, Step
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage

FULL = Price(input=2.0, cached=0.5, cache_write=2.5, output=10.0)


def usage(sent: int, written: int, *, cached: int = 0, cache_write: int = 0) -> Usage:
    return Usage(sent, written, sent + written, InputDetails(cached, cache_write), OutputDetails(written // 2))


@pytest.mark.parametrize(
    ("price", "used", "cost"),
    [
        (FULL, usage(1000, 100), 3000),
        (FULL, usage(1000, 100, cached=400, cache_write=200), 800 + 200 + 500 + 1000),
        (Price(input=2.0, output=10.0), usage(1000, 100, cached=400, cache_write=200), 3000),
        (Price(input=0.075, output=0.3), usage(10, 3), 2),
        (Price(input=0.0, output=0.0), usage(10, 3), 0),
        (Price(input=2.0), usage(10, 3), None),
        (Price(input=2.0), usage(10, 0), 20),
        (Price(output=2.0), usage(10, 3), None),
    ],
)
def test_cost_in_millionths_of_a_dollar(price: Price, used: Usage, cost: int | None) -> None:
    assert price.cost(used) == cost


def test_a_long_input_costs_more_from_its_first_token_on() -> None:
    steps = (Step(tokens=100, input=4.0), Step(tokens=200, input=8.0, output=20.0))
    price = Price(input=2.0, output=10.0, steps=steps)
    assert [price.cost(usage(sent, 1)) for sent in (100, 101, 201)] == [210, 414, 1628]
