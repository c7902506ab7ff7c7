"""Settings that change while the gateway serves: on SIGHUP, or, if it is to watch them, when their files change."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Never

from msgspec import Struct

from antiphon.config.load import DEFAULT_FILE
from antiphon.config.problems import ConfigError
from antiphon.config.settings import Settings

__all__ = ["Reload", "Reloader"]

_log = logging.getLogger(__name__)

#: A look is three system calls. A change is taken over when it is so old, so that nobody reads a file half written.
_LOOK_EVERY_S = 0.5


class Reload(Struct, frozen=True):
    """What a `Reloader` does.

    Attributes:
        load: reads and checks the settings. Raises `ConfigError`. Called in a thread.
        use: takes them over, and returns the names of those that need a restart. Raises `ConfigError`.
        told: called after each attempt: whether they were taken over.
    """

    load: Callable[[], Settings]
    use: Callable[[Settings], Awaitable[Sequence[str]]]
    told: Callable[[bool], None]


class Reloader:
    """Reads settings anew, one time after the other. What cannot be used is told in the log, and changes nothing."""

    def __init__(self, settings: Settings, how: Reload) -> None:
        self._settings = settings
        self._how = how
        self._asked = asyncio.Event()
        self._seen = self._state()
        self._used = self._seen

    def ask(self) -> None:
        """Read them once, soon. From the event loop's thread."""
        self._asked.set()

    async def run(self) -> Never:
        """Serve `ask`, and watch the files if `server.reload` says so, until cancelled."""
        while True:
            await self._wait()
            if self._asked.is_set() or self._is_due():
                self._asked.clear()
                await self._reload()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._asked.wait(), _LOOK_EVERY_S if self._settings.server.reload else None)
        except TimeoutError:
            return

    def _is_due(self) -> bool:
        """Whether the files have changed since they were read, and have not since the last look."""
        before, self._seen = self._seen, self._state()
        return self._seen == before != self._used

    async def _reload(self) -> None:
        self._used = self._seen = self._state()
        try:
            settings = await asyncio.to_thread(self._how.load)
            stay = await self._how.use(settings)
        except ConfigError as error:
            _log.error("the settings stay as they were, for what they are now cannot be used:\n%s", error)
            self._how.told(False)
            return
        self._settings = settings
        _log.info("the settings were read anew")
        if stay:
            _log.warning("these settings stay as they were until a restart: %s", ", ".join(stay))
        self._how.told(True)

    def _state(self) -> Sequence[object]:
        """What tells whether one of the files was written, replaced or deleted."""
        file = Path(self._settings.origin.file or DEFAULT_FILE)
        return [_stamp(path) for path in (file, file.parent / ".env", Path(".env"))]


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
