"""Single values: text and its YAML tag to a checked value of the type that a setting has."""

import math
from pathlib import Path

import yaml
from msgspec import inspect

from antiphon.config.checks import CHECKS
from antiphon.config.describe import describe_type
from antiphon.config.secret import Secret

__all__ = ["Unacceptable", "truth", "value_of"]

_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0"})
_TEXT_TAGS = frozenset({"str", "timestamp"})


class Unacceptable(ValueError):  # noqa: N818 - reads as what it says: this value is
    """The value does not fit. The message says what would be accepted, never what was found."""


def truth(text: str) -> bool | None:
    """On or off, in any of the usual words; `None` for anything else."""
    word = text.strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def value_of(kind: inspect.Type, text: str, *, tag: str, check: str | None, base: Path) -> object:
    """The value behind one scalar.

    Args:
        kind: the setting's type, without its wrapping.
        text: the scalar's text, references replaced.
        tag: YAML's opinion of what it is; empty when nobody has one (environment, `${…}`): then any form goes.
        check: name of a format in `checks`.
        base: folder that relative paths start from.

    Raises:
        Unacceptable: with what would be accepted.
    """
    value = _parse(kind, text, tag=tag, base=base)
    if check is not None and not CHECKS[check].passes(str(value) if isinstance(value, Path) else text):
        raise Unacceptable(CHECKS[check].accepted)
    return value


def _parse(kind: inspect.Type, text: str, *, tag: str, base: Path) -> object:
    value: object
    match kind:
        case inspect.BoolType():
            value = truth(text) if tag in ("bool", "") else None
        case inspect.IntType() | inspect.FloatType():
            value = _number(kind, text, tag=tag)
        case inspect.LiteralType():
            value = text if text in kind.values else None
        case _:
            return _text(kind, text, tag=tag, base=base)
    if value is None:
        raise Unacceptable(describe_type(kind))
    return value


def _text(kind: inspect.Type, text: str, *, tag: str, base: Path) -> object:
    if tag and tag not in _TEXT_TAGS:
        raise Unacceptable(f"{describe_type(kind)} (put it in quotes)" if tag != "null" else describe_type(kind))
    if isinstance(kind, inspect.CustomType):
        if not text:
            raise Unacceptable(f"{describe_type(kind)} that is not empty")
        return Secret(text) if kind.cls is Secret else base / Path(text).expanduser()
    if isinstance(kind, inspect.StrType) and len(text) < (kind.min_length or 0):
        raise Unacceptable(f"{describe_type(kind)} that is not empty")
    return text


def _number(kind: inspect.IntType | inspect.FloatType, text: str, *, tag: str) -> float | None:
    number = _parse_number(text, tag=tag, whole=isinstance(kind, inspect.IntType))
    if number is None or not math.isfinite(number):
        return None
    too_low = (kind.ge is not None and number < kind.ge) or (kind.gt is not None and number <= kind.gt)
    return None if too_low or (kind.le is not None and number > kind.le) else number


def _parse_number(text: str, *, tag: str, whole: bool) -> float | None:
    """YAML's own reading of a number where it saw one (`1_000`, `0x10`), else Python's."""
    node = yaml.ScalarNode(tag, text)
    try:
        if tag == "int":
            number = int(yaml.SafeLoader("").construct_yaml_int(node))
            return number if whole else float(number)
        if tag == "float":
            return None if whole else float(yaml.SafeLoader("").construct_yaml_float(node))
        if tag == "":
            return int(text) if whole else float(text)
    except (ValueError, OverflowError):
        return None
    return None
