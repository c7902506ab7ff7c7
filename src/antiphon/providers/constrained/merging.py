"""Two JSON Schemas that hold at once, as one."""

import msgspec

__all__ = ["merged"]

_Json = dict[str, object]

_HIGHER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_LOWER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_SCHEMAS = frozenset({"items", "additionalProperties"})
_JOINED = _HIGHER | _LOWER | _SCHEMAS | {"properties", "required"}
#: Of the others, those that some value may break.
_RULES = frozenset({"pattern", "multipleOf", "prefixItems", "not", "if", "contains", "patternProperties"})
_CHOICES = frozenset({"anyOf", "oneOf"})

_encode = msgspec.json.Encoder().encode


def merged(one: _Json, other: _Json, loose: set[str]) -> _Json | None:
    """The schema that holds where both do; `None` where nothing can fit both. Neither holds `allOf` or `$ref`.

    Of keywords that cannot be joined the first one's value stays, and their names are added to `loose`.
    """
    found = _as_lists(_held_to(one, other, loose))
    for name, value in _as_lists(_held_to(other, one, loose)).items():
        have = found.get(name)
        if name not in found:
            found[name] = value
        elif name in _CHOICES and isinstance(have, list) and isinstance(value, list):
            found[name] = [{"allOf": [choice, {name: value}]} for choice in have]
        elif name in ("type", "enum"):
            both = _both_types(have, value) if name == "type" else _in_both(have, value)
            if not both:
                return None
            found[name] = both
        elif name in _JOINED:
            found[name] = _joined(name, have, value)
        elif name in _RULES and have != value:
            loose.add(name)
    return found


def _held_to(schema: _Json, other: _Json, loose: set[str]) -> _Json:
    """The schema with what the other says of all fields and items that it does not name itself.

    A field that must be there, and that the other has no room for, stays: generators write such pairs and mean it.
    """
    found = dict(schema)
    fields, rest = schema.get("properties"), other.get("additionalProperties", True)
    if isinstance(fields, dict) and rest is not True:
        named, required = other.get("properties"), [*_entries(schema, "required"), *_entries(other, "required")]
        kept: _Json = {}
        for name, inner in fields.items():
            if isinstance(named, dict) and name in named:
                kept[name] = inner
            elif rest is not False:
                kept[name] = {"allOf": [inner, rest]}
            elif name in required:
                loose.add("additionalProperties")
                kept[name] = inner
        found["properties"] = kept
    first, rest = _entries(schema, "prefixItems"), other.get("items", True)
    if first and isinstance(rest, dict | bool) and rest is not True:
        own = len(_entries(other, "prefixItems"))
        found["prefixItems"] = [*first[:own], *({"allOf": [item, rest]} for item in first[own:])]
    return found


def _entries(schema: _Json, name: str) -> list[object]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _as_lists(schema: _Json) -> _Json:
    """A constant is a list of one value."""
    found = dict(schema)
    if "const" in found:
        found["enum"] = [found.pop("const")]
    return found


def _joined(name: str, have: object, value: object) -> object:
    """What one keyword says when both values are held to."""
    if isinstance(have, dict) and isinstance(value, dict) and name == "properties":
        both = {key: {"allOf": [have[key], value[key]]} for key in have.keys() & value.keys()}
        return {**have, **value, **both}
    if isinstance(have, list) and isinstance(value, list) and name == "required":
        return [*have, *(entry for entry in value if entry not in have)]
    if isinstance(have, int | float) and isinstance(value, int | float):
        return max(have, value) if name in _HIGHER else min(have, value)
    return {"allOf": [have, value]} if name in _SCHEMAS else have


def _both_types(have: object, value: object) -> list[object]:
    """Integers are numbers too."""
    first = have if isinstance(have, list) else [have]
    second = value if isinstance(value, list) else [value]
    found = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    if "number" in first and "integer" in second and "integer" not in found:
        found.append("integer")
    return found


def _in_both(have: object, value: object) -> list[object]:
    known = {_encode(entry) for entry in value} if isinstance(value, list) else set()
    return [entry for entry in have if _encode(entry) in known] if isinstance(have, list) else []
