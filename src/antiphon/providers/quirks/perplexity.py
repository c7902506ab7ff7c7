"""Perplexity: answers from its own search, and no functions. Its base URL has no version in it."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="perplexity",
    base_url="https://api.perplexity.ai",
    key_env=("PERPLEXITY_API_KEY",),
    key_required=True,
    logprobs=False,
    logit_bias=False,
    n=False,
    seed="none",
    stop_max=0,
    single_system=True,
    assistant_last=False,
    fetches_urls=True,
    tools=False,
    chat_search="always",
    rules=(
        ModelRule(
            match=("sonar-deep-research*", "sonar-reasoning*"),
            reasoning_request="reasoning_effort",
            efforts=("minimal", "low", "medium", "high"),
            think_tags=True,
        ),
    ),
)
