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

    __slots__ = ("_failed", "_known", "_locks")

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}
        self._failed: dict[tuple[str, int], tuple[float, tuple[object, ...]]] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def find(self, host: str, port: int) -> Sequence[Address]:
        """At least one address; those of a name for 10 seconds the same.

        Raises `OSError` or `UnicodeError` when there are none; whoever waited for the same look-up shares its end.
        One that is cancelled goes on in its thread and is ignored, and the next that waits asks again.
        """
        if (literal := _literal(host, port)) is not None:
            return [literal]
        key = (host, port)
        time = asyncio.get_running_loop().time
        began = time()
        async with self._locks.setdefault(key, asyncio.Lock()):
            until, found = self._known.get(key, (0.0, ()))
            if time() < until:
                return found
            if key in self._failed and self._failed[key][0] >= began:  # while this one waited
                raise socket.gaierror(*self._failed[key][1])
            try:
                found = await _ask_system(host, port)
            except socket.gaierror as error:
                self._failed[key] = (time(), error.args)
                raise
            self._known[key] = (time() + _KEPT_S, found)
            return found

    def forget(self, host: str, port: int) -> None:
        """Its addresses were of no use: ask again next time."""
        self._known.pop((host, port), None)


async def _ask_system(host: str, port: int) -> Sequence[Address]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)  # type: ignore[return-value]  # no address without a port


def _literal(host: str, port: int) -> Address | None:
    for family, address in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
    return None
