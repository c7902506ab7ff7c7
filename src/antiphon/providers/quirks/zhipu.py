"""Zhipu (GLM) in China. Thinking has an explicit switch; functions can only be offered, not forced."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="zhipu",
    base_url="https://open.bigmodel.cn/api/paas/v4",
    key_env=("ZHIPU_API_KEY", "ZHIPUAI_API_KEY"),
    key_required=True,
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
)
