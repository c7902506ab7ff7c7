"""Sockets that somebody else has opened: the process whose place this one takes, or systemd."""

import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

__all__ = ["VARIABLE", "Heirloom", "Inheritance", "inherit"]

#: Tells a new process what it inherits.
VARIABLE = "ANTIPHON_TAKEOVER"

#: systemd's first descriptor (sd_listen_fds(3)).
_FIRST_FD = 3


class Heirloom(Struct, frozen=True):
    """What one process leaves to the next.

    Attributes:
        host, port: as they were configured. Who is configured otherwise has no use for the sockets.
        sockets: descriptors.
        ready: descriptor of a pipe. A byte in it says that the new process serves; its end, that it never will.
    """

    host: str
    port: int
    sockets: tuple[int, ...]
    ready: int


class Inheritance:
    """The sockets that are there already, if any, and whom to tell when they are made use of."""

    def __init__(self, sockets: Sequence[socket.socket] = (), *, heirloom: Heirloom | None = None) -> None:
        self._sockets = sockets
        self._heirloom = heirloom

    def sockets_for(self, host: str, port: int) -> Sequence[socket.socket]:
        """The sockets, if they are meant for this address. Those of systemd are, whatever the settings say."""
        before = self._heirloom
        if before is not None and (before.host, before.port) != (host, port):
            for each in self._sockets:
                each.close()
            return ()
        return self._sockets

    def tell_ready(self) -> None:
        """Whoever waits for it may end now. One that does not wait any more has ended."""
        if self._heirloom is not None:
            with suppress(OSError):
                os.write(self._heirloom.ready, b"1")
            os.close(self._heirloom.ready)


def inherit(environ: MutableMapping[str, str]) -> Inheritance:
    """What this process was given. Takes it out of the environment, or its children would believe that it is theirs."""
    said = environ.pop(VARIABLE, "")
    by_systemd = environ.get("LISTEN_PID") == str(os.getpid())
    count = int(environ.get("LISTEN_FDS", "0")) if by_systemd else 0
    if by_systemd:
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            environ.pop(name, None)
    if said:
        heirloom = msgspec.json.decode(said, type=Heirloom)
        os.set_inheritable(heirloom.ready, False)
        return Inheritance([_own(each) for each in heirloom.sockets], heirloom=heirloom)
    return Inheritance([_own(_FIRST_FD + number) for number in range(count)])


def _own(descriptor: int) -> socket.socket:
    made = socket.socket(fileno=descriptor)
    made.set_inheritable(False)
    return made
