"""JSON Schema made narrower, until a constrained decoder follows it and a small model comes to an end with it.

Whatever fits the schema that comes out fits the one that went in, but for the keywords that are told as `loose`: those
can neither be followed nor be replaced by something that is. References are written out where they stand; a type that
holds itself ends where it may. Nothing that is written may go on without an end: texts and lists get a longest length.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from antiphon.providers.constrained.apart import apart, kinds_of
from antiphon.providers.constrained.merging import merged
from antiphon.providers.constrained.numbers import bounds_of, integers, numbers
from antiphon.providers.constrained.patterns import narrowed

__all__ = ["Narrow", "UnusableSchemaError", "narrow"]

_Json = dict[str, object]

#: Items of a list whose length nobody limits.
_MOST_ITEMS = 16
#: Texts in lists are shorter by this: there are many of them.
_SHARE_IN_LIST = 4
#: Of more choices it is not found out whether a value may fit several.
_MOST_COMPARED = 40
_LONGEST_LIST = 256
#: Decoders refuse to count further.
_LONGEST_TEXT = 1900
#: How often a reference may stand inside itself, and how much may be written.
_TURNS = 2
_DEEPEST = 32
_LARGEST = 3000
#: All of that is done while others wait.
_LARGEST_BYTES = 65536

_FORMATS = frozenset({"date", "time", "date-time", "uuid"})
_LOOSE = frozenset(
    {
        "not",
        "if",
        "contains",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "propertyNames",
        "patternProperties",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
    }
)
_KIND_OF = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "pattern": "string",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
    "minimum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "maximum": "number",
    "multipleOf": "number",
}
#: What may exclude some of the values that are listed beside it.
_BESIDE_VALUES = frozenset(
    {"pattern", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems"}
)
#: Without these an object without properties is a function without parameters, as many are written.
_SAYS_MORE = frozenset({"additionalProperties", "$ref", "allOf"})
_NO_FIELDS: _Json = {"type": "object", "properties": {}, "additionalProperties": False}

_decode = msgspec.json.Decoder(_Json).decode
_encode = msgspec.json.Encoder().encode


class UnusableSchemaError(ValueError):
    """Nothing fits the schema, or only what has no end; or it is no schema, or too large. Says which."""


class Narrow(Struct, frozen=True):
    """What a decoder is given, and the keywords that it will not keep to."""

    schema: _Json
    loose: tuple[str, ...] = ()


def narrow(parameters: Raw, *, longest_text: int) -> Narrow:
    """The schema of an object: a function's arguments.

    Raises:
        UnusableSchemaError: there is nothing that a model could be held to.
    """
    if len(bytes(parameters)) > _LARGEST_BYTES:
        raise UnusableSchemaError(f"it is longer than {_LARGEST_BYTES} bytes")
    try:
        root = _decode(parameters) if bytes(parameters) != b"null" else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnusableSchemaError(f"it cannot be read ({error})") from error
    writer = _Writer(root, longest_text)
    try:
        found = writer.write({"allOf": [root, {"type": "object"}]}, _Place())
    except RecursionError as error:
        raise UnusableSchemaError("it is nested too deeply") from error
    if found is None:
        raise UnusableSchemaError("nothing that comes to an end fits it")
    if "additionalProperties" in found and not _SAYS_MORE & root.keys():
        found = {**found, "properties": found.get("properties", {}), "additionalProperties": False}
    return Narrow(found, tuple(sorted(writer.loose)))


class _Place(Struct, frozen=True):
    """Where a schema stands: the references that led there, how deep, and how long a text may be."""

    trail: tuple[str, ...] = ()
    depth: int = 0
    shorter: int = 1

    def inside(self, trail: Sequence[str], *, shorter: int = 1) -> "_Place":
        return _Place(tuple(trail), self.depth + 1, self.shorter * shorter)


class _Writer:
    """One schema with its definitions. `None` stands for a schema that nothing may be written for."""

    def __init__(self, root: _Json, longest_text: int) -> None:
        self._root = root
        self._longest_text = longest_text
        self._written = 0
        self.loose: set[str] = set()

    def write(self, schema: object, place: _Place) -> _Json | None:
        """One node."""
        self._written += 1
        if self._written > _LARGEST:
            raise UnusableSchemaError("it is too large when its references are written out")
        if place.depth > _DEEPEST:
            return None
        trail = list(place.trail)
        flat = self._flat(schema, trail)
        if flat is None:
            return None
        self.loose |= {name for name in _LOOSE & flat.keys() if flat[name] is not False}
        inside = place.inside(trail)
        word = next((word for word in ("anyOf", "oneOf") if isinstance(flat.get(word), list) and flat[word]), None)
        if word is not None:
            return self._branches(flat, word, inside)
        values = _values(flat)
        if values is not None:
            if _BESIDE_VALUES & flat.keys():
                self.loose.add("enum")  # which of the values fit these is not found out
            return {"enum": values} if values else None
        kinds = flat.get("type")
        if isinstance(kinds, list):
            return self._choice([{**flat, "type": kind} for kind in kinds], inside)
        if kinds is None:
            kinds = next((_KIND_OF[name] for name in flat if name in _KIND_OF), None)
        return self._typed(kinds, flat, inside)

    def _typed(self, kind: object, schema: _Json, inside: _Place) -> _Json | None:
        if kind == "object":
            return self._object(schema, inside)
        if kind == "array":
            return self._array(schema, inside)
        if kind == "string":
            return self._string(schema, inside)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        return {"type": kind} if kind in ("boolean", "null") else self._anything(inside)

    def _anything(self, inside: _Place) -> _Json:
        """Any value will do: one that holds no others has an end."""
        text = self._string({}, inside)
        return {"anyOf": [text, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]}

    def _choice(self, choices: Sequence[object], inside: _Place) -> _Json | None:
        found = [one for choice in choices if (one := self.write(choice, inside)) is not None]
        if len(found) <= 1:
            return found[0] if found else None
        return {"anyOf": found}

    def _branches(self, flat: _Json, word: str, inside: _Place) -> _Json | None:
        """What holds beside a choice holds of each of its branches."""
        rest, said = {name: value for name, value in flat.items() if name != word}, flat[word]
        choices = [{"allOf": [rest, choice]} for choice in said] if isinstance(said, list) else []
        if word == "oneOf" and not self._apart(choices, inside.trail):
            self.loose.add(word)
        return self._choice(choices, inside)

    def _apart(self, choices: Sequence[object], trail: Sequence[str]) -> bool:
        """Whether whatever fits one of them fits no other."""
        if len(choices) > _MOST_COMPARED:
            return False
        flat = (self._flat(choice, list(trail)) for choice in choices)
        return apart([choice for choice in flat if choice is not None])

    def _flat(self, schema: object, trail: list[str]) -> _Json | None:
        """The schema with what it refers to, and with all of what holds at once, in one piece. Adds to the trail."""
        if schema is False:
            return None
        if not isinstance(schema, dict):
            return {}
        parts: list[object] = []
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if trail.count(reference) >= _TURNS or len(trail) > _DEEPEST:
                return None
            trail.append(reference)
            parts.append(self._lookup(reference))
        more = schema.get("allOf")
        if isinstance(more, list):
            parts += more
        found: _Json = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
        for part in parts:
            flat = self._flat(part, trail)
            if flat is None:
                return None
            both = merged(found, flat, self.loose)
            if both is None:
                return None
            found = both
        return found

    def _lookup(self, reference: str) -> object:
        head, *steps = reference.split("/")
        node: object = self._root if head == "#" else None
        for step in steps:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        if node is None:
            raise UnusableSchemaError(f"the reference '{reference[:80]}' leads nowhere in it")
        return node

    def _string(self, schema: _Json, inside: _Place) -> _Json | None:
        low, high = _count(schema, "minLength") or 0, _count(schema, "maxLength")
        if high is not None and low > high:
            return None
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and pattern:
            narrower = narrowed(pattern)
            if narrower is not None:
                self.loose |= {"minLength", "maxLength"} & schema.keys()
                return {"type": "string", "pattern": narrower}
            self.loose.add("pattern")
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS and not low and high is None:
            return {"type": "string", "format": form}
        if low > _LONGEST_TEXT:
            self.loose.add("minLength")
            low = _LONGEST_TEXT
        longest = min(max(self._longest_text // inside.shorter, low, 1), _LONGEST_TEXT)
        found: _Json = {"type": "string", "maxLength": longest if high is None else min(high, longest)}
        if low:
            found["minLength"] = low
        return found

    def _number(self, schema: _Json, *, whole: bool) -> _Json | None:
        bounds = bounds_of(schema)
        found = integers(bounds) if whole else numbers(bounds)
        if found is not None and found == {"type": "number"}:
            self.loose |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} & schema.keys()
        return found

    def _array(self, schema: _Json, inside: _Place) -> _Json | None:
        items = schema.get("items", {})
        first = schema.get("prefixItems", items if isinstance(items, list) else None)
        low, high = _count(schema, "minItems") or 0, _count(schema, "maxItems")
        if high is not None and low > high:
            return None
        inside = inside.inside(inside.trail, shorter=_SHARE_IN_LIST)
        if isinstance(first, list) and first:
            return self._tuple(first[:high], low, inside)
        if low > _LONGEST_LIST:
            self.loose.add("minItems")
            low = _LONGEST_LIST
        high = min(max(_MOST_ITEMS, low), high if high is not None else max(_MOST_ITEMS, low))
        item = self.write(items, inside) if high else None
        if item is None:
            return {"enum": [[]]} if not low else None
        found: _Json = {"type": "array", "items": item, "maxItems": high}
        if low:
            found["minItems"] = low
        return found

    def _tuple(self, first: Sequence[object], low: int, inside: _Place) -> _Json | None:
        items = [self.write(item, inside) for item in first]
        if any(item is None for item in items) or not items:
            return {"enum": [[]]} if not low else None
        if low > len(items):
            self.loose.add("minItems")
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _object(self, schema: _Json, inside: _Place) -> _Json | None:
        asked, more = schema.get("properties"), schema.get("additionalProperties", True)
        wanted = schema.get("required")
        required = [name for name in wanted if isinstance(name, str)] if isinstance(wanted, list) else []
        asked = asked if isinstance(asked, dict) else {}
        fields: _Json = {}
        for name, inner in (*asked.items(), *((name, more) for name in required if name not in asked)):
            written = self.write(inner, inside)
            if written is not None:
                fields[name] = written
            elif name in required:
                return None
        if fields or asked or more is False:
            found = {**_NO_FIELDS, "properties": fields}
            wanted = [name for name in fields if name in required]
            return {**found, "required": wanted} if wanted else found
        value = self.write(more, inside)
        return {"type": "object", "additionalProperties": value} if value is not None else _NO_FIELDS


def _values(schema: _Json) -> list[object] | None:
    """The values that a schema lists, those that fit it; `None` where it lists none."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return None
    kinds = schema.get("type")
    wanted = None if kinds is None else kinds if isinstance(kinds, list) else [kinds]
    return [value for value in values if (wanted is None or _is_of(value, wanted)) and _is_within(value, schema)]


def _is_within(value: object, schema: _Json) -> bool:
    if isinstance(value, str):
        low, high = _count(schema, "minLength") or 0, _count(schema, "maxLength")
        return low <= len(value) and (high is None or len(value) <= high)
    return isinstance(value, bool) or not isinstance(value, int | float) or bounds_of(schema).take(value)


def _is_of(value: object, kinds: Sequence[object]) -> bool:
    found = kinds_of(value)
    if isinstance(value, float) and value.is_integer():
        found = (*found, "integer")
    return any(kind in kinds for kind in found)


def _count(schema: Mapping[str, object], name: str) -> int | None:
    value = schema.get(name)
    return int(value) if isinstance(value, int | float) and value >= 0 else None
