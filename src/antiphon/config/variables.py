"""`${NAME}` and `${NAME:-default}` in strings. `$${` stands for a plain `${`."""

import re
from collections.abc import Mapping

__all__ = ["VariableError", "expand", "has_reference"]

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)(?P<end>\}?)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


class VariableError(ValueError):
    """A reference that cannot be resolved. The message says why, and holds no value."""


def has_reference(text: str) -> bool:
    """Whether `expand` has anything to do."""
    return "${" in text


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references replaced. As in a shell, a default also replaces an empty value.

    Raises:
        VariableError: for a variable that is not set and has no default, and for a malformed reference.
    """

    def replace(found: re.Match[str]) -> str:
        if found["inside"] is None:
            return "${"
        inside = _INSIDE.fullmatch(found["inside"])
        if inside is None or not found["end"]:
            raise VariableError(f"`{found[0][:40]}` is not of the form ${{NAME}} or ${{NAME:-default}}")
        value = environ.get(inside["name"])
        if inside["default"] is not None:
            return value or inside["default"][2:]
        if value is None:
            raise VariableError(f"environment variable {inside['name']} is not set")
        return value

    return _REFERENCE.sub(replace, text)
