"""The signals by which an operator speaks to a gateway that serves, beside those that end it.

SIGHUP tells a service that its settings have changed, and a program at a terminal that nobody is there any more.
SIGUSR2 asks it to let a new process take over. Windows has neither.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["on_signals"]


@contextmanager
def on_signals(*, reload: Callable[[], None], take_over: Callable[[], None]) -> Iterator[None]:
    """Inside the block SIGHUP calls `reload` and SIGUSR2 `take_over`, in the event loop.

    With the terminal gone SIGHUP is a SIGTERM.
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
    loop.add_signal_handler(signal.SIGUSR2, take_over)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        loop.remove_signal_handler(signal.SIGUSR2)


def _has_terminal() -> bool:
    """A terminal that was closed is none any more."""
    try:
        return os.isatty(0)
    except OSError:
        return False
