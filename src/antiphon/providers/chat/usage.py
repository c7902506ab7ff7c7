"""Token counts of a chat answer in our terms."""

from antiphon.protocol.deltas import UsageSeen
from antiphon.providers.chat.chunks import CompletionDetails, PromptDetails, UsageCounts

__all__ = ["usage_seen"]

_NO_PROMPT = PromptDetails()
_NO_COMPLETION = CompletionDetails()


def usage_seen(counts: UsageCounts) -> UsageSeen:
    """Map the fields. `prompt_tokens` already has the cached ones in it, `completion_tokens` mostly the reasoning.

    Some count reasoning apart from the completion (xAI, Gemini). That shows in the numbers, which is what decides: the
    sum only adds up with the reasoning in it, or there is more reasoning than completion.
    """
    prompt = counts.prompt_tokens_details or _NO_PROMPT
    completion = counts.completion_tokens_details or _NO_COMPLETION
    sent = _first(counts.prompt_tokens, counts.input_tokens)
    received = _first(counts.completion_tokens, counts.output_tokens)
    reasoning = _first(completion.reasoning_tokens, counts.reasoning_tokens)
    if reasoning and received is not None:
        apart = sent is not None and counts.total_tokens == sent + received + reasoning
        received += reasoning if apart or reasoning > received else 0
    return UsageSeen(
        input_tokens=sent,
        output_tokens=received,
        cached_tokens=_first(prompt.cached_tokens, counts.prompt_cache_hit_tokens, counts.cached_tokens),
        cache_write_tokens=_first(prompt.cache_write_tokens, counts.cache_creation_input_tokens),
        reasoning_tokens=reasoning,
    )


def _first(value: float | None, *others: float | None) -> int | None:
    """The first count that was reported. A negative one says nothing."""
    if value is not None and 0 <= value < 1e15:
        return int(value)
    return _first(*others) if others else None
