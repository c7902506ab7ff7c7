"""What was read a moment ago: least recently used first out, nothing older than its time, no tenant sees another's."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from antiphon.protocol.records import Tenant

__all__ = ["TenantCache"]

T = TypeVar("T")


class TenantCache(Generic[T]):
    """At most `max_bytes` over all tenants, as `put` is told; what is larger than a quarter of that is not kept.

    `monotonic` tells seconds that only grow.
    """

    def __init__(self, *, max_bytes: int, keep_s: float, monotonic: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str], tuple[float, int, T]] = OrderedDict()

    def get(self, tenant: Tenant, key: str) -> T | None:
        """The value, if it is there and young enough."""
        place = (tenant.id, key)
        found = self._kept.get(place)
        if found is None:
            return None
        if self._monotonic() - found[0] > self._keep_s:
            self._drop(place)
            return None
        self._kept.move_to_end(place)
        return found[2]

    def put(self, tenant: Tenant, key: str, value: T, *, size: int) -> None:
        """Keep it, in place of what was there and of what was used least recently."""
        place = (tenant.id, key)
        if place in self._kept:
            self._drop(place)
        if size > self._max_bytes // 4:
            return
        self._kept[place] = (self._monotonic(), size, value)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: tuple[str, str]) -> None:
        self._bytes -= self._kept.pop(place)[1]
