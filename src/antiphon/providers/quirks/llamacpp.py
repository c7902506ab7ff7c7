"""llama.cpp's server, also behind the model that comes with Antiphon."""

from antiphon.providers.quirks.base import Quirks

__all__ = ["QUIRKS"]

QUIRKS = Quirks(
    name="llamacpp",
    base_url="http://127.0.0.1:8080/v1",
    n=False,
    top_k=True,
    min_p=True,
    single_system=True,
    audio=True,
    reasoning_request="chat_template_kwargs",
    reasoning_replay="reasoning_content",
    reasoning_replay_when="tool_turns",
)
