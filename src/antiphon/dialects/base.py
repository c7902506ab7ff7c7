"""What every front door's dialect promises: how a run's events become the bytes that a client of that dialect reads.

An encoder is pure, as all of a dialect is. It belongs to one answer, and may remember what it was shown.
"""

from collections.abc import Sequence
from typing import Protocol

from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.events import Event
from antiphon.protocol.response import Response

__all__ = ["AnswerEncoder", "StreamEncoder"]


class StreamEncoder(Protocol):
    """One stream."""

    @property
    def heartbeat(self) -> bytes:
        """What says that the stream is alive, and nothing else. It may be sent between any two pieces."""

    def see(self, delta: OutcomeDelta) -> None:
        """What the upstream said about its answer. Comes before the events of the same read; `vendor` is for here."""

    def encode(self, batch: Sequence[Event]) -> bytes:
        """Events that are not the last, at least one; empty where the dialect has nothing to say about them."""

    def end(self, batch: Sequence[Event]) -> bytes:
        """The last events, the terminal one at their end, and the dialect's end marker. A failed run ends here too."""


class AnswerEncoder(Protocol):
    """One answer in one piece."""

    def see(self, delta: OutcomeDelta) -> None:
        """What the upstream said about its answer."""

    def encode(self, response: Response) -> bytes:
        """The body. The response has ended, and not failed: a failure is an HTTP error."""
