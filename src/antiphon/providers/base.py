"""What every upstream codec promises.

A codec is pure: no network, clock, randomness, environment or logging. It writes one upstream request, and makes one
`Decoder` per attempt. A decoder never raises: what it cannot read becomes a `Broke` delta, and what it yields does not
depend on how the bytes were split.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from antiphon.protocol.deltas import Delta
from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Notice, Request
from antiphon.protocol.target import Target

__all__ = ["Codec", "Decoder", "Encoded", "InlineMedia"]

#: URL named by the client -> data URL, for media that the gateway fetched because the upstream must not.
InlineMedia = Mapping[str, str]


class Encoded(Struct, frozen=True):
    """An upstream request without its address book: the engine adds connection settings from the target."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    stream: bool
    notices: tuple[Notice, ...] = ()


class Decoder(Protocol):
    """Reads the body of one successful (2xx) upstream answer."""

    @property
    def done(self) -> bool:
        """Nothing that still comes matters: the end marker was seen, or the answer broke."""

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises."""

    def eof(self) -> list[Delta]:
        """The body ended cleanly. Yields `Broke` when the answer was not finished."""


class Codec(Protocol):
    """One upstream dialect."""

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request. Raises `RequestFault` for what the dialect cannot say."""

    def hosts(self, kind: str, target: Target) -> bool:
        """Whether tools of that type run at this provider."""

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """The http(s) URLs in the request that this upstream must not or cannot fetch itself."""

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for an answer of that content type (event stream or one JSON body)."""

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx. `headers` are lower-case."""
