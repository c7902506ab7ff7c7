"""Events and resources to bytes for the client."""

from collections.abc import Sequence

import msgspec

from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.events import Event, event_type
from antiphon.protocol.response import Response

__all__ = ["ResponsesAnswer", "ResponsesStream", "encode_event", "encode_response"]

#: The end marker: demanded by Open Responses, harmless to OpenAI's clients.
_DONE = b"data: [DONE]\n\n"

#: A comment: keeps proxies and clients awake, is no event and has no number.
_HEARTBEAT = b": keep-alive\n\n"

_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """One whole server-sent event; the `event:` line repeats the JSON's `type`."""
    return b"event: %b\ndata: %b\n\n" % (_names[type(event)], _encode(event))


def encode_response(response: Response) -> bytes:
    """The resource as JSON."""
    return _encode(response)


class ResponsesStream:
    """Implements `dialects.base.StreamEncoder`. The events are this dialect's own, so there is nothing to remember."""

    __slots__ = ()

    heartbeat = _HEARTBEAT

    def see(self, delta: OutcomeDelta) -> None:
        """The events tell it."""

    def encode(self, batch: Sequence[Event]) -> bytes:
        """Event after event."""
        if len(batch) == 1:  # nearly always; a call less for each token
            event = batch[0]
            return b"event: %b\ndata: %b\n\n" % (_names[type(event)], _encode(event))
        return b"".join(map(encode_event, batch))

    def end(self, batch: Sequence[Event]) -> bytes:
        """The last events and the end marker."""
        return b"".join(map(encode_event, batch)) + _DONE


class ResponsesAnswer:
    """Implements `dialects.base.AnswerEncoder`."""

    __slots__ = ()

    def see(self, delta: OutcomeDelta) -> None:
        """The response tells it."""

    def encode(self, response: Response) -> bytes:
        """The resource as JSON."""
        return _encode(response)


class _Names(dict[type[Event], bytes]):
    """The names of event classes; those of upstreams' own events come and go, so they are not remembered."""

    def __missing__(self, kind: type[Event]) -> bytes:
        return event_type(kind).encode()


_names = _Names({kind: event_type(kind).encode() for kind in Event.__args__ if hasattr(kind, "__struct_config__")})
