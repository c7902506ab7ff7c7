"""A lock between processes that share a directory."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["alone_in"]


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """For processes that start at once: one after the other. Blocks.

    The lock goes with the process, however that ends, and leaves no file behind. Windows has none; there nobody starts
    several at once.
    """
    if sys.platform == "win32":
        yield
        return
    held = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
