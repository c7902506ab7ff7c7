"""Cerebras. Penalties, logit bias, parallel tool calls and the service tier are refused with 400."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    key_env=("CEREBRAS_API_KEY",),
    key_required=True,
    token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
    penalties=False,
    logit_bias=False,
    n=False,
    prompt_cache_key=True,
    user_field=True,
    strict_tools=True,
    parallel_tool_calls=False,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
