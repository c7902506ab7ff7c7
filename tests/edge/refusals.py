"""What every refusal must be: OpenAI's shape, and no trace of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.helpers.gateway import Answer, Gateway
from tests.helpers.upstream import ThreadedUpstream

__all__ = ["assert_refused", "nothing_done"]

_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 429: "rate_limit_error"}


@contextmanager
def nothing_done(gateway: Gateway, upstream: ThreadedUpstream) -> Iterator[None]:
    """Neither is the upstream asked, nor is a response stored."""
    before = len(upstream.requests), gateway.sql("SELECT count(*) FROM responses")
    yield
    assert (len(upstream.requests), gateway.sql("SELECT count(*) FROM responses")) == before


def assert_refused(answer: Answer, status: int, code: str, *, param: str | None = None) -> str:
    """Raise unless this is that error in the shape of the API; its message."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert list(answer.json) == ["error"]
    error = answer.json["error"]
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["code"], error["param"]) == (kind, code, param), error
    assert isinstance(error["message"], str)
    assert 0 < len(error["message"]) < 1000
    return error["message"]
