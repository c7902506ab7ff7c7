"""What a codec hands to the network, and how the network fails: shared by `providers`, `upstream` and `engine`.

Nothing here opens a connection. A codec builds an `UpstreamRequest`; `upstream.client` sends it and raises
`NetworkFault` for whatever goes wrong between us and the provider. What the provider *says* (a status, an error
body) is not a network fault: the codec reads that.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from antiphon.protocol.faults import UpstreamFault

__all__ = ["NetworkFault", "Phase", "UpstreamRequest"]

Phase = Literal["setup", "dns", "connect", "tls", "proxy", "head", "body"]

#: Asking the same place again cannot help with these: a name that does not resolve, a certificate that is not valid.
_ELSEWHERE_ONLY: frozenset[Phase] = frozenset({"setup", "dns", "tls"})


class UpstreamRequest(Struct, frozen=True):
    """One POST to a provider, complete but for the connection.

    Attributes:
        url: absolute, `http` or `https`, without credentials in it.
        body: the encoded JSON.
        headers: everything the provider needs (`content-type`, `authorization`); must hold no CR, LF or NUL.
        stream: whether a stream of events was asked for. Sets nothing on the wire: codecs write it into `body`.
        provider: its configured name, for messages. The client may see it, unlike the address.
        proxy: URL of an HTTP proxy, credentials allowed.
        ca_file: a PEM file with certificate authorities to trust beside the system's.
        first_byte_s: how long to wait for the status line, connecting included.
        idle_s: how long the body may be silent. Any byte counts, so comments and pings keep a stream alive.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False
    provider: str = "upstream"
    proxy: str | None = None
    ca_file: str | None = None
    first_byte_s: float = 120.0
    idle_s: float = 300.0


class NetworkFault(UpstreamFault):
    """The connection failed: at which phase, and whether only another provider can help.

    Attributes:
        phase: how far the exchange had come.
        elsewhere_only: a retry at the same provider is pointless; at another one it is not.
    """

    def __init__(  # noqa: PLR0913 - one record with independent facts, as in its base
        self,
        message: str,
        *,
        code: str,
        phase: Phase,
        status: int = 502,
        retryable: bool = True,
        elsewhere_only: bool = False,
        detail: str = "",
    ) -> None:
        super().__init__(message, code=code, status=status, retryable=retryable, detail=detail)
        self.phase = phase
        self.elsewhere_only = elsewhere_only or phase in _ELSEWHERE_ONLY
