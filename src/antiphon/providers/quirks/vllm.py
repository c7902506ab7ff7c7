"""vLLM. Chat templates want one leading system message; thinking is switched by the template's arguments.

Its Responses endpoint thinks in clear, refuses `encrypted_content`, and what the assistant said without an id.
"""

from antiphon.providers.quirks.base import ModelRule, Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="vllm",
    base_url="http://127.0.0.1:8000/v1",
    speaks=("responses", "anthropic"),
    top_k=True,
    min_p=True,
    single_system=True,
    audio=True,
    reasoning_request="chat_template_kwargs",
    reasoning_replay="reasoning",
    reasoning_replay_when="tool_turns",
    responses_thoughts=True,
    responses_spelled_out=True,
    sealed_reasoning=False,
    rules=(ModelRule(match=("*gpt-oss*",), reasoning_request="reasoning_effort", efforts=("low", "medium", "high")),),
)
