"""OpenAI's own Chat Completions.

Reasoning models refuse sampling parameters while they reason, and from GPT-5.1 on some only reason when asked to
(OpenAI's reasoning guide, 2026-11). A model that no rule knows is taken for a newer reasoning model.
"""

from antiphon.providers.quirks.base import ALL_EFFORTS, ModelRule, Quirks

__all__ = ["QUIRKS", "RULES"]

RULES = (
    ModelRule(
        match=("gpt-3.5*", "gpt-4*", "chatgpt-4o*", "ft:gpt-3.5*", "ft:gpt-4*", "gpt-5-chat*"),
        developer_role=False,
        reasoning_request="none",
        sealed_reasoning=False,
    ),
    ModelRule(
        match=("o1*", "o3*", "o4*", "codex-mini*"),
        sampling="never",
        penalties=False,
        logprobs=False,
        logit_bias=False,
        stop_max=0,
        efforts=("low", "medium", "high"),
    ),
    ModelRule(
        match=("gpt-5", "gpt-5-mini*", "gpt-5-nano*", "gpt-5-pro*", "gpt-5-codex*", "gpt-5-20*", "gpt-5.*", "gpt-6*"),
        sampling="never",
        penalties=False,
        logprobs=False,
        logit_bias=False,
        stop_max=0,
        verbosity=True,
        efforts=("minimal", "low", "medium", "high"),
    ),
    ModelRule(match=("gpt-5.1*",), efforts=("none", "low", "medium", "high")),
    ModelRule(
        match=("gpt-5.2*", "gpt-5.3*", "gpt-5.4*", "gpt-5.5*", "gpt-5.6*"),
        efforts=("none", "low", "medium", "high", "xhigh"),
    ),
    ModelRule(match=("gpt-6*",), efforts=("low", "medium", "high", "xhigh")),
    ModelRule(match=("gpt-5.1*", "gpt-5.2*", "gpt-5.3*", "gpt-5.4*"), sampling="unless_effort"),
    ModelRule(match=("gpt-5.5*", "gpt-5.6*"), sampling="only_effort_none"),
    ModelRule(
        match=("gpt-4o-search-preview*", "gpt-4o-mini-search-preview*", "gpt-5-search-api*"),
        sampling="never",
        penalties=False,
        chat_search="options",
    ),
    ModelRule(match=("gpt-5.1-codex*", "gpt-5.*-chat*", "gpt-5.*-pro*"), sampling="never"),
)

QUIRKS = Quirks(
    name="openai",
    base_url="https://api.openai.com/v1",
    key_env=("OPENAI_API_KEY",),
    key_required=True,
    by_door=True,
    speaks=("responses",),
    searches=("responses",),
    token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
    service_tier=True,
    verbosity=False,
    safety_identifier=True,
    prompt_cache_key=True,
    user_field=True,
    developer_role=True,
    assistant_parts=True,
    refusal_field=True,
    files=True,
    audio=True,
    fetches_urls=True,
    strict_tools=True,
    custom_tools=True,
    allowed_tools=True,
    reasoning_request="reasoning_effort",
    efforts=ALL_EFFORTS,
    responses_least_tokens=16,
    rules=RULES,
)
