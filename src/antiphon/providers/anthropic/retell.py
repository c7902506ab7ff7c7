"""An answer in one piece as the events that would have told it, for a client of the same dialect."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from antiphon.protocol.deltas import Native

__all__ = ["retell"]

_KNOWN_AT_THE_END = frozenset({"stop_reason", "stop_sequence", "stop_details"})
_NOT_TOLD_AGAIN = frozenset({"type", "id", "model", "role", "content", "usage"})

_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def retell(body: bytes, content: Sequence[Raw], *, seals: Sequence[int]) -> list[Native]:
    """The events. `seals`: how many there are in each block, and at last in the end."""
    fields = _fields.decode(body)
    begun = {name: None if name in _KNOWN_AT_THE_END else value for name, value in fields.items()}
    told = [_event(type="message_start", message={**begun, "content": []})]
    for index, block in enumerate(content):
        told.append(_event(type="content_block_start", index=index, content_block=block))
        told.append(_event(seals[index], type="content_block_stop", index=index))
    end = {name: value for name, value in fields.items() if name not in _NOT_TOLD_AGAIN}
    counts = {"usage": fields["usage"]} if "usage" in fields else {}
    return [*told, _event(seals[-1], type="message_delta", delta=end, **counts)]


def _event(seals: int = 0, **fields: object) -> Native:
    return Native(Raw(_encode(fields)), seals)
