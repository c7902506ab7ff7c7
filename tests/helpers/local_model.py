"""The real local model for tests: its file, fetched once into the build cache, and a running server of it."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from antiphon.local.model import ensure_model
from antiphon.local.supervisor import LocalModel, LocalSettings

CACHE = Path(__file__).parents[2] / ".build" / "cache"


def local_model_path() -> Path:
    """The model file. The first test process that needs it fetches it, the others wait; later runs find it."""
    named = os.environ.get("ANTIPHON_LOCAL_MODEL")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return asyncio.run(ensure_model(CACHE, override=Path(named) if named else None))


@asynccontextmanager
async def running_local_model(settings: LocalSettings, *, wait: bool = True) -> AsyncIterator[LocalModel]:
    """A supervised model, ready unless `wait` is off; stopped at the end."""
    model = LocalModel(settings)
    task = asyncio.create_task(model.run())
    try:
        if wait:
            async with asyncio.timeout(60):
                await model.ready.wait()
        yield model
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def process_end(pid: int, *, timeout_s: float = 20.0) -> None:
    """Wait until the process has ended, whoever its parent is."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(watched, ended.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
