"""Where settings came from: remembered so that a later check can still name the file and the line."""

from collections.abc import Mapping
from typing import final

from antiphon.config.problems import KeyPath, Problem

__all__ = ["Origin"]


@final
class Origin:
    """The file, the line of every key in it, and the environment. Never shows the environment, which holds keys.

    Attributes:
        file: as the operator named it; empty when there was no file.
        environ: the environment with what `.env` files added.
        files: the texts that were read, by their paths. They may hold keys too.
    """

    __slots__ = ("_lines", "environ", "file", "files")

    def __init__(
        self,
        file: str = "",
        lines: Mapping[KeyPath, int] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.file = file
        self.files: Mapping[str, str] = files or {}
        self.environ: Mapping[str, str] = environ or {}
        self._lines = lines or {}

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the value at that path, at its line or at that of the nearest key above it."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return Problem(f"{self.file}:{line}", path, message)
        return Problem(self.file, path, message)

    def __repr__(self) -> str:
        return f"Origin({self.file!r})"
