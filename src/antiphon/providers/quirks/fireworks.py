"""Fireworks AI. Reasoning effort is accepted by some models only, each with words of its own (its guide, 2026-10).

Thoughts come in `reasoning_content`; models that think between tool calls want it back there. Unknown fields are
refused ("Extra inputs are not permitted").
"""

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
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    rules=(
        ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        ModelRule(
            match=("*deepseek-v4*",),
            reasoning_request="reasoning_effort",
            efforts=("none", "low", "medium", "high", "xhigh"),
        ),
        ModelRule(match=("*/glm-5*",), reasoning_request="reasoning_effort", efforts=("none", "high", "max")),
    ),
)
