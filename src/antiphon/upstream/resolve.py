"""Names of providers become addresses, once for all connections that are made at the same time."""

import asyncio
import socket
from collections.abc import Sequence

__all__ = ["Address", "Resolver"]

#: What `getaddrinfo` gives: family, kind, protocol, name, address.
Address = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]

#: Long enough for a burst of new connections, too short to miss that a name has moved.
_KEPT_S = 10.0


class Resolver:
    """Asks the operating system. Names come from the configuration, so what is kept stays small."""

    __slots__ = ("_known", "_locks")

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def find(self, host: str, port: int) -> Sequence[Address]:
        """At least one address; those of a name for 10 seconds the same.

        Raises `OSError` or `UnicodeError` when there are none. A look-up that is cancelled goes on in its thread and
        is ignored; others that wait for the same name then ask again.
        """
        if (literal := _literal(host, port)) is not None:
            return [literal]
        key = (host, port)
        async with self._locks.setdefault(key, asyncio.Lock()):
            loop = asyncio.get_running_loop()
            until, found = self._known.get(key, (0.0, ()))
            if loop.time() >= until:
                flags = socket.AI_ADDRCONFIG
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)  # type: ignore[assignment]  # no address without a port
                self._known[key] = (loop.time() + _KEPT_S, found)
            return found

    def forget(self, host: str, port: int) -> None:
        """Its addresses were of no use: ask again next time."""
        self._known.pop((host, port), None)


def _literal(host: str, port: int) -> Address | None:
    for family, address in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
    return None
