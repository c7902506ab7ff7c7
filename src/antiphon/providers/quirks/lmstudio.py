"""LM Studio on this machine."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="lmstudio",
    base_url="http://127.0.0.1:1234/v1",
    speaks=("responses", "anthropic"),
    n=False,
    top_k=True,
    single_system=True,
    parallel_tool_calls=False,
    sealed_reasoning=False,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
