"""A run's events, or the response they end in, as a client of the Messages API reads them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from antiphon.dialects.messages.content import NO_TITLES, content_of
from antiphon.dialects.messages.context import AppliedEdit
from antiphon.dialects.messages.ending import message_id, problem_of, stop_of, usage_of
from antiphon.dialects.messages.relay import Relay, calls_in, calls_of, fold, seals_in, seals_of
from antiphon.dialects.messages.wire import (
    ErrorEvent,
    MessageBody,
    MessageDelta,
    MessageStart,
    MessageStop,
    UsageCounts,
    encode_event,
    encode_raw,
)
from antiphon.dialects.messages.writer import ContentWriter
from antiphon.protocol import events
from antiphon.protocol.deltas import Native, OutcomeDelta, PagesFound, Stopped
from antiphon.protocol.response import Response

__all__ = ["Asked", "MessagesAnswer", "MessagesStream"]

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True):
    """What the request says about how its answer shall look.

    Attributes:
        omits_thinking: the text of thoughts is not shown.
        input_tokens: an estimate, told before the provider has counted.
        edits: what was done to the context; `None` where nothing was asked for.
    """

    request_id: str = ""
    omits_thinking: bool = False
    input_tokens: int = 0
    edits: tuple[AppliedEdit, ...] | None = None

    @property
    def context_management(self) -> Raw | UnsetType:
        """What was done to the context, as an answer tells it."""
        return UNSET if self.edits is None else Raw(_encode({"applied_edits": self.edits}))


class MessagesStream:
    """One stream. Implements `dialects.base.StreamEncoder`.

    Where the upstream speaks this dialect too, its own events go on; else they are written from the run's.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._writer = ContentWriter(omits_thinking=asked.omits_thinking)
        self._relay = Relay()
        self._opening = b""  # held until there is something behind it
        self._stopped: Stopped | None = None
        self.heartbeat = _PING

    def see(self, delta: OutcomeDelta) -> None:
        """Of interest are the upstream's own words, for its end or for everything."""
        if isinstance(delta, Native):
            self._relay.push(delta)
        elif isinstance(delta, Stopped):
            self._stopped = delta
        elif isinstance(delta, PagesFound):
            for url, title, _ in delta.pages:
                self._writer.entitle(url, title)

    def encode(self, batch: Sequence[events.Event]) -> bytes:
        """The blocks that these events write."""
        if self._relay.begun:
            self._relay.expect(calls_in(batch))
            return _handed_on(self._relay.take(seals_in(batch)))
        for event in batch:
            if isinstance(event, events.Created):
                self._opening = encode_event(self._start(event.response))
                self._relay.name(message_id(event.response.id), event.response.model)
            else:
                self._writer.write(event)
        return self._joined()

    def end(self, batch: Sequence[events.Event]) -> bytes:
        """The last blocks, and how it ended: with its stop reason and usage, or with an error."""
        data = self._rest(batch[:-1])
        last = batch[-1]
        if isinstance(last, events.Failed):
            return data + encode_event(ErrorEvent(problem_of(last.response.error), self._asked.request_id))
        if self._relay.begun:
            if isinstance(last, events.TERMINAL):
                data += _handed_on(self._relay.count(usage_of(last.response)))
            return data if self._relay.ended else data + encode_event(MessageStop())
        if isinstance(last, events.Completed | events.Incomplete):
            response = last.response
            stop = stop_of(response, stopped=self._stopped)
            delta = MessageDelta(stop, usage_of(response), self._asked.context_management)
            return data + encode_event(delta) + encode_event(MessageStop())
        return data

    def _rest(self, batch: Sequence[events.Event]) -> bytes:
        if self._relay.begun:
            self._relay.expect(calls_in(batch))
            return _handed_on(self._relay.take(seals_in(batch), all_of_it=True))
        data = self.encode(batch)
        return self._opened() + data

    def _start(self, response: Response) -> MessageStart:
        usage = UsageCounts(self._asked.input_tokens, 0, 0, 0)
        return MessageStart(MessageBody(message_id(response.id), response.model, usage))

    def _opened(self) -> bytes:
        opening, self._opening = self._opening, b""
        return opening

    def _joined(self) -> bytes:
        written = self._writer.take()
        if not written:
            return b""
        return self._opened() + b"".join(map(encode_event, written))


class MessagesAnswer:
    """One answer in one piece. Implements `dialects.base.AnswerEncoder`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._relay = Relay()
        self._titles: Mapping[str, str] = NO_TITLES
        self._stopped: Stopped | None = None

    def see(self, delta: OutcomeDelta) -> None:
        """As a stream does."""
        if isinstance(delta, Native):
            self._relay.push(delta)
        elif isinstance(delta, Stopped):
            self._stopped = delta
        elif isinstance(delta, PagesFound):
            self._titles = {**self._titles, **{url: title for url, title, _ in delta.pages}}

    def encode(self, response: Response) -> bytes:
        """The message."""
        if self._relay.begun:
            self._relay.name(message_id(response.id), response.model)
            self._relay.expect(calls_of(response.output))
            told = self._relay.take(seals_of(response.output), all_of_it=True)
            return fold([*told, *self._relay.count(usage_of(response))])
        stop = stop_of(response, stopped=self._stopped)
        message = MessageBody(
            message_id(response.id),
            response.model,
            usage_of(response),
            content=content_of(response.output, omits_thinking=self._asked.omits_thinking, titles=self._titles),
            stop_reason=stop.stop_reason,
            stop_sequence=stop.stop_sequence,
            stop_details=stop.stop_details,
            context_management=self._asked.context_management,
        )
        return _encode(message)


def _handed_on(raws: Iterable[Raw]) -> bytes:
    return b"".join(map(encode_raw, raws))
