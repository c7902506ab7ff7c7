"""Together AI."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="together",
    base_url="https://api.together.xyz/v1",
    key_env=("TOGETHER_API_KEY",),
    key_required=True,
    top_k=True,
    min_p=True,
    fetches_urls=True,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
