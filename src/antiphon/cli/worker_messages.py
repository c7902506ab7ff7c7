"""What a parent and its workers say to each other: lines of JSON, over a worker's stdin and stdout."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from antiphon.cli.overrides import Overrides
from antiphon.edge.metrics import Family

__all__ = [
    "LINE_BYTES",
    "Asked",
    "Begin",
    "Change",
    "Counted",
    "FromParent",
    "FromWorker",
    "Model",
    "ModelState",
    "Ready",
    "Retire",
    "Totals",
    "line",
]

#: The longest line: settings, or metrics, are far below.
LINE_BYTES = 64 * 1024 * 1024


class Model(Struct, frozen=True):
    """Where the local model is. Its key travels here because arguments and environments can be read by others."""

    base_url: str
    api_key: str
    context: int


class Begin(Struct, frozen=True, kw_only=True, tag=True):
    """The first thing that a worker hears.

    Attributes:
        number: the worker's own, from 1 on.
        files: the texts that the settings are made of, so that all workers have the same, now and later.
        first_files: those that the parent began with. What cannot change while it lives is as they say.
        sockets: descriptors of the sockets that listen, or will.
    """

    number: int
    file: str
    files: Mapping[str, str]
    first_files: Mapping[str, str]
    overrides: Overrides
    sockets: tuple[int, ...]
    model: Model | None


class Change(Struct, frozen=True, tag=True):
    """Serve with these settings from now on."""

    files: Mapping[str, str]


class ModelState(Struct, frozen=True, tag=True):
    """How the local model is."""

    ready: bool
    failure: str | None


class Totals(Struct, frozen=True, tag=True):
    """What all have counted: the answer to `Asked`."""

    families: Sequence[Family]


class Retire(Struct, frozen=True, tag=True):
    """Others have the sockets now: take no more connections, serve those that there are for a while, and end."""

    patience_s: float


class Ready(Struct, frozen=True, tag=True):
    """The worker takes connections."""


class Counted(Struct, frozen=True, tag=True):
    """What the worker has counted up to now."""

    families: Sequence[Family]


class Asked(Struct, frozen=True, tag=True):
    """The same, and what have all counted?"""

    families: Sequence[Family]


FromParent = Begin | Change | ModelState | Totals | Retire
FromWorker = Ready | Counted | Asked


def line(message: FromParent | FromWorker) -> bytes:
    """As it is sent."""
    return msgspec.json.encode(message) + b"\n"
