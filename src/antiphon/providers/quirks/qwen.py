"""Qwen at Alibaba Cloud's Model Studio (DashScope), international endpoint; China has an address of its own."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="qwen",
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    key_env=("DASHSCOPE_API_KEY",),
    key_required=True,
    logprobs=False,
    logit_bias=False,
    top_k=True,
    fetches_urls=True,
    forced_tool_choice="not_thinking",
    structured="json_object",
    reasoning_request="enable_thinking",
    # These two families only stream.
    rules=(ModelRule(match=("qwq*", "qvq*"), stream="always", reasoning_request="none"),),
)
