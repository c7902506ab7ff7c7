"""JSON Schema reduced to the subset of OpenAPI that models before 2.5 take. Nothing here is needed for newer ones.

References are written out where they stand, to a bounded depth: a type that holds itself ends in an object of any kind.
What the subset cannot say is left out: the model then knows less about the shape, and the answer may differ from it.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Raw

__all__ = ["reduced"]

_Json = dict[str, object]

#: Copied as they are.
_KEPT = (
    "title",
    "description",
    "format",
    "maximum",
    "minimum",
    "maxItems",
    "minItems",
    "maxLength",
    "minLength",
    "maxProperties",
    "minProperties",
    "pattern",
    "default",
    "example",
    "propertyOrdering",
)
_FORMATS = frozenset({"float", "double", "int32", "int64", "enum", "date-time"})
_DEEPEST = 32
#: How often one reference may stand inside itself, and how many schemas a reduced one may hold.
_TURNS = 2
_LARGEST = 5000
#: How many bytes may be written: where references are many, what they point at is written as often.
_LARGEST_BYTES = 1024 * 1024

_decode = msgspec.json.Decoder(_Json).decode
_encode = msgspec.json.Encoder().encode


def reduced(schema: Raw) -> Raw:
    """The schema in the subset. One that is no object, or that cannot be read, becomes an object of any kind."""
    try:
        root = _decode(schema)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        root = {}
    return Raw(_encode(_Reducer(root).reduce(root, (), depth=0)))


class _Reducer:
    """One schema with its definitions."""

    __slots__ = ("_bytes", "_count", "_root")

    def __init__(self, root: _Json) -> None:
        self._root = root
        self._count = 0
        self._bytes = 0

    def reduce(self, schema: object, trail: tuple[str, ...], *, depth: int) -> _Json:
        """One node. `trail` are the references that led here."""
        self._count += 1
        is_too_large = depth > _DEEPEST or self._count > _LARGEST or self._bytes > _LARGEST_BYTES
        if is_too_large or not isinstance(schema, dict):
            return {"type": "object"}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._referred(schema, reference, trail=trail, depth=depth)
        found = {name: schema[name] for name in _KEPT if name in schema}
        if not (isinstance(kind := found.get("format"), str) and kind in _FORMATS):
            found.pop("format", None)
        if found:
            self._bytes += len(_encode(found))
        self._type(schema, found, trail=trail, depth=depth)
        self._inside(schema, found, trail=trail, depth=depth)
        return found

    def _referred(self, schema: _Json, reference: str, *, trail: tuple[str, ...], depth: int) -> _Json:
        found = self._lookup(reference)
        if found is None or trail.count(reference) >= _TURNS:
            return {"type": "object", **_described(schema)}
        return {**self.reduce(found, (*trail, reference), depth=depth + 1), **_described(schema)}

    def _lookup(self, reference: str) -> object:
        """What a reference into the schema itself points at."""
        head, *steps = reference.split("/")
        node: object = self._root if head == "#" else None
        for step in steps:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        return node

    def _type(self, schema: _Json, found: _Json, *, trail: tuple[str, ...], depth: int) -> None:
        kinds = schema.get("type")
        names = [kind for kind in kinds if isinstance(kind, str)] if isinstance(kinds, list) else [kinds]
        if "null" in names and len(names) > 1:
            found["nullable"] = True
        known = [kind for kind in names if kind != "null" and isinstance(kind, str)]
        if len(known) == 1:
            found["type"] = known[0]
        elif known:
            found["anyOf"] = [self.reduce({**schema, "type": kind}, trail, depth=depth + 1) for kind in known]
        elif "properties" in schema:
            found["type"] = "object"
        _enum(schema, found)

    def _inside(self, schema: _Json, found: _Json, *, trail: tuple[str, ...], depth: int) -> None:
        if "anyOf" in found:
            return  # written out by type, each with what belongs to it
        properties = schema.get("properties")
        if isinstance(properties, dict) and properties:
            found["properties"] = {
                name: self.reduce(inner, trail, depth=depth + 1) for name, inner in properties.items()
            }
            required = schema.get("required")
            if isinstance(required, list):
                found["required"] = [name for name in required if isinstance(name, str) and name in properties]
        if "items" in schema:
            found["items"] = self.reduce(schema["items"], trail, depth=depth + 1)
        elif found.get("type") == "array":
            found["items"] = {"type": "string"}  # demanded
        for word in ("anyOf", "oneOf", "allOf"):
            choices = schema.get(word)
            if isinstance(choices, list) and choices:
                self._choices(choices, found, word=_combined(word), trail=trail, depth=depth)

    def _choices(
        self, choices: list[object], found: _Json, *, word: Literal["any", "all"], trail: tuple[str, ...], depth: int
    ) -> None:
        kept = [choice for choice in choices if not (isinstance(choice, dict) and choice.get("type") == "null")]
        if len(kept) < len(choices):
            found["nullable"] = True
        reduced = [self.reduce(choice, trail, depth=depth + 1) for choice in kept]
        if word == "all" or len(reduced) == 1:
            for choice in reduced:
                _merge(found, choice)
        elif reduced:
            found["anyOf"] = reduced


def _combined(word: str) -> Literal["any", "all"]:
    return "all" if word == "allOf" else "any"


def _merge(found: _Json, more: Mapping[str, object]) -> None:
    """Add what holds too. What both say about properties is joined; otherwise what stood there first stays."""
    for name, value in more.items():
        have = found.get(name)
        if isinstance(have, dict) and isinstance(value, dict):
            found[name] = {**value, **have}
        elif isinstance(have, list) and isinstance(value, list):
            found[name] = _joined(have, value)
        else:
            found.setdefault(name, value)


def _joined(have: list[object], more: list[object]) -> list[object]:
    """Without repetition. Such lists can be long."""
    known = {_encode(entry) for entry in have}
    return have + [entry for entry in more if _encode(entry) not in known]


def _enum(schema: _Json, found: _Json) -> None:
    """Only strings can be listed; a constant is a list of one."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not values:
        return
    if None in values:
        found["nullable"] = True
    texts = [value for value in values if isinstance(value, str)]
    if texts and len(texts) == len([value for value in values if value is not None]):
        found["enum"] = texts
        found.setdefault("type", "string")


def _described(schema: _Json) -> _Json:
    return {name: schema[name] for name in ("title", "description") if name in schema}
