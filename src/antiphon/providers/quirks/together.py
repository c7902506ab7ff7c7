"""Together AI. Hybrid models are switched by `reasoning.enabled`, others by an effort (its reasoning guide, 2026-10).

Thoughts come in `reasoning`, of some models in `reasoning_content`; which messages take them back is not documented.
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="together",
    base_url="https://api.together.xyz/v1",
    key_env=("TOGETHER_API_KEY",),
    key_required=True,
    speaks=("anthropic",),
    top_k=True,
    min_p=True,
    fetches_urls=True,
    rules=(
        ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        ModelRule(
            match=(
                "deepseek-ai/DeepSeek-V3.1*", "deepseek-ai/DeepSeek-V4*", "zai-org/GLM-5*", "moonshotai/Kimi-K2.5*",
                "moonshotai/Kimi-K2.6*", "Qwen/Qwen3.5*", "Qwen/Qwen3.6*", "deepcogito/*",
            ),
            reasoning_request="reasoning_switch",
        ),
        # It thinks always.
        ModelRule(
            match=("zai-org/GLM-5.3*",),
            reasoning_request="reasoning_effort",
            efforts=("low", "medium", "high", "max"),
        ),
        # Answers a forced call with its JSON as text.
        ModelRule(match=("nvidia/*",), forced_tool_choice="never"),
    ),
)  # fmt: skip
