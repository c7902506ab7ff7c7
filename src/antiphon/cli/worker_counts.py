"""What all workers have counted, also those that are gone: a counter that falls would look like a new start."""

from collections import Counter
from collections.abc import Sequence

from antiphon.edge.metrics import Family, Sample, accumulating, total

__all__ = ["WorkerCounts"]


class WorkerCounts:
    """The sum over all processes, of what each told last. Bounded by what one of them counts, times their number."""

    def __init__(self) -> None:
        self._told: dict[int, Sequence[Family]] = {}
        self._gone: Sequence[Family] = ()
        self._restarts = 0
        self._reloads: Counter[str] = Counter()

    def note(self, pid: int, families: Sequence[Family]) -> None:
        """This process has counted so much."""
        self._told[pid] = families

    def forget(self, pid: int) -> None:
        """This process has ended."""
        self._gone = total(self._gone, accumulating(self._told.pop(pid, ())))

    def replaced(self) -> None:
        """A process that died gets a successor."""
        self._restarts += 1

    def reloaded(self, taken_over: bool) -> None:
        """The settings were read anew, once for all processes."""
        self._reloads["ok" if taken_over else "refused"] += 1

    def total(self) -> Sequence[Family]:
        """All of it."""
        results = tuple(
            Sample("antiphon_reloads_total", ("result", result), count) for result, count in self._reloads.items()
        )
        own = [
            Family("antiphon_reloads", "Times that the settings were read anew, by result.", "counter", results),
            Family(
                "antiphon_worker_restarts",
                "Processes that died and were replaced.",
                "counter",
                (Sample("antiphon_worker_restarts_total", (), self._restarts),),
            ),
        ]
        return total(own, self._gone, *self._told.values())
