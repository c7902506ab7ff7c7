"""GitHub Models. Its token opens much else, so it does not switch the provider on."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="github",
    base_url="https://models.github.ai/inference",
    key_env=("GITHUB_TOKEN",),
    key_required=True,
    auto=False,
    fetches_urls=True,
    rules=(
        ModelRule(
            match=("openai/o1*", "openai/o3*", "openai/o4*", "openai/gpt-5*"),
            token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
            developer_role=True,
            sampling="never",
            penalties=False,
            logprobs=False,
            logit_bias=False,
            stop_max=0,
            reasoning_request="reasoning_effort",
            efforts=("low", "medium", "high"),
        ),
    ),
)
