"""SIGHUP tells a service that its settings have changed, and a program at a terminal that nobody is there any more."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["on_hangup"]


@contextmanager
def on_hangup(reload: Callable[[], None]) -> Iterator[None]:
    """Inside the block SIGHUP calls `reload`, in the event loop; with the terminal gone it is a SIGTERM.

    Windows has no such signal.
    """
    if sys.platform == "win32":
        yield
        return
    began_at_terminal = _has_terminal()

    def hung_up() -> None:
        if began_at_terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reload()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _has_terminal() -> bool:
    """A terminal that was closed is none any more."""
    try:
        return os.isatty(0)
    except OSError:
        return False
