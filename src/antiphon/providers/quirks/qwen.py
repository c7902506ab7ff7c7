"""Qwen at Alibaba Cloud's Model Studio (DashScope), international endpoint; China has an address of its own.

While it thinks, no function can be forced (400). Earlier thoughts are read by newer models only, and only with
`preserve_thinking` (its deep thinking guide, 2026-10). JSON schemas are taken by newer models only (its page on
structured output, 2026-10). Models with open weights think in streams only.
"""

from msgspec import Raw

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
    rules=(
        ModelRule(match=("qwen3-*b", "qwen3-*b-a*b"), stream="always"),
        # Thinking cannot be switched off there: neither can a function be forced.
        ModelRule(match=("*-thinking*",), reasoning_request="none", stream="always", forced_tool_choice="never"),
        ModelRule(match=("qwq*", "qvq*"), reasoning_request="none", stream="always", forced_tool_choice="never"),
        ModelRule(
            match=("qwen3.6-plus*", "qwen3.6-max*", "qwen3.7-*", "qwen3.8-*", "kimi-k2.7-code*"),
            reasoning_replay="reasoning_content",
            reasoning_replay_when="tool_turns",
            extra={"preserve_thinking": Raw(b"true")},
        ),
        ModelRule(match=("qwen3.7-*", "qwen3.8-*"), structured="json_schema"),
    ),
)
