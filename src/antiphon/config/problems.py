"""What is wrong with a configuration: every problem with its place, all of them told at once."""

from collections.abc import Iterable

from msgspec import Struct

__all__ = ["ConfigError", "KeyPath", "Problem", "show_path"]

#: The way to a value: names of keys and positions in lists.
KeyPath = tuple[str | int, ...]


class Problem(Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        place: `antiphon.yaml:12`, or the name of an environment variable; empty when it came from nowhere.
        path: the key at fault.
        message: what is wrong and what would be accepted. Never a secret.
    """

    place: str
    path: KeyPath
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, show_path(self.path), self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. Its text is one line per problem, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def show_path(path: KeyPath) -> str:
    """A path as people write it: `providers.vllm.models[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
