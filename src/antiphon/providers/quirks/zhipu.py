"""Zhipu (GLM) in China. Thinking has an explicit switch; functions can only be offered, not forced.

It thinks between tool calls, and asks for the reasoning back with their results (its thinking mode guide, 2026-10).
From GLM-5.2 on there are efforts beside the switch; 5.2 itself reads low and medium as high, xhigh as max.
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="zhipu",
    base_url="https://open.bigmodel.cn/api/paas/v4",
    key_env=("ZHIPU_API_KEY", "ZHIPUAI_API_KEY"),
    key_required=True,
    base_urls={"anthropic": "https://open.bigmodel.cn/api/anthropic"},
    speaks=("anthropic",),
    temperature_max=1.0,
    penalties=False,
    logprobs=False,
    logit_bias=False,
    n=False,
    seed="none",
    stop_max=1,
    fetches_urls=True,
    parallel_tool_calls=False,
    forced_tool_choice="never",
    structured="json_object",
    reasoning_request="thinking",
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    rules=(
        ModelRule(
            match=("glm-4-*", "glm-4v*", "glm-3*"),  # older than the switch
            reasoning_request="none",
            reasoning_replay="none",
            reasoning_replay_when="never",
        ),
        ModelRule(match=("glm-5.2*",), efforts=("high", "max")),
        ModelRule(match=("glm-5.3*",), efforts=("low", "high", "max")),
    ),
)
