"""One answer of a provider: its status, its headers, and its body as it arrives."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.inflate import InflateError, Inflater
from antiphon.upstream.translate import fault_after_head, protocol_fault
from antiphon.upstream.watch import Watch
from antiphon.upstream.wire import Answer

__all__ = ["Exchange", "Headers", "accept"]

_IDENTITY = frozenset({"", "identity", "none"})
_INFLATABLE = frozenset({"gzip", "x-gzip", "deflate"})


def accept(answer: Answer, request: UpstreamRequest, *, watch: Watch, decoded_cap_bytes: int) -> "Exchange":
    """The exchange for an answer whose head has arrived.

    Raises:
        NetworkFault: a compression that we cannot undo. The connection is closed by then.
    """
    encoding = answer.headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if encoding in _IDENTITY:
        return Exchange(answer, request, watch, None)
    if encoding not in _INFLATABLE:
        watch.leave(answer)
        answer.drop()
        what = "compressed its answer in a way that was not asked for"
        raise protocol_fault(what, provider=request.provider, phase="head", detail=f"content-encoding {encoding!r}")
    inflater = Inflater(encoding, cap_bytes=decoded_cap_bytes)
    return Exchange(answer, request, watch, inflater)


class Headers(Mapping[str, str]):
    """Headers of an answer, looked up without regard to case. Of two of one name the first counts."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        try:
            return self._raw[name.lower().encode("latin-1")].decode("latin-1")
        except (KeyError, UnicodeEncodeError):
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Exchange:
    """An answer under way. Made by `UpstreamClient.open`; use it as an async context manager, or call `close`.

    The connection goes back to the pool by itself once the whole body has arrived, read or not, so read on until
    `b""` even after the dialect's own end marker. Only one task may read. Unread bytes are held up to a bound
    (128 KiB and what one read of the socket gave); beyond it the provider is read more slowly, and its silence is
    then not counted as a stall.

    Attributes:
        status: the HTTP status.
        headers: looked up without regard to case.
        content_type: the media type in lower case, without parameters; empty if there was none.
    """

    __slots__ = (
        "_answer", "_failure", "_inflater", "_loop", "_request", "_watch", "content_type", "headers", "status"
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one for each request: with names it takes twice as long
        self, answer: Answer, request: UpstreamRequest, watch: Watch, inflater: Inflater | None
    ) -> None:
        self._answer = answer
        self._request = request
        self._failure: NetworkFault | None = None
        self._inflater = inflater
        self._loop = asyncio.get_running_loop()
        self._watch = watch
        self.status = answer.status
        self.headers: Mapping[str, str] = Headers(answer.headers)
        declared = answer.headers.get(b"content-type", b"")
        self.content_type = declared.partition(b";")[0].strip().lower().decode("latin-1")
        answer.since = None
        answer.limit_s = request.idle_s
        if answer.wire is None:
            watch.leave(answer)
        else:
            watch.enter(answer, request.idle_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def read(self) -> bytes:
        """Whatever has arrived since the last call, waiting for the first byte; `b""` at a clean end, and after it.

        Raises:
            NetworkFault: no byte for `idle_s` (`upstream_stall`), a body that was cut (`upstream_reset`), or
                compressed data that is broken or too much (`upstream_protocol_error`). Bytes that arrived before
                are always given first. The connection is closed by then.

        Cancelling closes the connection at once.
        """
        if self._failure is not None:
            raise self._failure
        if self._inflater is None:
            if self._answer.parts:
                return self._answer.take()
            return await self._receive()
        return await self._receive_inflated(self._inflater)

    async def read_all(self, limit_bytes: int) -> bytes:
        """The rest of the body.

        Raises:
            NetworkFault: as for `read`, and `upstream_protocol_error` as soon as there is more than `limit_bytes`.
        """
        parts = []
        left = limit_bytes
        while part := await self.read():
            left -= len(part)
            if left < 0:
                raise self._fail(protocol_fault(f"sent more than {limit_bytes} bytes", provider=self._request.provider))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pump(self, take: Callable[[bytes], bool]) -> bool:
        """Give every piece to `take` the moment it arrives, until that returns false, or the body ends.

        This task sleeps meanwhile: being woken for each piece of a stream would cost as much as all that is done with
        it. `take` must not wait, and is not called again after it returned false.

        Returns:
            False at a clean end. After true, go on with this or with `read`.

        Raises:
            NetworkFault: as `read`. What `take` raises is raised here.
        """
        if self._failure is not None:
            raise self._failure
        if self._inflater is not None:
            while piece := await self.read():
                if not take(piece):
                    return True
            return False
        answer = self._answer
        while True:
            if answer.parts:
                if not take(answer.take()):
                    return True
            elif answer.wire is None:
                self._end()
                return False
            elif not await self._taken(take):
                return True

    async def _taken(self, take: Callable[[bytes], bool]) -> bool:
        """Sleep until something other than taken pieces has come. False: `take` does not want any more."""
        answer = self._answer
        answer.since = self._loop.time()
        answer.taker = take
        try:
            await answer.news()
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            wants_more = answer.taker is not None
            answer.taker = answer.since = None
        if answer.taker_error is not None:
            raise answer.taker_error
        return wants_more

    def close(self) -> None:
        """Drop the connection, unless the whole body was received: then there is nothing to do.

        It is dropped hard. A polite end would let a TLS peer go on generating, and billing, until it answers.
        """
        self._watch.leave(self._answer)
        self._answer.drop()

    async def _receive(self) -> bytes:
        answer = self._answer
        try:
            while not answer.parts:
                if answer.wire is None:
                    return self._end()
                answer.since = self._loop.time()
                await answer.news()
        except asyncio.CancelledError:
            self.close()
            raise
        answer.since = None
        return answer.take()

    def _end(self) -> bytes:
        error = self._answer.error
        if error is None:
            return b""
        request = self._request
        raise self._fail(fault_after_head(error, provider=request.provider, idle_s=request.idle_s)) from error

    async def _receive_inflated(self, inflater: Inflater) -> bytes:
        try:
            while not (plain := inflater.more()):
                piece = await self._receive()
                if not piece:
                    inflater.finish()
                    return b""
                if plain := inflater.feed(piece):
                    return plain
        except InflateError as error:
            fault = protocol_fault("sent compressed data that cannot be read", provider=self._request.provider)
            raise self._fail(fault) from error
        return plain

    def _fail(self, fault: NetworkFault) -> NetworkFault:
        # Kept, so that whoever reads again gets the same answer and never a clean end.
        self._failure = fault
        self.close()
        return fault
