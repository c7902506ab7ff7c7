"""A string that must not show itself. It stands here, at the bottom, because settings hold secrets too."""

from typing import final

__all__ = ["Secret"]


@final
class Secret:
    """A string that does not show itself in logs, tracebacks, error messages and JSON.

    Not a `Struct` on purpose: JSON encoders and pretty printers look inside those. Encoding a `Secret` is an error.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def value(self) -> str:
        """The string itself: ask for it only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
