"""A fault as an HTTP answer, in the shape of the dialect that was spoken. The only place that renders one."""

import msgspec

from antiphon.edge.asgi import Exchange, Headers, send_bytes
from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Dialect

__all__ = ["error_body", "retry_headers", "send_fault", "status_of"]

#: After these the rest of the request cannot be trusted or is not wanted: the connection ends.
_CLOSING = frozenset({408, 413})

#: For how long an overloaded provider is left alone that did not say itself.
_OVERLOAD_WAIT_S = 5.0

#: Anthropic's own words. What is not here is `invalid_request_error` below 500 and `api_error` from there on.
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(fault: Fault, dialect: Dialect = "responses", *, request_id: str = "") -> bytes:
    """OpenAI's `{"error": {"message", "type", "param", "code"}}`, or Anthropic's `{"type": "error", ...}`."""
    if dialect == "messages":
        status = status_of(fault, dialect)
        kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        problem = {"type": kind, "message": fault.message}
        return msgspec.json.encode({"type": "error", "error": problem, "request_id": request_id})
    return msgspec.json.encode(
        {"error": {"message": fault.message, "type": fault.type, "param": fault.param, "code": fault.code}}
    )


def status_of(fault: Fault, dialect: Dialect) -> int:
    """The fault's status; Anthropic has one of its own for being overloaded."""
    return 529 if dialect == "messages" and fault.status == 503 else fault.status


def retry_headers(fault: Fault) -> Headers:
    """Whether trying again makes sense, and when."""
    headers: Headers = []
    wait_s = fault.retry_after_s
    if wait_s is None and fault.code == "upstream_overloaded":
        wait_s = _OVERLOAD_WAIT_S
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(wait_s))))
    if fault.status in (408, 409, 429) or fault.status >= 500:
        again = fault.retryable or wait_s is not None
        headers.append((b"x-should-retry", b"true" if again else b"false"))
    return headers


async def send_fault(exchange: Exchange, fault: Fault) -> None:
    """Answer with the fault's status, and tell clients whether trying again makes sense."""
    headers = retry_headers(fault)
    if fault.status in _CLOSING:
        headers.append((b"connection", b"close"))
    body = error_body(fault, exchange.dialect, request_id=exchange.request_id)
    await send_bytes(exchange, status_of(fault, exchange.dialect), body=body, headers=headers)
