"""Where else a request may go: three body fields that all client dialects share, and that no provider is sent."""

from typing import Annotated

from msgspec import Meta

__all__ = ["FallbackModels", "FallbackTimeout", "seconds"]

#: `fallback_models`
FallbackModels = Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=5)]

#: `fallback_timeout`, in milliseconds.
FallbackTimeout = Annotated[int, Meta(ge=1, le=3_600_000)]


def seconds(timeout_ms: int | None) -> float | None:
    """`fallback_timeout` in the unit of everything inside."""
    return None if timeout_ms is None else timeout_ms / 1000
