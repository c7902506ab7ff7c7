"""In which order the members of a route are tried: pure functions over numbers.

Each takes what is known of the members, in the order of the configuration, and answers with their positions, best
first. The same numbers, source of chance and affinity give the same order. Health is not their business: who may not
be tried is not among the members.
"""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b

__all__ = ["Chance", "cheapest", "least_busy", "lowest_latency", "rendezvous", "weighted"]

#: Where chance comes from: numbers from 0 up to 1, 1 excluded.
Chance = Callable[[], float]

#: How often another place than the fastest comes first, so that it is noticed when it has become faster.
_EXPLORED = 0.05

#: Differences in latency below this share are noise: such places share the load.
_ALIKE = 1.1

_SPAN = 2.0**64


def weighted(weights: Sequence[float], *, chance: Chance) -> list[int]:
    """By lot: each comes first as often as its weight says, and the others follow in the same manner.

    A weight of 0 comes last. With all weights 0 the order stays.
    """
    # The smallest of exponential variables with these rates is the first with just these shares, and so on.
    return _ranked([-math.log(1.0 - chance()) / weight if weight > 0 else math.inf for weight in weights])


def least_busy(in_flight: Sequence[int], weights: Sequence[float], *, chance: Chance) -> list[int]:
    """Fewest requests under way for their weight first; by lot between equals."""
    loads = [(count + 1) / weight if weight > 0 else math.inf for count, weight in zip(in_flight, weights, strict=True)]
    lots = [chance() for _ in loads]
    return sorted(range(len(loads)), key=lambda at: (loads[at], lots[at]))


def lowest_latency(latencies_ms: Sequence[float | None], *, chance: Chance) -> list[int]:
    """Fastest first. One that was never measured comes before all, and now and then another than the fastest does.

    Those that are at most a tenth slower than the fastest count as just as fast: by lot between them.
    """
    known = [latency for latency in latencies_ms if latency is not None]
    alike = min(known) * _ALIKE if known else 0.0
    lots = [chance() for _ in latencies_ms]

    def rank(at: int) -> tuple[float, float]:
        latency = latencies_ms[at]
        if latency is None:
            return -1.0, lots[at]
        return (0.0 if latency <= alike else latency), lots[at]

    order = sorted(range(len(latencies_ms)), key=rank)
    if len(order) > 1 and chance() < _EXPLORED:
        order.insert(0, order.pop(1 + int(chance() * (len(order) - 1))))
    return order


def cheapest(prices: Sequence[float | None]) -> list[int]:
    """Lowest price first, those of unknown price last; equals in the order of the configuration."""
    return _ranked([math.inf if price is None else price for price in prices])


def rendezvous(keys: Sequence[str], weights: Sequence[float], *, affinity: str) -> list[int]:
    """The same order for the same affinity, wherever and whenever it is asked for, with nothing remembered.

    Every member draws a lot from its key and the affinity. When one goes away, only those that it came first for move;
    when it comes back, just they return. Over many affinities each comes first as often as its weight says.
    """
    draws = (
        int.from_bytes(blake2b(f"{key}\0{affinity}".encode(errors="replace"), digest_size=8).digest()) for key in keys
    )
    return _ranked(
        [
            -math.log((draw + 0.5) / _SPAN) / weight if weight > 0 else math.inf
            for draw, weight in zip(draws, weights, strict=True)
        ]
    )


def _ranked(scores: Sequence[float]) -> list[int]:
    """Positions by score, lowest first; equals stay as they are."""
    return sorted(range(len(scores)), key=scores.__getitem__)
