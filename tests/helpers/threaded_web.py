"""A `SmallWeb` on a loop of its own in a thread, for tests that block."""

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from tests.helpers.web import SmallWeb, small_web

_WAIT_S = 20.0


class ThreadedWeb:
    """Use as a context manager. `web` may be looked at and added to from any thread."""

    web: SmallWeb

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="small-web")
        self._context: AbstractAsyncContextManager[SmallWeb] = small_web()

    def __enter__(self) -> Self:
        self._thread.start()
        self.web = asyncio.run_coroutine_threadsafe(self._context.__aenter__(), self._loop).result(_WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._context.__aexit__(None, None, None), self._loop).result(_WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_until_left(self, timeout_s: float) -> None:
        """Until somebody who asked has gone away."""
        asyncio.run_coroutine_threadsafe(self.web.left.wait(), self._loop).result(timeout_s)

    def wait_until_asked(self, timeout_s: float) -> None:
        """Until the first request is here."""
        asyncio.run_coroutine_threadsafe(self.web.arrived.wait(), self._loop).result(timeout_s)
