"""Anthropic, by its own Messages API; what models differ in stands in `providers.anthropic.models`.

The facts below are those of its OpenAI-compatible endpoint, which `protocol: chat` reaches. It ignores most fields that
are off here (the vendor's page on OpenAI SDK compatibility, 2026-11); leaving them out lets us tell the client so.
System text is moved to the front there anyway.
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="anthropic",
    base_url="https://api.anthropic.com/v1",
    key_env=("ANTHROPIC_API_KEY",),
    key_required=True,
    protocol="anthropic",
    speaks=("chat",),
    searches=("anthropic",),
    temperature_max=1.0,
    penalties=False,
    logprobs=False,
    logit_bias=False,
    n=False,
    seed="none",
    single_system=True,
    fetches_urls=True,
    structured="none",
)
