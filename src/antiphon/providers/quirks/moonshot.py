"""Moonshot AI (Kimi). Thinking models want their reasoning back in tool turns; images only as data URLs."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="moonshot",
    base_url="https://api.moonshot.ai/v1",
    key_env=("MOONSHOT_API_KEY",),
    key_required=True,
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
    reasoning_replay_required=True,
    rules=(ModelRule(match=("kimi-k2.5*", "kimi-k2.6*"), reasoning_request="thinking"),),
)
