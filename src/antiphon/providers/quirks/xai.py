"""xAI. No model takes both penalties any more; reasoning models refuse stop sequences, and each has efforts of its own.

Some older models show `reasoning_content`; none reads it back, for which there is the Responses endpoint with sealed
thoughts. Errors are `{"code": …, "error": "the text"}`. (Its docs, 2026-10, and what its users report.)
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="xai",
    base_url="https://api.x.ai/v1",
    key_env=("XAI_API_KEY",),
    key_required=True,
    speaks=("responses",),
    searches=("responses",),
    penalties=False,
    logit_bias=False,
    user_field=True,
    fetches_urls=True,
    rules=(
        ModelRule(match=("grok-3-mini*", "grok-4*", "grok-code*", "grok-build*", "grok-latest"), stop_max=0),
        ModelRule(match=("*-non-reasoning*",), stop_max=4),
        ModelRule(match=("grok-3-mini*",), reasoning_request="reasoning_effort", efforts=("low", "high")),
        ModelRule(
            match=("grok-4.3*",),
            reasoning_request="reasoning_effort",
            efforts=("none", "low", "medium", "high"),
        ),
        ModelRule(
            match=("grok-4.5*", "grok-4.7*"), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")
        ),
        ModelRule(
            match=("grok-4.6*",),
            reasoning_request="reasoning_effort",
            efforts=("low", "medium", "high", "xhigh"),
        ),
    ),
)
