"""Whether a value can fit more than one of several JSON Schemas."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

__all__ = ["apart", "kinds_of"]

_Json = dict[str, object]

#: The types of values in JSON.
_KINDS_OF: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        type(None): ("null",),
        bool: ("boolean",),
        str: ("string",),
        int: ("integer", "number"),
        float: ("number",),
        list: ("array",),
    }
)


def kinds_of(value: object) -> tuple[str, ...]:
    """What JSON Schema calls the type of a value."""
    return _KINDS_OF.get(type(value), ("object",))


def apart(schemas: Sequence[_Json]) -> bool:
    """Whether it is plain that none fits two of them: by type, or by a field that tells them apart.

    They hold neither `allOf` nor `$ref` at their top. All pairs are looked at.
    """
    told = [(_kinds(schema), _marks(schema)) for schema in schemas]
    return all(_differ(one, other) for one, other in combinations(told, 2))


_Told = tuple[frozenset[str] | None, Mapping[str, frozenset[str]]]


def _differ(one: _Told, other: _Told) -> bool:
    if one[0] is not None and other[0] is not None and not one[0] & other[0]:
        return True
    return any(not values & other[1][name] for name, values in one[1].items() if name in other[1])


def _kinds(schema: _Json) -> frozenset[str] | None:
    """The types that fit; `None` where it does not say."""
    values = _listed(schema)
    said = schema.get("type")
    if values is not None:
        kinds = [kinds_of(value)[-1] for value in values]
    elif said is not None:
        kinds = [kind for kind in (said if isinstance(said, list) else [said]) if isinstance(kind, str)]
    else:
        return None
    return frozenset("number" if kind == "integer" else kind for kind in kinds)


def _marks(schema: _Json) -> dict[str, frozenset[str]]:
    """The fields that must be one of a few texts. `` stands for the value itself, where that is a text."""
    found: dict[str, frozenset[str]] = {}
    fields, required = schema.get("properties"), schema.get("required")
    own = _texts(schema)
    if own is not None:
        found[""] = own
    if schema.get("type") == "object" and isinstance(fields, dict) and isinstance(required, list):
        for name, inner in fields.items():
            texts = _texts(inner) if name in required and isinstance(inner, dict) else None
            if texts is not None and name:
                found[name] = texts
    return found


def _texts(schema: _Json) -> frozenset[str] | None:
    values = _listed(schema)
    texts = [value for value in values or () if isinstance(value, str)]
    return frozenset(texts) if values is not None and len(texts) == len(values) else None


def _listed(schema: _Json) -> list[object] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return values if isinstance(values, list) else None
