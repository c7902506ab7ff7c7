"""Token counts of an answer in our terms."""

from antiphon.protocol.deltas import UsageSeen
from antiphon.providers.gemini.chunks import UsageCounts

__all__ = ["usage_seen"]


def usage_seen(counts: UsageCounts) -> UsageSeen:
    """Map the fields. Google counts thoughts apart from the answer, and what its tools found apart from the prompt."""
    thoughts = _count(counts.thoughts_token_count)
    return UsageSeen(
        input_tokens=_sum(_count(counts.prompt_token_count), _count(counts.tool_use_prompt_token_count)),
        output_tokens=_sum(_count(counts.candidates_token_count), thoughts),
        cached_tokens=_count(counts.cached_content_token_count),
        reasoning_tokens=thoughts,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


def _count(value: float | None) -> int | None:
    """A negative count says nothing."""
    return int(value) if value is not None and 0 <= value < 1e15 else None
