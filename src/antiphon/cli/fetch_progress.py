"""How far the fetch of the local model is, as a first start shows it."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

__all__ = ["FetchProgress"]

_MB = 1_000_000


class FetchProgress:
    """A progress bar that appears when there is something to wait for; one line where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar.live.is_started:
            self._bar.stop()

    def report(self, phase: str, done: int, total: int) -> None:
        """One step of the local model's fetch, in bytes."""
        if not self._console.is_terminal:
            if not self._phase:
                self._console.print(f"Fetching the local model ({round(total / _MB)} MB), once ...", highlight=False)
            self._phase = phase
            return
        if phase != self._phase:
            self._phase = phase
            self._bar.start()
            if self._task is not None:
                self._bar.update(self._task, visible=False)
            self._task = self._bar.add_task(f"local model: {phase}", total=total or None)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)
        if phase == "unpack" and done >= total:
            self.stop()  # before anything is logged into the line of the bar
