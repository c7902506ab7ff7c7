"""Tasks with an owner."""

import asyncio
from collections.abc import Awaitable
from typing import Self

__all__ = ["Background"]


class Background:
    """Tasks that live as long as the block; cancelled and awaited at its end. One that fails ends the block."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    def start(self, work: Awaitable[None]) -> None:
        """Run this until the end."""
        self._tasks.append(self._group.create_task(_awaited(work)))

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)


async def _awaited(work: Awaitable[None]) -> None:
    await work
