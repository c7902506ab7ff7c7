"""Numbers within bounds. Decoders hold integers to bounds, and fractions to none: those are listed one by one."""

import math
from collections.abc import Iterator
from fractions import Fraction

from msgspec import Struct

__all__ = ["Bounds", "bounds_of", "integers", "numbers"]

#: So many numbers are listed at most.
_MOST_LISTED = 100
#: So many digits behind the point are tried for the steps between them.
_FINEST = 30
#: Integers of more digits are not written by decoders that know no bound.
_LONGEST_INTEGER = 10**15
#: Beyond this, integers are no floats any more, and validators fail.
_LARGEST = 10**300

_Json = dict[str, object]


class Bounds(Struct, frozen=True):
    """What a number must be.

    Attributes:
        low, high: inclusive where `open_low`, `open_high` are off. `None`: no bound.
        step: it is a multiple of this.
    """

    low: Fraction | None = None
    high: Fraction | None = None
    open_low: bool = False
    open_high: bool = False
    step: Fraction | None = None

    def take(self, value: float) -> bool:
        """Whether a validator finds the value within: it computes in floats."""
        if abs(value) > _LARGEST:
            return False
        low, high = _limit(self.low), _limit(self.high)
        if low is not None and (value < low or (self.open_low and value == low)):
            return False
        if high is not None and (value > high or (self.open_high and value == high)):
            return False
        return self.step is None or (value / float(self.step)).is_integer()


def bounds_of(schema: _Json) -> Bounds:
    """The bounds that a schema sets; of two on one side, the narrower. `exclusiveMinimum: true` is an old spelling."""
    low, open_low = _side(schema.get("minimum"), schema.get("exclusiveMinimum"), sign=1)
    high, open_high = _side(schema.get("maximum"), schema.get("exclusiveMaximum"), sign=-1)
    step = _fraction(schema.get("multipleOf"))
    return Bounds(low, high, open_low, open_high, step if step is not None and step > 0 else None)


def integers(bounds: Bounds) -> _Json | None:
    """A schema for the integers within, or for some of them; `None` if there are none."""
    low = None if bounds.low is None else math.floor(bounds.low) + 1 if bounds.open_low else math.ceil(bounds.low)
    high = None if bounds.high is None else math.ceil(bounds.high) - 1 if bounds.open_high else math.floor(bounds.high)
    if low is not None and high is not None and low > high:
        return None
    step = 1 if bounds.step is None else bounds.step.numerator  # the smallest integer that is a multiple
    if step == 1 and (low or 0) < _LONGEST_INTEGER and (high or 0) > -_LONGEST_INTEGER:
        found: _Json = {"type": "integer"}
        if low is not None and low > -_LONGEST_INTEGER:
            found["minimum"] = low
        if high is not None and high < _LONGEST_INTEGER:
            found["maximum"] = high
        return found
    if low is None and high is not None and high < 0:
        last = high // step
        return {"enum": [step * count for count in range(last - _MOST_LISTED + 1, last + 1)]}
    first = 0 if low is None else -(-low // step)
    past = first + _MOST_LISTED if high is None else min(first + _MOST_LISTED, high // step + 1)
    return {"enum": [step * count for count in range(first, past)]} if past > first else None


def numbers(bounds: Bounds) -> _Json | None:
    """A schema for the numbers within, or for some of them; `None` if there are none.

    A bound on one side alone is not kept to: whole numbers would, but would lose what stands behind the point.
    """
    width = None if bounds.low is None or bounds.high is None else bounds.high - bounds.low
    if width is not None and width < 0:
        return None
    if bounds.step is not None:
        return _multiples(bounds, bounds.step)
    if bounds.low is None or bounds.high is None or width is None:
        return {"type": "number"}
    if width >= _MOST_LISTED:
        return integers(bounds)
    step = next((step for step in _steps() if width > step * _MOST_LISTED / 10), Fraction(1))
    return _listed(bounds, step, more=(bounds.low, bounds.high))


def _steps() -> Iterator[Fraction]:
    """One, a tenth, a hundredth."""
    return (Fraction(1, 10**place) for place in range(_FINEST))


def _multiples(bounds: Bounds, step: Fraction) -> _Json | None:
    if bounds.low is not None and bounds.high is not None and (bounds.high - bounds.low) / step <= _MOST_LISTED:
        return _listed(bounds, step)
    return integers(bounds)


def _listed(bounds: Bounds, step: Fraction, *, more: tuple[Fraction, ...] = ()) -> _Json | None:
    assert bounds.low is not None  # noqa: S101 - only asked where both bounds are there
    assert bounds.high is not None  # noqa: S101 - as above
    first, last = math.ceil(bounds.low / step), math.floor(bounds.high / step)
    values = {step * count for count in range(first, last + 1)}.union(more)
    written = [int(value) if value.denominator == 1 else float(value) for value in sorted(values)]
    kept = [value for value in written if bounds.take(value)]
    return {"enum": kept} if kept else None


def _limit(bound: Fraction | None) -> float | None:
    return None if bound is None else float(bound)


def _side(limit: object, exclusive: object, *, sign: int) -> tuple[Fraction | None, bool]:
    closed = _fraction(limit)
    if exclusive is True:
        return closed, closed is not None
    opened = _fraction(exclusive)
    if opened is None or (closed is not None and sign * closed > sign * opened):
        return closed, False
    return opened, True


def _fraction(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(str(value)) if abs(value) <= _LARGEST else Fraction(_LARGEST if value > 0 else -_LARGEST)
