"""Time and identity from the operating system. The only module that asks for either; all others are handed these."""

import os
import time

#: Version and variant of such a UUID, and the bits that they leave to chance.
_UUID_7 = 0x7000_8000_0000_0000_0000
_UUID_NOISE = 0x0FFF_3FFF_FFFF_FFFF_FFFF

__all__ = ["SystemClock", "SystemIds"]


class SystemClock:
    """The machine's clocks."""

    #: Seconds that only grow; for durations and deadlines.
    monotonic = staticmethod(time.monotonic)

    def now(self) -> int:
        """UTC seconds since the epoch; for dates."""
        return int(time.time())


class SystemIds:
    """Identifiers nobody can guess. Random bytes come from the system in batches: each call there is a system call."""

    def __init__(self) -> None:
        self._noise = b""
        self._used = 0

    def _random(self, count: int) -> bytes:
        if self._used + count > len(self._noise):
            self._noise = os.urandom(4096)
            self._used = 0
        self._used += count
        return self._noise[self._used - count : self._used]

    def new_response_id(self) -> bytes:
        """A version 7 UUID (RFC 9562): 48 bits of milliseconds, 74 random bits."""
        noise = int.from_bytes(self._random(10), "big")
        return (time.time_ns() // 1_000_000 << 80 | _UUID_7 | noise & _UUID_NOISE).to_bytes(16, "big")

    def new_call_id(self) -> str:
        """`call_` and 24 hex digits."""
        return "call_" + self._random(12).hex()

    def new_request_id(self) -> str:
        """`req_` and 24 hex digits."""
        return "req_" + self._random(12).hex()
