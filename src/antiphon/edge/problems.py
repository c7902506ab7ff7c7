"""A fault as an HTTP answer, in OpenAI's error shape. The only place that renders one."""

import msgspec

from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.protocol.faults import Fault

__all__ = ["error_body", "send_fault"]

#: After these the rest of the request cannot be trusted or is not wanted: the connection ends.
_CLOSING = frozenset({408, 413})


def error_body(fault: Fault) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`."""
    return msgspec.json.encode(
        {"error": {"message": fault.message, "type": fault.type, "param": fault.param, "code": fault.code}}
    )


async def send_fault(exchange: Exchange, fault: Fault) -> None:
    """Answer with the fault's status, and tell clients whether trying again makes sense."""
    headers = []
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(fault.retry_after_s))))
    if fault.status in (408, 409, 429) or fault.status >= 500:
        again = fault.retryable or fault.retry_after_s is not None
        headers.append((b"x-should-retry", b"true" if again else b"false"))
    if fault.status in _CLOSING:
        headers.append((b"connection", b"close"))
    await send_bytes(exchange, fault.status, body=error_body(fault), headers=headers)
