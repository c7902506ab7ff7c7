"""The sockets that clients connect to: made before anything else, so that they can be kept, shared and handed on."""

import errno
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import click

__all__ = ["bind"]


def bind(host: str, port: int) -> Sequence[socket.socket]:
    """A socket for every address of `host`, bound and not listening yet. With port 0 all have the same free one.

    Raises `ClickException`: now, not after a download, an operator wants to know that the port is taken.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while ")[0].lower()
        raise click.ClickException(
            f"Cannot listen on {host} port {port}: {reason}. "
            "Choose another with --port or --host, ANTIPHON_PORT, or `server.port` in antiphon.yaml."
        ) from error


def _bound(host: str, port: int) -> Sequence[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((each[0], each[4]) for each in found))
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as undo:
        for family, (name, _, *rest) in addresses:
            try:
                made = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                _prepare(made)
                made.bind((name, port, *rest))
            except OSError as error:
                # `localhost` may be two addresses, of which this machine has one.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or len(addresses) == 1:
                    raise
                missing = error
                continue
            port = made.getsockname()[1]
            sockets.append(made)
        if missing is not None and not sockets:
            raise missing
        undo.pop_all()
    return sockets


def _prepare(made: socket.socket) -> None:
    if sys.platform != "win32":  # where it would let two processes take the same port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
