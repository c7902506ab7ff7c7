"""Token counts of an answer in our terms."""

import msgspec
from msgspec import Raw

from antiphon.protocol.deltas import UsageSeen
from antiphon.providers.anthropic.wire import UsageCounts

__all__ = ["UsageTracker", "tier_of"]

_counts = msgspec.json.Decoder(UsageCounts)
_fields = msgspec.json.Decoder(dict[str, Raw])
_NAMES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


#: The tier that served the request, in the words of Responses.
_TIERS = {"standard": "default", "priority": "priority"}


class UsageTracker:
    """Puts the counts of one answer together. They come in several events, cumulative: the last value of each counts.

    Args:
        vendor: keep the vendor's own object too, for a client that reads it.
    """

    __slots__ = ("_last", "_own", "_reasoning", "_seen")

    def __init__(self, *, vendor: bool) -> None:
        self._seen: dict[str, int] = {}
        self._reasoning: int | None = None
        self._own: dict[str, Raw] | None = {} if vendor else None
        self._last: UsageSeen | None = None

    def see(self, usage: Raw) -> UsageSeen | None:
        """The counts so far; `None` when this tells nothing new. What cannot be read tells nothing."""
        try:
            counts = _counts.decode(usage)
            own = _fields.decode(usage) if self._own is not None else {}
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        for name in _NAMES:
            value = _count(getattr(counts, name))
            if value is not None:
                self._seen[name] = value
        details = counts.output_tokens_details
        thought = _count(details.thinking_tokens) if details is not None else None
        self._reasoning = self._reasoning if thought is None else thought
        seen = self._summed(own)
        if seen == self._last:
            return None
        self._last = seen
        return seen

    def _summed(self, own: dict[str, Raw]) -> UsageSeen:
        seen, vendor = self._seen, None
        if self._own is not None:
            self._own.update((name, value.copy()) for name, value in own.items() if bytes(value) != b"null")
            vendor = Raw(msgspec.json.encode(self._own))
        read, written = seen.get("cache_read_input_tokens"), seen.get("cache_creation_input_tokens")
        sent = seen.get("input_tokens")
        return UsageSeen(
            input_tokens=None if sent is None else sent + (read or 0) + (written or 0),
            output_tokens=seen.get("output_tokens"),
            cached_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=self._reasoning,
            vendor=vendor,
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
