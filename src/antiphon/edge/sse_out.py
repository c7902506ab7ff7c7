"""A run's events on their way to the client: status at the right moment, whole events, heartbeats, backpressure.

Nothing is queued here: a write waits until the server's transport takes it, and so the upstream is read no faster than
the client reads. What is held per client is the transport's buffer and one write.
"""

import asyncio
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from antiphon.dialects.base import AnswerEncoder, StreamEncoder
from antiphon.edge.asgi import Exchange, Headers
from antiphon.edge.web_headers import WebHeaders
from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.events import Event
from antiphon.protocol.request import Notice
from antiphon.protocol.target import Fallback, Target

__all__ = ["ByteStream", "JsonSink", "StreamSettings", "StreamSink", "notice_headers"]

_IGNORED_HEADER_BYTES = 1024
_OWN_NAMES: Mapping[str, str] = MappingProxyType({})
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class StreamSettings(Struct, frozen=True):
    """Seconds. `stall_s`: a client that takes nothing for so long is gone."""

    heartbeat_s: float = 15.0
    early_status_s: float = 15.0
    stall_s: float = 60.0

    @property
    def beat_s(self) -> float:
        """How often to look at the time: every second, or more often where one of these is shorter."""
        return min(1.0, self.heartbeat_s, self.early_status_s, self.stall_s)


def notice_headers(
    notices: Sequence[Notice],
    target: Target | None,
    *,
    names: Mapping[str, str] = _OWN_NAMES,
    fallback: Fallback | None = None,
) -> Headers:
    """What the answer's headers tell: who answered, and what was ignored. `names`: what the client calls its fields."""
    headers: Headers = []
    if target is not None:
        headers.append((b"x-actual-model", _target_name(target.provider, target.model)))
    if fallback is not None:
        headers.append((b"x-fallback-used", b"true"))
        headers.append((b"x-fallback-from", _safe(fallback.model, "[]/:@").encode()))
        headers.append((b"x-fallback-reason", _safe(fallback.reason, "").encode()))
    if notices and (
        ignored := ",".join(
            dict.fromkeys(
                _safe(names.get(notice.where, notice.where), "[]") for notice in notices if notice.kind == "dropped"
            )
        )
    ):
        headers.append((b"x-antiphon-ignored", ignored[:_IGNORED_HEADER_BYTES].encode()))
    return headers


@lru_cache(maxsize=1024)
def _target_name(provider: str, model: str) -> bytes:
    return _safe(f"{provider}/{model}", "[]/:@").encode()


def _safe(text: str, plain: str) -> str:
    return urllib.parse.quote(text[:256], safe=plain)


class JsonSink:
    """For an answer in one piece: the events are only counted on to build it."""

    status_sent = False

    def __init__(
        self, encoder: AnswerEncoder, names: Mapping[str, str] = _OWN_NAMES, web: WebHeaders | None = None
    ) -> None:
        self._headers: Headers = []
        self._names = names
        self._web = web
        self.see: Callable[[OutcomeDelta], None] = encoder.see if web is None else _both(encoder.see, web.see)

    @property
    def headers(self) -> Headers:
        """For the answer, which is complete."""
        return [*self._headers, *(self._web.headers(ended=True) if self._web is not None else ())]

    def prepare(self, notices: Sequence[Notice], target: Target, *, fallback: Fallback | None = None) -> None:
        """Remember the headers."""
        self._headers = notice_headers(notices, target, names=self._names, fallback=fallback)
        if self._web is not None:
            self._web.expect(notices)

    def hold(self, events: Sequence[Event]) -> None:
        """Nobody reads them."""

    @property
    def ready(self) -> bool:
        """Nobody reads them: there is nothing to wait for."""
        return True

    def write_now(self, events: Sequence[Event]) -> None:
        """Nobody reads them."""

    async def write(self, events: Sequence[Event]) -> None:
        """Nobody reads them."""
        if self._web is not None:
            self._web.look(events)

    async def end(self, events: Sequence[Event]) -> None:
        """Nobody reads them."""
        if self._web is not None:
            self._web.look(events)


class ByteStream:
    """Server-sent events as bytes. `Watch` keeps its time: heartbeats, an early status, a client that takes nothing.

    Args:
        heartbeat: what says that the stream is alive.
        names: what the client calls its fields, for the headers.
    """

    def __init__(
        self,
        exchange: Exchange,
        settings: StreamSettings,
        *,
        heartbeat: bytes,
        names: Mapping[str, str] = _OWN_NAMES,
    ) -> None:
        self._exchange = exchange
        self._settings = settings
        self._heartbeat = heartbeat
        self._names = names
        self._headers: Headers = []
        self._web: WebHeaders | None = None
        self._held = b""
        self._to_client = exchange.send
        self._beating: asyncio.Event | None = None
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._writing = False
        self.beat_s = settings.beat_s
        self.status_sent = False

    def prepare(self, notices: Sequence[Notice], target: Target, *, fallback: Fallback | None = None) -> None:
        """Remember what the headers will tell."""
        self._headers = notice_headers(notices, target, names=self._names, fallback=fallback)
        if self._web is not None:
            self._web.expect(notices)

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send whole events in one write; waits while the client reads slowly. Not while another call does."""
        if self._beating is not None:
            await self._after_the_beat(data)
        await self._send(data, more=more)

    def due(self) -> Literal["nothing", "beat", "stalled"]:
        """What time it is: nothing to do, something to send, or a client that takes nothing any more."""
        now = self._loop.time()
        if self._writing:
            return "stalled" if now - self._last_write >= self._settings.stall_s else "nothing"
        limit_s = self._settings.heartbeat_s if self.status_sent else self._settings.early_status_s
        return "beat" if now - self._last_write >= limit_s else "nothing"

    async def beat(self) -> None:
        """Send the status early, or a heartbeat. Not while a write is under way: it would say the same."""
        if self._writing:
            return
        self._beating = asyncio.Event()  # a write that comes meanwhile waits: events are never mixed
        try:
            await self._send(self._heartbeat if self.status_sent else b"")
        finally:
            self._beating.set()
            self._beating = None

    async def _after_the_beat(self, data: bytes) -> None:
        if self._beating is not None:
            try:
                await self._beating.wait()
            except asyncio.CancelledError:
                self._held += data
                raise

    async def _send(self, data: bytes, *, more: bool = True) -> None:
        """Hand over what is held, and this. Where that is cancelled, it is held for the next call.

        A run that is ended from outside goes on with its closing events, and there must be no gap before them.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        self._writing = True
        self._last_write = self._loop.time()
        try:
            if not self.status_sent:
                searched = self._web.headers(ended=not more) if self._web is not None else ()
                await self._exchange.start(200, [*_STREAM_HEADERS, *self._headers, *searched])
                self.status_sent = True
            if more:
                await self._to_client({"type": "http.response.body", "body": data, "more_body": True})
            else:
                await self._exchange.body(data)
        except asyncio.CancelledError:
            self._held = data + self._held
            raise
        finally:
            self._writing = False


class StreamSink(ByteStream):
    """A run's events, as its client's dialect tells them."""

    def __init__(
        self,
        exchange: Exchange,
        settings: StreamSettings,
        *,
        encoder: StreamEncoder,
        names: Mapping[str, str] = _OWN_NAMES,
        web: WebHeaders | None = None,
    ) -> None:
        super().__init__(exchange, settings, heartbeat=encoder.heartbeat, names=names)
        self._web = web
        self._encoder = encoder
        self._encode = encoder.encode
        shortcuts = exchange.shortcuts
        self._is_open: Callable[[], bool] | None = shortcuts.is_ready if shortcuts is not None else None
        self._write: Callable[[bytes], None] | None = shortcuts.write_now if shortcuts is not None else None
        self.see: Callable[[OutcomeDelta], None] = encoder.see if web is None else _both(encoder.see, web.see)

    def hold(self, events: Sequence[Event]) -> None:
        """Keep events until the status is sent."""
        self._held += self._encode(events)

    @property
    def ready(self) -> bool:
        """Whether nothing stands before the next event, and the server's transport takes it: nearly always."""
        return (
            self.status_sent
            and not self._held
            and self._beating is None
            and self._is_open is not None
            and self._is_open()
        )

    def write_now(self, events: Sequence[Event]) -> None:
        """Send events in one write. Only right after `ready` said so."""
        data = self._encode(events)
        self._last_write = self._loop.time()
        if data and self._write is not None:
            self._write(data)

    async def write(self, events: Sequence[Event]) -> None:
        """Send events in one write; waits while the client reads slowly."""
        if self.ready:
            self.write_now(events)
            return
        self._look(events)
        data = self._encode(events)
        if self._beating is not None:
            await self._after_the_beat(data)
        if data:
            await self._send(data)

    async def end(self, events: Sequence[Event]) -> None:
        """Send the last events and the end marker in one write."""
        self._look(events)
        await self.send(self._encoder.end(events), more=False)

    def _look(self, events: Sequence[Event]) -> None:
        """What comes of a search is of interest until the headers have left."""
        if self._web is not None and not self.status_sent:
            self._web.look(events)


def _both(
    first: Callable[[OutcomeDelta], None], second: Callable[[OutcomeDelta], None]
) -> Callable[[OutcomeDelta], None]:
    def see(delta: OutcomeDelta) -> None:
        first(delta)
        second(delta)

    return see
