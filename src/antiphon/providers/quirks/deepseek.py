"""DeepSeek. While it thinks, the reasoning of turns with tool calls has to come back (400 without it).

"Turn" is everything between two messages of the user: the answer after the last call belongs to it (its thinking mode
guide, 2026-09). Reasoning of other turns is ignored, so that it is simply sent with every message. The vendor itself
reads minimal as low, medium and xhigh as high.

Its Responses endpoint wants `reasoning_text` back in the same way and refuses custom tools ("Unsupported custom tool").
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="deepseek",
    base_url="https://api.deepseek.com",
    key_env=("DEEPSEEK_API_KEY",),
    key_required=True,
    base_urls={"anthropic": "https://api.deepseek.com/anthropic"},
    speaks=("responses", "anthropic"),
    logit_bias=False,
    n=False,
    seed="none",
    parallel_tool_calls=False,
    forced_tool_choice="not_thinking",
    structured="json_object",
    reasoning_request="thinking",
    efforts=("minimal", "low", "medium", "high", "xhigh", "max"),
    reasoning_replay="reasoning_content",
    reasoning_replay_when="always",
    reasoning_replay_required="always",
    responses_bare=True,
    responses_thoughts=True,
    sealed_reasoning=False,
)
