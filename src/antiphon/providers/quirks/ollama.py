"""Ollama on this machine. Developer messages vanish there without a word, so they are sent as system messages.

Its Responses endpoint calls the plain text of a thought `encrypted_content`, and reads nothing else back.
"""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="ollama",
    base_url="http://127.0.0.1:11434/v1",
    speaks=("responses", "anthropic"),
    logit_bias=False,
    n=False,
    parallel_tool_calls=False,
    reasoning_request="reasoning_effort",
    efforts=("none", "low", "medium", "high"),
    reasoning_replay="reasoning",
    reasoning_replay_when="tool_turns",
    responses_developer=False,
)
