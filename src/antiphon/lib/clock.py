"""Time and identity from the operating system. The only module that asks for either; all others are handed these."""

import os
import time

__all__ = ["SystemClock", "SystemIds"]


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that only grow; for durations and deadlines."""
        return time.monotonic()

    def now(self) -> int:
        """UTC seconds since the epoch; for dates."""
        return int(time.time())


class SystemIds:
    """Identifiers nobody can guess."""

    def new_response_id(self) -> bytes:
        """A version 7 UUID (RFC 9562): 48 bits of milliseconds, 74 random bits."""
        stamp = time.time_ns() // 1_000_000
        noise = os.urandom(10)
        return b"".join(
            (
                stamp.to_bytes(6, "big"),
                bytes((0x70 | noise[0] & 0x0F, noise[1], 0x80 | noise[2] & 0x3F)),
                noise[3:],
            )
        )

    def new_call_id(self) -> str:
        """`call_` and 24 hex digits."""
        return "call_" + os.urandom(12).hex()

    def new_request_id(self) -> str:
        """`req_` and 24 hex digits."""
        return "req_" + os.urandom(12).hex()
