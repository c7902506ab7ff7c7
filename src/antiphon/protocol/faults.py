"""What can go wrong, as one small family of exceptions that is safe to show to a client.

Every failure inside Antiphon becomes a `Fault` at the border where it happens. A fault knows the HTTP status,
the OpenAI `type` and `code` it stands for, and a message written for the client. What only an operator may see
goes into `detail`, which is logged and never sent.

    Fault
    ├── RequestFault      the client sent something wrong (400, 404, 408, 409, 413, 415, 422)
    ├── AccessFault       no key, a bad key, or a key that may not do this (401, 403)
    ├── LimitFault        a limit or a budget of ours (429, 402)
    ├── UpstreamFault     the provider failed, or could not be reached (4xx/5xx of the table in docs/faults.md)
    ├── StoreFault        the database is not available (503)
    └── ServerFault       ours: overload, shutdown, a bug (500, 503)

`edge.problems` renders a fault as an HTTP error body, `protocol.assembler` as the `error` of a failed response:
these are the only two places that do.
"""

__all__ = [
    "IN_BAND_CODES",
    "AccessFault",
    "Fault",
    "LimitFault",
    "RequestFault",
    "ServerFault",
    "StoreFault",
    "UpstreamFault",
    "forget_frames",
    "overloaded",
    "previous_response_not_found",
]

#: `error.code` values that clients of the Responses API know how to read inside a failed response.
IN_BAND_CODES = frozenset(
    {
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "context_length_exceeded",
        "insufficient_quota",
    }
)


class Fault(Exception):  # noqa: N818 - a fault is the domain's word, see the tree above
    """A failure with everything needed to tell the client, and to decide whether a retry can help.

    Attributes:
        status: HTTP status, used when no byte of the answer has been sent.
        type: OpenAI's error type, e.g. `invalid_request_error`.
        code: our fine-grained code, e.g. `upstream_timeout`; `None` where OpenAI has none.
        message: safe for the client: no secret, no internal address.
        param: the request field at fault, e.g. `input[2].content[0].image_url`.
        retryable: whether the same request may succeed at the same or another upstream.
        retry_after_s: how long the client should wait, where somebody said so.
        detail: for logs only.
    """

    default_status = 500
    default_type = "server_error"

    def __init__(  # noqa: PLR0913 - one record with independent optional facts
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        param: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        detail: str = "",
        type: str | None = None,  # noqa: A002 - the wire name
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status or self.default_status
        self.type = type or self.default_type
        self.param = param
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.detail = detail

    @property
    def in_band_code(self) -> str:
        """The `error.code` for a failed response: one of the few that clients know."""
        if self.code in IN_BAND_CODES:
            return self.code or "server_error"
        if self.status == 429:
            return "rate_limit_exceeded"
        return "invalid_prompt" if self.status in (400, 422) else "server_error"


class RequestFault(Fault):
    """The request is wrong. Never retryable."""

    default_status = 400
    default_type = "invalid_request_error"


class AccessFault(Fault):
    """No key, a bad key (401), or a key that may not do this (403, `permission_error`)."""

    default_status = 401
    default_type = "authentication_error"


class LimitFault(Fault):
    """A limit of ours was reached."""

    default_status = 429
    default_type = "rate_limit_error"


class UpstreamFault(Fault):
    """The provider failed or could not be reached."""

    default_status = 502


class StoreFault(Fault):
    """The database is not available."""

    default_status = 503

    def __init__(self, detail: str) -> None:
        super().__init__(
            "The state store is not available right now. Requests with `store: false` may still work.",
            code="store_unavailable",
            detail=detail,
            retry_after_s=1.0,
        )


class ServerFault(Fault):
    """Ours: overload (503), shutdown (503), a bug (500)."""


def forget_frames(fault: Fault) -> None:
    """Let go of where a fault, and what led to it, came from, once that is settled.

    The frames know the fault, and the fault the frames: such rings, with all of a request in them, wait for the
    garbage collector.
    """
    error: BaseException | None = fault
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def overloaded() -> ServerFault:
    """There is too much at once: the answer to every request that is not let in, wherever that is found."""
    return ServerFault("The gateway is overloaded. Please try again.", code="overloaded", status=503, retry_after_s=1.0)


def previous_response_not_found(response_id: str) -> RequestFault:
    """The one answer for malformed, unknown, deleted, expired and foreign ids."""
    return RequestFault(
        f"Previous response with id '{response_id[:80]}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
    )
