"""What this process may use of its machine: files and memory."""

import os
import sys
from pathlib import Path

__all__ = ["memory_bytes", "raise_file_limit"]

#: More would not be used, and where there is no limit at all it has to end somewhere.
_MOST_FILES = 1_048_576
#: What a process has where nothing is known of it, as on Windows.
_USUAL_FILES = 8192
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def raise_file_limit() -> int:
    """Let this process open as many files as it may ever, and say how many these are.

    The soft limit is 1,024 on most systems, for the sake of programs from the time of `select`.
    """
    if sys.platform == "win32":
        return _USUAL_FILES
    import resource  # noqa: PLC0415 - not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft >= most:
        return min(soft, _MOST_FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):  # the kernel's own limit is lower than what it tells
        return _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return most


def memory_bytes() -> int:
    """What all processes here may take together: the machine's memory, or the container's share of it."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [1 << 32]
    for name in _CGROUP_LIMITS:
        file = Path(name)
        if file.exists() and (text := file.read_text("ascii").strip()).isdigit():
            sizes.append(int(text))
    return min(sizes)
