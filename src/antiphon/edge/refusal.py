"""A refusal as the bytes of a whole HTTP answer, made beforehand: filling it in takes a microsecond."""

import os
import re
from itertools import count

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from antiphon.edge.problems import error_body, retry_headers, status_of
from antiphon.protocol.faults import overloaded
from antiphon.protocol.request import Dialect

__all__ = ["Refusals"]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
#: Stands where a request id will.
_MARK = "-request-id-"


class Refusals:
    """Tells clients that there is too much to do, in the words of the door that they came to."""

    __slots__ = ("_count", "_messages", "_others", "_start")

    def __init__(self) -> None:
        self._others = _template("responses")
        self._messages = _template("messages")
        self._start = b"req_" + os.urandom(8).hex().encode()
        self._count = count(1)

    def answer(self, url: bytes, request_id: bytes | None, *, closes: bool) -> bytes:
        """The answer to a request for `url`. `request_id`: what the client calls it, where it does."""
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%b%08x" % (self._start, next(self._count))
        close = b"connection: close\r\n" if closes else b""
        if b"/messages" not in url[:20]:
            head, body = self._others
            return b"%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (head, request_id, close, len(body), body)
        head, body = self._messages
        body = body.replace(_MARK.encode(), request_id)
        return b"%bx-request-id: %b\r\nrequest-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            head, request_id, request_id, close, len(body), body
        )  # fmt: skip


def _template(dialect: Dialect) -> tuple[bytes, bytes]:
    fault = overloaded()
    lines = [STATUS_LINE[status_of(fault, dialect)], b"content-type: application/json\r\n"]
    lines += [b"%b: %b\r\n" % header for header in retry_headers(fault)]
    return b"".join(lines), error_body(fault, dialect, request_id=_MARK)
