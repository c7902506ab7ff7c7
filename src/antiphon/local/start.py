"""From the settings to a local model that listens."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from antiphon.config.settings import Settings
from antiphon.local.model import LocalModelError, Progress, ensure_model
from antiphon.local.supervisor import LocalModel
from antiphon.local.supervisor import LocalSettings as LocalProcess

__all__ = ["first_breath", "local_model"]

_log = logging.getLogger(__name__)
_START_S = 10.0


async def local_model(settings: Settings, *, progress: Progress) -> LocalModel | None:
    """The local model, to be `run`; or nothing when it is off or cannot be had: other providers still work.

    Fetches it where it is not there yet. Cancelling stops that.
    """
    local = settings.local
    if not local.enabled:
        return None
    try:
        path = await ensure_model(settings.data_path, override=local.model, progress=progress)
    except LocalModelError as error:
        _log.warning("%s", error)
        return None
    process = LocalProcess(path, slots=local.slots, threads=local.threads, tame=local.model is None)
    if local.context is not None:
        process = replace(process, context=local.context * local.slots)
    return LocalModel(process)


async def first_breath(local: LocalModel) -> None:
    """Let the local model come up before the first request: it takes under a second. A broken one is not waited for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while not local.ready.is_set() and local.failure is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(local.ready.wait(), 0.1)
