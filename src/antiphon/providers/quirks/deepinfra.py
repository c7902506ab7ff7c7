"""DeepInfra."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="deepinfra",
    base_url="https://api.deepinfra.com/v1/openai",
    key_env=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
    key_required=True,
    logprobs=False,
    logit_bias=False,
    top_k=True,
    min_p=True,
    prompt_cache_key=True,
    user_field=True,
    fetches_urls=True,
    reasoning_request="reasoning_effort",
    efforts=("none", "low", "medium", "high", "xhigh"),
)
