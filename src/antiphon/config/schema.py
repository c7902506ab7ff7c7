"""The JSON Schema of `antiphon.yaml`, for editors that complete and check while one types."""

from collections.abc import Mapping
from inspect import cleandoc

import msgspec

from antiphon.config.settings import Document

__all__ = ["schema"]

#: YAML 1.2 editors take `on` for a string.
_SWITCH = {"enum": ["on", "off", "yes", "no"]}
_REFERENCE = {"type": "string", "pattern": r"\$\{", "description": "Taken from the environment."}
_PREFIX = "#/$defs/"
#: What may stand instead of a whole structure, besides nothing.
_SHORT: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "LocalSettings": ({"type": "boolean"}, _SWITCH, _REFERENCE),
    "ModelSettings": ({"type": "string"},),
    "RouteTargetSettings": ({"type": "string"},),
}
#: Of which fields there must be exactly one.
_ONE_OF: Mapping[str, tuple[str, ...]] = {"ModelSettings": ("target", "targets")}


def schema() -> dict[str, object]:
    """The schema (draft 2020-12), as plain JSON data.

    It accepts whatever `load` accepts; `load` refuses more: formats, files and variables that do not exist.
    """
    (reference,), components = msgspec.json.schema_components(
        [Document], schema_hook=lambda _: {"type": "string"}, ref_template=_PREFIX + "{name}"
    )
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "antiphon.yaml",
        **reference,
        "$defs": {name: _definition(name, part) for name, part in components.items()},
    }
    return msgspec.json.decode(msgspec.json.encode(whole), type=dict[str, object])  # defaults that are tuples


def _definition(name: str, part: Mapping[str, object]) -> dict[str, object]:
    properties = part["properties"]
    tidy = {key: _tidy(value) for key, value in properties.items()} if isinstance(properties, dict) else {}
    whole = {**part, "description": cleandoc(str(part["description"])), "properties": tidy}
    if name in _ONE_OF:
        whole["oneOf"] = [{"required": [field]} for field in _ONE_OF[name]]
    return whole


def _tidy(value: object) -> object:
    """Allow references to variables, short forms, and nothing at all, where `load` does."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidy = {key: _tidy(item) for key, item in value.items()}
    others = _alternatives(tidy)
    return _any_of(tidy, *others) if others else tidy


def _alternatives(value: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    kind = value.get("type")
    if "$ref" in value:
        return ({"type": "null"}, *_SHORT.get(str(value["$ref"]).removeprefix(_PREFIX), ()))
    if kind in ("object", "array"):
        return ({"type": "null"},)
    if kind == "boolean":
        return (_SWITCH, _REFERENCE)
    return (_REFERENCE,) if kind in ("integer", "number") or "enum" in value else ()


def _any_of(value: Mapping[str, object], *others: Mapping[str, object]) -> dict[str, object]:
    """The value or one of the others, what describes the whole moved outwards."""
    outer = {key: value[key] for key in ("description", "default") if key in value}
    inner = {key: item for key, item in value.items() if key not in outer}
    return {**outer, "anyOf": [inner, *others]}
