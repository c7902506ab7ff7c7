"""The border where errors of connections and of the operating system become `NetworkFault`s (docs/faults.md, U and M).

A message names the provider and nothing else; addresses, certificates and system errors go into `detail`.
"""

from antiphon.protocol.exchange import NetworkFault, Phase
from antiphon.upstream.wire import FramingError, SilenceError

__all__ = ["fault_after_head", "fault_before_head", "first_byte_fault", "protocol_fault", "unreachable_fault"]


def fault_before_head(error: Exception, *, provider: str, first_byte_s: float) -> NetworkFault:
    """The fault for an error on a connection before the head was complete: rows U4, U6 and U11."""
    if isinstance(error, SilenceError):
        return first_byte_fault(first_byte_s, provider=provider)
    if isinstance(error, FramingError):
        return protocol_fault(
            "sent something that is not HTTP", provider=provider, phase="head", detail=_describe(error)
        )
    return NetworkFault(
        f"The provider {provider} closed the connection without an answer.",
        code="upstream_error",
        phase="head",
        detail=_describe(error),
    )


def unreachable_fault(error: Exception, *, provider: str, phase: Phase) -> NetworkFault:
    """Rows U1 to U3: no connection. A bad name or certificate stays bad, so only another provider can help."""
    return NetworkFault(
        f"The provider {provider} could not be reached.",
        code="upstream_unreachable",
        phase=phase,
        detail=f"{phase}: {_describe(error)}",
    )


def first_byte_fault(seconds: float, *, provider: str) -> NetworkFault:
    """Row U4: connected, but no status in time. Waiting as long again at the same place helps nobody."""
    return NetworkFault(
        f"The provider {provider} did not begin to answer within {seconds:g} seconds.",
        code="upstream_timeout",
        status=504,
        phase="head",
        elsewhere_only=True,
    )


def protocol_fault(what: str, *, provider: str, phase: Phase = "body", detail: str = "") -> NetworkFault:
    """Row U11: an answer that is no answer. `what` completes the sentence `The provider x …`."""
    return NetworkFault(f"The provider {provider} {what}.", code="upstream_protocol_error", phase=phase, detail=detail)


def fault_after_head(error: Exception, *, provider: str, idle_s: float) -> NetworkFault:
    """Rows M1 and M2: the body stalled, or was cut. Wrong framing that ends a body counts as a cut, too."""
    if isinstance(error, SilenceError):
        return NetworkFault(
            f"The provider {provider} sent nothing for {idle_s:g} seconds in the middle of an answer.",
            code="upstream_stall",
            phase="body",
            status=504,
        )
    return NetworkFault(
        f"The provider {provider} closed the connection in the middle of an answer.",
        code="upstream_reset",
        phase="body",
        detail=_describe(error),
    )


def _describe(error: Exception) -> str:
    # Never repr, which may carry more than the message; and of that only the first line.
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
