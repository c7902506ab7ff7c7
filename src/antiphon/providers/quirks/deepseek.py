"""DeepSeek. In thinking mode the reasoning of turns with tool calls has to come back (400 without it).

The vendor itself reads minimal as low, medium and xhigh as high (its thinking mode guide, 2026-09).
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="deepseek",
    base_url="https://api.deepseek.com",
    key_env=("DEEPSEEK_API_KEY",),
    key_required=True,
    logit_bias=False,
    n=False,
    seed="none",
    parallel_tool_calls=False,
    forced_tool_choice="not_thinking",
    structured="json_object",
    reasoning_request="thinking",
    efforts=("minimal", "low", "medium", "high", "xhigh", "max"),
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    reasoning_replay_required=True,
    responses_thoughts=True,
)
