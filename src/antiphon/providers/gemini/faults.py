"""The faults behind Gemini's errors, by the table that all dialects share, once Google's own ways are translated."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct, structs

from antiphon.protocol.faults import Fault, RequestFault
from antiphon.protocol.target import Target
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import fault_of
from antiphon.providers.shared.waits import header_wait

__all__ = ["blocked", "http_fault", "in_band_fault", "stopped_badly"]

_TEXT_LIMIT = 4000

#: Reasons in `details` that mean the gateway's own key or account, whatever the status says.
_CREDENTIAL = frozenset(
    {
        "API_KEY_INVALID",
        "API_KEY_EXPIRED",
        "API_KEY_SERVICE_BLOCKED",
        "ACCESS_TOKEN_EXPIRED",
        "CONSUMER_INVALID",
        "CONSUMER_SUSPENDED",
        "SERVICE_DISABLED",
    }
)
#: The same in the message, where there are no details.
_CREDENTIAL_WORDS = ("api key not valid", "api key expired", "api key was reported", "user location is not supported")


class _Detail(Struct, frozen=True):
    reason: str | None = None


class _Error(Struct, frozen=True):
    details: list[_Detail] | None = None


class _Body(Struct, frozen=True):
    error: _Error | None = None


_decode_body = msgspec.json.Decoder(_Body | list[_Body])


def http_fault(status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
    """The fault behind an answer that is no 2xx."""
    error = read_error(body) or UpstreamError(body[:_TEXT_LIMIT].decode("utf-8", "replace"))
    error, status = _translated(error, status, reasons=_reasons(body))
    return fault_of(error, status, target=target, wait_s=header_wait(headers))


def in_band_fault(body: bytes, target: Target) -> Fault:
    """The fault behind an error that comes where an answer was to be."""
    said = read_error(body) or UpstreamError(body[:_TEXT_LIMIT].decode("utf-8", "replace"), words="server_error")
    if said.status is None:
        return fault_of(said, None, target=target)
    said, status = _translated(said, said.status, reasons=_reasons(body))
    return fault_of(said, status, target=target)


def blocked(target: Target, reason: str) -> Fault:
    """The prompt itself was refused, and nothing was generated."""
    return RequestFault(
        f"The provider '{target.provider}' blocked the prompt ({reason[:40]}).",
        code="invalid_prompt",
        detail=f"{target.provider}: blockReason {reason[:80]}",
    )


def stopped_badly(target: Target, native: str) -> Fault:
    """The model stopped for a reason that is a failure of its own. The same request may well succeed."""
    return fault_of(UpstreamError(f"finishReason {native[:80]}", words="server_error"), None, target=target)


def _translated(error: UpstreamError, status: int, *, reasons: frozenset[str]) -> tuple[UpstreamError, int]:
    text = error.message.lower()
    if status in (400, 403) and (reasons & _CREDENTIAL or any(words in text for words in _CREDENTIAL_WORDS)):
        return error, 401
    if status == 429 and error.retry_s is not None:
        # Limits per minute are told in the words of an exhausted quota; what soon passes is no quota.
        return structs.replace(error, message="", words="RESOURCE_EXHAUSTED"), status
    return error, 408 if status == 504 else status


def _reasons(body: bytes) -> frozenset[str]:
    try:
        found = _decode_body.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return frozenset()
    first = (found[0] if found else _Body()) if isinstance(found, list) else found
    details = first.error.details if first.error is not None else None
    return frozenset(detail.reason for detail in details or () if detail.reason)
