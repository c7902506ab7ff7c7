"""SambaNova Cloud."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="sambanova",
    base_url="https://api.sambanova.ai/v1",
    key_env=("SAMBANOVA_API_KEY",),
    key_required=True,
    penalties=False,
    logprobs=False,
    logit_bias=False,
    n=False,
    top_k=True,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
