"""Cerebras. Penalties, logit bias, parallel tool calls and the service tier are refused with 400.

So is `reasoning_content` on messages ("property … is unsupported"): thoughts of GLM go back inside the text, between
tags, as the vendor's own patches of clients do it; those of gpt-oss would go there without tags, and stay here.
"""

from msgspec import Raw

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    key_env=("CEREBRAS_API_KEY",),
    key_required=True,
    token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
    temperature_max=1.5,
    penalties=False,
    logit_bias=False,
    n=False,
    prompt_cache_key=True,
    user_field=True,
    strict_tools=True,
    parallel_tool_calls=False,
    rules=(
        ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        ModelRule(
            match=("zai-glm*",),
            reasoning_request="reasoning_effort",
            efforts=("none",),
            reasoning_replay="think_tags",
            reasoning_replay_when="tool_turns",
        ),
        # Without this the thoughts come as tags inside the text (its reasoning guide, 2026-10).
        ModelRule(match=("qwen-3*",), extra={"reasoning_format": Raw(b'"parsed"')}),
        ModelRule(
            match=("qwen-3.8*",), reasoning_request="reasoning_effort", efforts=("none", "low", "medium", "high")
        ),
    ),
)
