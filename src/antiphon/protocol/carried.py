"""What a provider wants back with a message, for clients that keep the history themselves.

A message has no field for it. So it is handed out in a thought without words, right behind its message, and finds the
message again by standing there. Only the gateway can tell such a thought from others: by how its payload begins.
"""

__all__ = ["carried", "carry"]

#: Payloads of codecs are JSON, which never begins so.
_MARK = b"\x00antiphon.message\x00"


def carry(payload: bytes) -> bytes:
    """The payload of the thought that carries a message's."""
    return _MARK + payload


def carried(payload: bytes | None) -> bytes | None:
    """The message's payload; `None` for every other thought's."""
    return payload[len(_MARK) :] if payload is not None and payload.startswith(_MARK) else None
