"""Fireworks AI. Reasoning effort is accepted by some models only (its reasoning guide, 2026-06)."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    key_env=("FIREWORKS_API_KEY",),
    key_required=True,
    top_k=True,
    min_p=True,
    prompt_cache_key=True,
    user_field=True,
    fetches_urls=True,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
