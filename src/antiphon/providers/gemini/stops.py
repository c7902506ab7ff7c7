"""What the words in `finishReason` mean."""

from antiphon.protocol.deltas import StopReason

__all__ = ["FAILED", "NO_REASON", "PAUSED", "VAGUE", "stop_reason"]

#: There is more, for who asks again with what there is.
PAUSED = "CONTINUATION"

_LENGTH = frozenset({"MAX_TOKENS", PAUSED})
_FILTER = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    }
)

#: Reasons that are failures.
FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)

#: Reasons that say nothing: failures where there is no output.
VAGUE = frozenset({"OTHER", "IMAGE_OTHER", "NO_IMAGE"})

#: The model has not stopped.
NO_REASON = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


def stop_reason(native: str) -> StopReason:
    """The reason behind a word that is no failure. Words that nobody knows are taken for a normal end."""
    if native in _LENGTH:
        return "max_output_tokens"
    return "content_filter" if native in _FILTER else "completed"
