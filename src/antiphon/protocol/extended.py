"""Fields that nobody here knows, carried along: a struct with more fields than its type has.

An upstream that speaks Responses may put anything into its events and items. A value with such fields is an instance of
a subclass, made for just these names: it is written with all of them, and everybody else sees the type that they know.
"""

import re
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

from msgspec import Raw, Struct

__all__ = ["extended", "extras"]

T = TypeVar("T", bound=Struct)

_PREFIX = "extra_"
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def extended(value: T, fields: Mapping[str, Raw], *, tag: str | None = None) -> T:
    """The value with these fields behind its own; `structs.replace` keeps them. `tag` gives it another `type`.

    Its own fields win over those of the same name. Names that JSON would have to escape cannot be carried: they are
    left out.
    """
    if not fields and tag is None:
        return value
    kind: type[T] = type(value)
    own = {name: getattr(value, name) for name in kind.__struct_fields__ if not name.startswith(_PREFIX)}
    if len(own) < len(kind.__struct_fields__):  # extended once more
        fields = {**extras(value), **fields}
        tag = tag or str(kind.__struct_config__.tag)
        base: type[T] = kind.__bases__[0]
        kind = base
    taken = (*kind.__struct_encode_fields__, kind.__struct_config__.tag_field)
    fields = {name: field for name, field in fields.items() if name not in taken and not _ESCAPED.search(name)}
    wide: type[T] = _subclass(kind, tuple(fields), tag)
    return wide(**own, **{f"{_PREFIX}{number}": field for number, field in enumerate(fields.values())})


def extras(value: Struct) -> dict[str, Raw]:
    """The fields that were added to the value."""
    kind = type(value)
    pairs = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return {wire: getattr(value, name) for name, wire in pairs if name.startswith(_PREFIX)}


# Remembered because upstreams send the same few shapes over and over; a class takes 30 µs to make.
@lru_cache(maxsize=256)
def _subclass(kind: type[T], names: tuple[str, ...], tag: str | None) -> type[T]:
    tagged = kind.__struct_config__.tag if tag is None else tag
    options = {
        "frozen": True,
        "kw_only": True,
        "gc": kind.__struct_config__.gc,
        "tag": tagged,
        "tag_field": kind.__struct_config__.tag_field,
        "rename": {f"{_PREFIX}{number}": name for number, name in enumerate(names)},
    }

    def fill(namespace: dict[str, object]) -> None:
        namespace["__annotations__"] = {f"{_PREFIX}{number}": Raw for number in range(len(names))}
        namespace["__module__"] = kind.__module__

    made: type[T] = types.new_class(kind.__name__, (kind,), options, fill)
    return made
