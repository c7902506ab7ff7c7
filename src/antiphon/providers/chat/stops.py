"""What the words in `finish_reason` mean."""

from antiphon.protocol.deltas import StopReason

__all__ = ["FAILED", "stop_reason"]

_LENGTH = frozenset(
    {
        "length",
        "max_tokens",
        "model_length",
        "max_output_tokens",
        "context_length",
        "model_context_window_exceeded",  # Z.ai
    }
)
_FILTER = frozenset(
    {
        "content_filter",
        "content-filter",
        "safety",
        "sensitive",  # GLM
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "refusal",
    }
)

#: Reasons that are failures. `insufficient_system_resource` is DeepSeek's, `abort` vLLM's, `network_error` GLM's.
FAILED = frozenset(
    {
        "error",
        "network_error",
        "insufficient_system_resource",
        "abort",
        "aborted",
        "engine_error",
        "malformed_function_call",
        "malformed_response",
    }
)


def stop_reason(native: str) -> StopReason:
    """The reason behind a word that is no failure. Words that nobody knows are taken for a normal end."""
    word = native.lower()
    if word in _LENGTH:
        return "max_output_tokens"
    return "content_filter" if word in _FILTER else "completed"
