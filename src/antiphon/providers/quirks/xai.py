"""xAI. Reasoning models refuse penalties and stop sequences, and each has efforts of its own (its docs, 2026-08)."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="xai",
    base_url="https://api.x.ai/v1",
    key_env=("XAI_API_KEY",),
    key_required=True,
    logit_bias=False,
    user_field=True,
    fetches_urls=True,
    rules=(
        ModelRule(match=("grok-3-mini*", "grok-4*", "grok-code*", "grok-build*"), penalties=False, stop_max=0),
        ModelRule(match=("grok-3-mini*",), reasoning_request="reasoning_effort", efforts=("low", "high")),
        ModelRule(
            match=("grok-4.3*",),
            reasoning_request="reasoning_effort",
            efforts=("none", "low", "medium", "high"),
        ),
        ModelRule(match=("grok-4.5*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        ModelRule(
            match=("grok-4.6*",),
            reasoning_request="reasoning_effort",
            efforts=("low", "medium", "high", "xhigh"),
        ),
    ),
)
