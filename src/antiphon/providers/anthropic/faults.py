"""Errors of the Messages API. Their shapes and words are those that every other dialect's table knows already."""

from collections.abc import Mapping

from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.shared import faults
from antiphon.providers.shared.errors import UpstreamError, read_error

__all__ = ["error_fault", "http_fault"]

#: An empty account is told as a wrong request.
_NO_CREDIT = "credit balance is too low"


def http_fault(status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
    """The fault behind an answer that is no 2xx."""
    error = read_error(body)
    if status == 400 and error is not None and _NO_CREDIT in error.message:
        status = 402
    return faults.http_fault(status, headers, body=body, target=target)


def error_fault(body: bytes, target: Target) -> Fault:
    """The fault behind an error object inside a 200."""
    said = read_error(body) or UpstreamError(body.decode("utf-8", "replace"), words="server_error")
    return faults.fault_of(said, None, target=target)
