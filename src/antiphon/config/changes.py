"""What of the settings can change while the process lives, and what cannot."""

from collections.abc import Sequence
from functools import reduce

from msgspec import structs

from antiphon.config.problems import show_path
from antiphon.config.settings import Settings

__all__ = ["FIXED", "with_fixed"]

#: Holds as long as the process: sockets, files and processes were opened with it.
FIXED: Sequence[tuple[str, ...]] = (
    ("server", "host"),
    ("server", "port"),
    ("server", "workers"),
    ("server", "drain_s"),
    ("server", "forwarded_allow_ips"),
    ("server", "access_log"),
    ("store", "url"),
    ("store", "synchronous"),
    ("local",),
    ("data_dir",),
)


def with_fixed(old: Settings, new: Settings) -> tuple[Settings, Sequence[str]]:
    """`new`, but with what needs a restart as it is in `old`; and the names of those settings that differ."""
    differing = [path for path in FIXED if _at(old, path) != _at(new, path)]
    for section, *rest in differing:
        value = getattr(old, section)
        if rest:
            value = structs.replace(getattr(new, section), **{rest[0]: getattr(value, rest[0])})
        new = structs.replace(new, **{section: value})
    return new, [show_path(path) for path in differing]


def _at(settings: Settings, path: tuple[str, ...]) -> object:
    found: object = reduce(getattr, path, settings)
    return found
