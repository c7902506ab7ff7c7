"""What is written to connections within one turn of the event loop leaves together at its end.

To write to somebody who sleeps wakes them, and that costs the writer more than the write: on a virtual machine most of
what a refusal costs. Those who wait on the same machine, as a proxy in front of us does, are woken by the first write
and find the others there.
"""

import asyncio
from collections import deque

__all__ = ["Outbox"]


class Outbox:
    """Of one server, or of one client. Used from the event loop's thread only.

    Who closes a connection politely has to `flush` before. Holds no more than one turn can write; a connection whose
    far side reads slowly is paused by its transport as ever.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[tuple[asyncio.Transport, bytes]] = deque()

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write it at the end of this turn, in the order of the calls."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write everything now. What was meant for a connection that is closed meanwhile is dropped."""
        waiting = self._waiting
        try:
            while waiting:
                transport, data = waiting.popleft()
                if not transport.is_closing():
                    transport.write(data)
        finally:
            if waiting:  # one of them failed, which is not the fault of the others
                asyncio.get_running_loop().call_soon(self.flush)
