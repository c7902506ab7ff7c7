"""Events and resources to bytes for the client."""

import msgspec

from antiphon.protocol.events import Event
from antiphon.protocol.response import Response

__all__ = ["DONE", "HEARTBEAT", "encode_event", "encode_response"]

#: The end marker: demanded by Open Responses, harmless to OpenAI's clients.
DONE = b"data: [DONE]\n\n"

#: A comment: keeps proxies and clients awake, is no event and has no number.
HEARTBEAT = b": keep-alive\n\n"

_encoder = msgspec.json.Encoder()


def encode_event(event: Event) -> bytes:
    """One whole server-sent event; the `event:` line repeats the JSON's `type`."""
    return b"event: %b\ndata: %b\n\n" % (_names[type(event)], _encoder.encode(event))


def encode_response(response: Response) -> bytes:
    """The resource as JSON."""
    return _encoder.encode(response)


_names: dict[type[Event], bytes] = {
    kind: str(kind.__struct_config__.tag).encode() for kind in Event.__args__ if hasattr(kind, "__struct_config__")
}
