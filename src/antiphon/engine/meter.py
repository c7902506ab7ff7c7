"""Token counts of a run: what the provider reported, and an estimate, marked as one, where it did not."""

from collections.abc import Callable

from msgspec import UNSET, Struct

from antiphon.protocol.deltas import UsageSeen
from antiphon.protocol.response import (
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OpaquePart,
    OutputItem,
    ReasoningItem,
    RefusalPart,
)
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage

__all__ = ["Meter", "estimate_tokens", "sum_of"]

#: UTF-8 bytes per token, roughly true of English text for all current vocabularies. Only used where nobody counted.
_BYTES_PER_TOKEN = 4


def estimate_tokens(size_bytes: int) -> int:
    """A rough count for that much text."""
    return -(-size_bytes // _BYTES_PER_TOKEN)


class Meter(Struct):
    """What is known so far. Within a round the last value of each field wins: streams repeat cumulative counts."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    before: Usage | None = None  # of the rounds that are over, and of what was asked before an answer

    def see(self, usage: UsageSeen) -> None:
        """Take a report of the upstream's."""
        self.input_tokens = _latest(usage.input_tokens, self.input_tokens)
        self.output_tokens = _latest(usage.output_tokens, self.output_tokens)
        self.cached_tokens = _latest(usage.cached_tokens, self.cached_tokens)
        self.cache_write_tokens = _latest(usage.cache_write_tokens, self.cache_write_tokens)
        self.reasoning_tokens = _latest(usage.reasoning_tokens, self.reasoning_tokens)

    def total(self, *, request_bytes: int, output: Callable[[], tuple[OutputItem, ...]]) -> Usage:
        """The run's usage. Counts that nobody reported are estimated from sizes, and the whole is marked.

        A part that is reported larger than its whole is cut to it: clients subtract the one from the other.
        """
        sent, written = self.input_tokens, self.output_tokens
        estimated = sent is None or written is None
        sent = estimate_tokens(request_bytes) if sent is None else sent
        written = estimate_tokens(_size(output())) if written is None else written
        cached = min(self.cached_tokens or 0, sent)
        usage = Usage(
            sent,
            written,
            sent + written,
            InputDetails(cached, min(self.cache_write_tokens or 0, sent - cached)),
            OutputDetails(min(self.reasoning_tokens or 0, written)),
            True if estimated else UNSET,
        )
        return usage if self.before is None else sum_of(self.before, usage)

    def next_round(self, *, request_bytes: int, output: Callable[[], tuple[OutputItem, ...]]) -> "Meter":
        """A meter for another round of the same run, which adds to what this one has."""
        return Meter(before=self.total(request_bytes=request_bytes, output=output))


def _latest(reported: int | None, known: int | None) -> int | None:
    return known if reported is None else reported


def sum_of(one: Usage, other: Usage) -> Usage:
    """What both cost together; an estimate, where one of them is."""
    kept, more = one.input_tokens_details, other.input_tokens_details
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.total_tokens + other.total_tokens,
        InputDetails(kept.cached_tokens + more.cached_tokens, kept.cache_write_tokens + more.cache_write_tokens),
        OutputDetails(one.output_tokens_details.reasoning_tokens + other.output_tokens_details.reasoning_tokens),
        True if one.estimated is True or other.estimated is True else UNSET,
    )


def _size(output: tuple[OutputItem, ...]) -> int:
    size = 0
    for item in output:
        match item:
            case MessageItem():
                for part in item.content:
                    if not isinstance(part, OpaquePart):
                        text = part.refusal if isinstance(part, RefusalPart) else part.text
                        size += len(text.encode(errors="replace"))
            case FunctionCallItem():
                size += len(item.name) + len(item.arguments.encode(errors="replace"))
            case CustomCallItem():
                size += len(item.name) + len(item.input.encode(errors="replace"))
            case ReasoningItem():
                size += sum(len(part.text.encode(errors="replace")) for part in item.summary)
    return size
