"""Mistral. Refuses unknown fields (422); usage comes in the last chunk unasked; tool call ids have nine characters.

Thoughts are parts of the content, and go back as such. Magistral always thinks; which others can be asked to stands in
its reasoning guide (2026-10); a model that cannot refuses the field.
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    key_env=("MISTRAL_API_KEY",),
    key_required=True,
    temperature_max=1.5,
    logprobs=False,
    logit_bias=False,
    seed="random_seed",
    usage_in_stream=False,
    assistant_last=False,
    assistant_prefix=True,
    assistant_parts=True,
    tool_call_id="alnum9",
    fetches_urls=True,
    reasoning_replay="thinking_parts",
    reasoning_replay_when="always",
    rules=(
        ModelRule(
            match=(
                "mistral-small-latest",
                "mistral-small-26*",
                "mistral-small-4*",
                "mistral-medium-latest",
                "mistral-medium-3-5*",
                "mistral-medium-3.5*",
                "mistral-medium-26*",
                "mistral-large-4*",
            ),
            reasoning_request="reasoning_effort",
            efforts=("none", "high"),
        ),
    ),
)
