"""Hyperbolic."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="hyperbolic",
    base_url="https://api.hyperbolic.xyz/v1",
    key_env=("HYPERBOLIC_API_KEY",),
    key_required=True,
    top_k=True,
    min_p=True,
    single_system=True,
)
