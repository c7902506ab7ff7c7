"""Moonshot AI (Kimi). Thinking models want their reasoning back in tool turns; images only as data URLs.

Its models from K2.5 on take no sampling parameters (400 "only 1 is allowed for this model") and think unless told not
to; K2.7 and K3 cannot be told (its thinking and effort guides, 2026-10). With thinking on, no function can be forced
(400 "incompatible with thinking enabled").
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="moonshot",
    base_url="https://api.moonshot.ai/v1",
    key_env=("MOONSHOT_API_KEY",),
    key_required=True,
    base_urls={"anthropic": "https://api.moonshot.ai/anthropic"},
    speaks=("anthropic",),
    temperature_max=1.0,
    logprobs=False,
    logit_bias=False,
    seed="none",
    prompt_cache_key=True,
    parallel_tool_calls=False,
    forced_tool_choice="never",
    structured="json_object",
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    reasoning_replay_required="tool_turns",
    rules=(
        ModelRule(match=("kimi-k2.5*", "kimi-k2.6*", "kimi-k2.7*", "kimi-k3*"), sampling="never", penalties=False),
        ModelRule(match=("kimi-k2.5*", "kimi-k2.6*"), reasoning_request="thinking"),
        ModelRule(match=("kimi-k3*",), reasoning_request="reasoning_effort", efforts=("low", "high", "max")),
        # They do not think: the field would be new to them.
        ModelRule(match=("moonshot-v1*",), reasoning_replay="none", reasoning_replay_when="never"),
    ),
)
