"""SGLang. As vLLM, but its reasoning field is `reasoning_content`."""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="sglang",
    base_url="http://127.0.0.1:30000/v1",
    speaks=("responses",),
    top_k=True,
    min_p=True,
    single_system=True,
    reasoning_request="chat_template_kwargs",
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
    sealed_reasoning=False,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
