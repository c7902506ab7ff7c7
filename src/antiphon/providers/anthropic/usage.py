"""Token counts of an answer in our terms."""

import msgspec
from msgspec import Raw

from antiphon.protocol.deltas import UsageSeen
from antiphon.providers.anthropic.wire import UsageCounts

__all__ = ["UsageTracker", "tier_of"]

_counts = msgspec.json.Decoder(UsageCounts)
_NAMES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


#: The tier that served the request, in the words of Responses.
_TIERS = {"standard": "default", "priority": "priority"}


class UsageTracker:
    """Puts the counts of one answer together. Several events have them, cumulative: the last value of each counts."""

    __slots__ = ("_last", "_reasoning", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._reasoning: int | None = None
        self._last: UsageSeen | None = None

    def begin(self, usage: Raw) -> UsageSeen | None:
        """The counts at the beginning of a stream. What went in is final, what comes out is a token or two by then."""
        self.see(usage)
        self._seen.pop("output_tokens", None)
        self._last = self._summed()
        return None if self._last == UsageSeen() else self._last

    def see(self, usage: Raw) -> UsageSeen | None:
        """The counts so far; `None` when this tells nothing new. What cannot be read tells nothing."""
        try:
            counts = _counts.decode(usage)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        for name in _NAMES:
            value = _count(getattr(counts, name))
            if value is not None:
                self._seen[name] = value
        details = counts.output_tokens_details
        thought = _count(details.thinking_tokens) if details is not None else None
        self._reasoning = self._reasoning if thought is None else thought
        seen = self._summed()
        if seen == self._last:
            return None
        self._last = seen
        return seen

    def _summed(self) -> UsageSeen:
        seen = self._seen
        read, written = seen.get("cache_read_input_tokens"), seen.get("cache_creation_input_tokens")
        sent = seen.get("input_tokens")
        return UsageSeen(
            input_tokens=None if sent is None else sent + (read or 0) + (written or 0),
            output_tokens=seen.get("output_tokens"),
            cached_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=self._reasoning,
        )


def tier_of(usage: Raw) -> str | None:
    """The tier that served the request, where it says so."""
    try:
        return _TIERS.get(_counts.decode(usage).service_tier or "")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _count(value: float | None) -> int | None:
    """A count that was reported. A negative one says nothing."""
    return int(value) if value is not None and 0 <= value < 1e15 else None
