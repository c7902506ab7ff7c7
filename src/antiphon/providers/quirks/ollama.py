"""Ollama on this machine. Developer messages vanish there without a word, so they are sent as system messages."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="ollama",
    base_url="http://127.0.0.1:11434/v1",
    logit_bias=False,
    n=False,
    parallel_tool_calls=False,
    reasoning_request="reasoning_effort",
    efforts=("none", "low", "medium", "high"),
    reasoning_replay="reasoning",
    reasoning_replay_when="tool_turns",
)
