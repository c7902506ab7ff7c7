"""OpenRouter: one vocabulary for many vendors; what a model lacks is dropped there."""

from antiphon.providers.quirks.base import ALL_EFFORTS, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    key_env=("OPENROUTER_API_KEY",),
    key_required=True,
    speaks=("responses", "anthropic"),
    chat_search="server_tool",
    searches=("responses", "anthropic"),
    top_k=True,
    min_p=True,
    verbosity=True,
    user_field=True,
    files=True,
    audio=True,
    fetches_urls=True,
    strict_tools=True,
    reasoning_request="reasoning_object",
    efforts=ALL_EFFORTS,
    reasoning_replay="reasoning_details",
    reasoning_replay_when="always",
    responses_fields=("top_k", "presence_penalty", "frequency_penalty"),
)
