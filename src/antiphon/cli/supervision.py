"""What systemd is told (sd_notify(3)): that the service is ready, and which of its processes is the main one."""

import os
import socket
from contextlib import suppress

__all__ = ["tell_systemd"]


def tell_systemd(state: str) -> None:
    """Say it where somebody listens; `READY=1`, `MAINPID=123`. Without systemd it is no one's business."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(state.encode(), address)
