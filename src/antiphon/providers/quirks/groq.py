"""Groq. Refuses log probabilities, logit bias, `n`, and `reasoning_content` on messages (it is `reasoning` there).

JSON schemas are taken for some models only (its page on structured outputs); the others get JSON mode and the schema in
the prompt. Its Responses endpoint knows no `include`.
"""

from msgspec import Raw

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    key_env=("GROQ_API_KEY",),
    key_required=True,
    speaks=("responses",),
    token_limit_field="max_completion_tokens",  # noqa: S106 - a field's name, no secret
    logprobs=False,
    logit_bias=False,
    n=False,
    user_field=True,
    fetches_urls=True,
    structured="json_object",
    reasoning_replay="reasoning",
    reasoning_replay_when="tool_turns",
    sealed_reasoning=False,
    rules=(
        ModelRule(
            match=("openai/gpt-oss*", "moonshotai/kimi-k2*", "meta-llama/llama-4*"),
            structured="json_schema",
        ),
        ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),
        # Without this the thoughts come as tags inside the text.
        ModelRule(
            match=("qwen/qwen3*",),
            reasoning_request="reasoning_effort",
            efforts=("none",),
            extra={"reasoning_format": Raw(b'"parsed"')},
        ),
    ),
)
