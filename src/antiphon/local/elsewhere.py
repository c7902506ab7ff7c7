"""A local model that another process of this gateway runs."""

import asyncio

from antiphon.protocol.target import Secret

__all__ = ["ModelElsewhere"]


class ModelElsewhere:
    """Looks like a `LocalModel` that is running. Whoever runs it tells how it is with `tell`."""

    def __init__(self, *, base_url: str, api_key: Secret, context: int) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self.context = context
        self.ready = asyncio.Event()
        self.failure: str | None = None

    def tell(self, *, ready: bool, failure: str | None) -> None:
        """How it is now."""
        self.failure = failure
        if ready:
            self.ready.set()
        else:
            self.ready.clear()
