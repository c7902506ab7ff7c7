"""Arguments of a call that come one by one, each with a path to where it belongs (JSON Path, RFC 9535)."""

import re
from itertools import pairwise

import msgspec
from msgspec import UNSET

from antiphon.providers.gemini.chunks import PartialArg

__all__ = ["PartialArgs", "PartialArgsError"]

_Step = str | int

_STEP = re.compile(r"""\.([^.\[\]"']+)|\[(\d{1,6})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DEEPEST = 64
#: A list is filled in order; more than this many places at once are skipped by no model.
_LONGEST_GAP = 1000


class PartialArgsError(ValueError):
    """A piece that fits nowhere."""


class _Text:
    """A string that may still grow."""

    __slots__ = ("pieces",)

    def __init__(self, piece: str) -> None:
        self.pieces = [piece]


class PartialArgs:
    """The arguments of one call."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str, object] = {}

    def add(self, piece: PartialArg) -> None:
        """Take a piece. Strings that come in several pieces are joined.

        Raises:
            PartialArgsError: a path that cannot be read or followed.
        """
        value = _value(piece)
        if value is UNSET:
            return  # only announces the argument
        steps = _steps(piece.json_path)
        node: object = self._root
        for step, following in pairwise(steps):
            node = _into(node, step, following)
        _put(node, steps[-1], value)

    def seed(self, arguments: dict[str, object]) -> None:
        """Arguments that came whole."""
        self._root.update(arguments)

    def json(self) -> str:
        """All arguments so far."""
        return msgspec.json.encode(self._root, enc_hook=_written).decode()


def _value(piece: PartialArg) -> object:
    if piece.string_value is not None:
        return _Text(piece.string_value)
    if piece.number_value is not None:
        return piece.number_value
    if piece.bool_value is not None:
        return piece.bool_value
    return UNSET if piece.null_value is UNSET else None


def _steps(path: str) -> list[_Step]:
    if path[:1] != "$" or len(path) < 2:
        raise PartialArgsError(f"path {path[:80]!r}")
    steps: list[_Step] = []
    place = 1
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None or len(steps) == _DEEPEST:
            raise PartialArgsError(f"path {path[:80]!r}")
        name, number, single, double = match.groups()
        if number is not None:
            steps.append(int(number))
        elif name is not None:
            steps.append(name)
        else:
            steps.append(_ESCAPE.sub(_unescaped, single if single is not None else double))
        place = match.end()
    if not isinstance(steps[0], str):
        raise PartialArgsError("the arguments are no list")
    return steps


def _unescaped(match: re.Match[str]) -> str:
    escape = match.group(1)
    if len(escape) == 5:
        letter = chr(int(escape[1:], 16))
        return "\ufffd" if "\ud800" <= letter <= "\udfff" else letter
    return _CONTROLS.get(escape, escape)


def _into(node: object, step: _Step, following: _Step) -> object:
    """What stands at a step, made if nothing does."""
    found = _at(node, step)
    if found is None:
        fresh: object = {} if isinstance(following, str) else []
        _put(node, step, fresh)
        return fresh
    return found


def _at(node: object, step: _Step) -> object:
    if isinstance(node, dict) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int):
        return node[step] if step < len(node) else None
    raise PartialArgsError(f"no place for {str(step)[:80]!r}")


def _put(node: object, step: _Step, value: object) -> None:
    have = _at(node, step)
    if isinstance(have, _Text) and isinstance(value, _Text):
        have.pieces += value.pieces
    elif isinstance(node, dict):
        node[step] = value
    elif isinstance(node, list) and isinstance(step, int):
        if step > len(node) + _LONGEST_GAP:
            raise PartialArgsError("a gap in a list")
        node.extend([None] * (step + 1 - len(node)))
        node[step] = value


def _written(text: _Text) -> str:
    """For the encoder, which asks about nothing else: all other values are JSON's own."""
    return "".join(text.pieces)
