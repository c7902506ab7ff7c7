"""The fault behind every answer that is none: an HTTP error, an error inside a 200, an error in the middle of a stream.

All three go by the same table, so that a provider cannot change what its failure means by the place it puts it.
"""

import re
from collections.abc import Mapping

from antiphon.protocol.faults import Fault, RequestFault, UpstreamFault
from antiphon.protocol.target import Target
from antiphon.providers.shared.clean import clean
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.overflow import says_overflow
from antiphon.providers.shared.waits import asked_wait, header_wait

__all__ = ["broken_off", "fault_of", "http_fault", "protocol_fault"]

_TEXT_LIMIT = 4000
_QUOTA = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|exceeded your current quota|billing|out of credits|payment required"
    r"|credit balance|not enough credits|arrears|\u4f59\u989d\u4e0d\u8db3|\u6b20\u8d39",
    re.IGNORECASE,
)
#: What the model cannot take. llama.cpp says it with status 500, which would make clients ask again.
_UNTAKEN = re.compile(r"(?:image|audio|video) input is not supported", re.IGNORECASE)
#: A model that is down. NVIDIA says it with status 400, which would keep clients from asking elsewhere.
_DOWN = re.compile(r"DEGRADED function cannot be invoked")
#: Words in `type`, `code` and `status` of error objects that come without an HTTP status, most telling first.
_WORDS = tuple(
    (re.compile(words, re.IGNORECASE), status)
    for words, status in (
        (r"rate.?limit|too_many|resource_exhausted|throttl", 429),
        (r"overload|unavailable|capacity|engine_busy", 503),
        (r"authentication|unauthor|api_key|permission|forbidden", 401),
        (r"not_found|notfound", 404),
        (r"too_large", 413),
        (r"timeout|timed_out|deadline", 408),
        (r"invalid|bad.?request|failed_precondition|unprocessable|validation|content_(?:filter|policy)", 400),
    )
)
_MEANINGS = {
    404: ("The model '{model}' was not found at provider '{provider}'.", "model_not_found", 404),
    401: ("The provider '{provider}' did not accept this gateway's credential.", "upstream_credential_error", 502),
    403: ("The provider '{provider}' did not accept this gateway's credential.", "upstream_credential_error", 502),
    407: ("The provider '{provider}' did not accept this gateway's credential.", "upstream_credential_error", 502),
    408: ("The provider '{provider}' did not answer in time.", "upstream_timeout", 504),
}
#: Statuses below 500 that are not about what was asked.
_NOT_THE_REQUEST = (401, 403, 404, 405, 407, 408, 409, 425, 429)


def http_fault(status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
    """The fault behind an answer that is no 2xx."""
    error = read_error(body) or UpstreamError(body[:_TEXT_LIMIT].decode("utf-8", "replace"))
    return fault_of(error, status, target=target, wait_s=header_wait(headers))


def fault_of(error: UpstreamError, status: int | None, *, target: Target, wait_s: float | None = None) -> Fault:
    """The fault for an error object, with the HTTP status of the answer, or without one inside a 200."""
    if status is None:
        status = error.status or _status_of(error.words)
    if status == 400 and _DOWN.search(error.message):
        status = 503
    text = f"{error.words} {error.message}"[:_TEXT_LIMIT]
    detail = f"{target.provider} {status}: {clean(text, secrets=_secrets(target))}"
    if status in (400, 413, 422, 500) and says_overflow(text):
        return _request_fault(error, target, code="context_length_exceeded", detail=detail)
    if status == 500 and _UNTAKEN.search(error.message):
        return _request_fault(error, target, code="unsupported_parameter", detail=detail)
    if _is_quota(status, text, words=error.words):
        return _upstream(f"The account at provider '{target.provider}' is out of quota.", "upstream_quota", 503, detail)
    if status == 413:
        return _request_fault(error, target, code="request_too_large", detail=detail, status=413)
    if error.flagged or (400 <= status < 500 and status not in _NOT_THE_REQUEST):
        return _request_fault(error, target, code=error.code, detail=detail)
    if wait_s is None:
        wait_s = error.retry_s if error.retry_s is not None else asked_wait(error.message)
    return _not_the_request(status, target, wait_s=wait_s, detail=detail)


def protocol_fault(target: Target, reason: str) -> Fault:
    """The answer is not what a Chat Completions server sends. `reason` is for logs only."""
    message = f"The provider '{target.provider}' sent an answer that could not be read."
    return _upstream(message, "upstream_protocol_error", 502, reason)


def broken_off(target: Target, *, is_cut: bool) -> Fault:
    """The answer ended before it was complete; `is_cut`: in the middle of a frame."""
    message = f"The provider '{target.provider}' ended its answer before it was complete."
    code, reason = ("upstream_reset", "inside a frame") if is_cut else ("upstream_truncated", "without a finish")
    return _upstream(message, code, 502, f"end {reason}")


def _upstream(message: str, code: str, status: int, detail: str) -> UpstreamFault:  # noqa: PLR0917 - four facts, one line
    kind = "invalid_request_error" if status == 404 else None
    return UpstreamFault(message, code=code, status=status, retryable=True, detail=detail, type=kind)


def _request_fault(
    error: UpstreamError, target: Target, *, code: str | None, detail: str, status: int = 400
) -> RequestFault:
    message = clean(error.message, secrets=_secrets(target)) or "no reason was given"
    return RequestFault(
        f"The provider '{target.provider}' refused the request: {message}",
        code=code,
        status=status,
        param=error.param,
        detail=detail,
    )


def _not_the_request(status: int, target: Target, *, wait_s: float | None, detail: str) -> Fault:
    if status == 429:
        return _rate_limited(target, wait_s, detail=detail)
    if status in (503, 529):
        return _overloaded(target, wait_s, detail=detail)
    if status < 400 or status == 405:  # a redirect is never followed; no Chat Completions are spoken there
        return protocol_fault(target, detail)
    message, code, shown = _MEANINGS.get(status, ("The provider '{provider}' failed.", "upstream_error", 502))
    return _upstream(message.format(provider=target.provider, model=target.model), code, shown, detail)


def _rate_limited(target: Target, wait_s: float | None, *, detail: str) -> Fault:
    again = f"Please try again in {wait_s:g}s." if wait_s is not None else "Please try again later."
    return UpstreamFault(
        f"Rate limit reached at provider '{target.provider}'. {again}",
        code="rate_limit_exceeded",
        status=429,
        type="rate_limit_error",
        retryable=True,
        retry_after_s=wait_s,
        detail=detail,
    )


def _overloaded(target: Target, wait_s: float | None, *, detail: str) -> Fault:
    return UpstreamFault(
        f"The provider '{target.provider}' is overloaded.",
        code="upstream_overloaded",
        status=503,
        retryable=True,
        retry_after_s=wait_s,
        detail=detail,
    )


def _is_quota(status: int, text: str, *, words: str) -> bool:
    """The account is empty. A 400 must say so in its code: the words alone may stand in a function's name."""
    if status in (403, 429):
        return _QUOTA.search(text) is not None
    return status == 402 or (status == 400 and _QUOTA.search(words) is not None)


def _secrets(target: Target) -> tuple[str, ...]:
    own = (target.credential.secret.value,) if target.credential else ()
    return (*own, *(value for value in target.headers.values() if len(value) >= 8))


def _status_of(words: str) -> int:
    if says_overflow(words):
        return 400
    if _QUOTA.search(words):
        return 402
    return next((status for pattern, status in _WORDS if pattern.search(words)), 500)
