"""JSON Schemas of structs, as components of an OpenAPI document.

`msgspec.json.schema_components` does not fit here: it refuses fields that are kept as JSON (`Raw`), and calls a field
with a default optional, which is right for what clients send and wrong for what they get: that is always written.
"""

import inspect as python_inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import NODEFAULT, Struct, inspect

__all__ = ["FieldNote", "Schema", "Schemas", "Side", "reference"]

Schema = dict[str, object]
Side = Literal["request", "answer"]


class FieldNote(Struct, frozen=True):
    """What the types do not tell about a field.

    Attributes:
        text: its description.
        treatment: what becomes of a request parameter: `served`, `tuning`, `accepted`, `ignored` or `refused`.
        schema: replaces the schema made from the type, for fields that are kept as JSON.
    """

    text: str
    treatment: str = ""
    schema: Schema | None = None


def reference(name: str) -> Schema:
    """A pointer to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


class Schemas:
    """Collects the structs of one side of the API: what clients send (`request`), or what they get (`answer`).

    Args:
        notes: by `Struct.field`; `*.field` holds for all structs without a note of their own; `Struct` alone replaces
            its docstring.
        names: public names of structs that are called something else in the code.
        untagged: tagged structs whose `type` may be left out.
    """

    def __init__(
        self,
        side: Side,
        notes: Mapping[str, FieldNote],
        *,
        names: Mapping[type, str],
        untagged: Sequence[type] = (),
    ) -> None:
        self._side = side
        self._notes = notes
        self._names = names
        self._untagged = untagged
        self.components: dict[str, Schema] = {}

    def add(self, name: str, *kinds: object) -> None:
        """Give the union of these types a name of its own."""
        schemas = [self.of(kind) for kind in kinds]
        self.components[name] = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def of(self, kind: object) -> Schema:
        """The schema of a type; structs in it become components."""
        node = inspect.type_info(kind)
        return self._struct(node) if isinstance(node, inspect.StructType) else self._schema(node)

    def _schema(self, node: inspect.Type) -> Schema:
        match node:
            case inspect.Metadata():
                return {**(node.extra_json_schema or {}), **self._schema(node.type)}
            case inspect.StructType():
                return self._alone(node)
            case inspect.UnionType():
                return self._union(node)
            case inspect.ListType() | inspect.VarTupleType():
                return {"type": "array", "items": self._schema(node.item_type)}
            case inspect.DictType():
                return self._mapping(node)
        return _scalar(node)

    def _mapping(self, node: inspect.DictType) -> Schema:
        keys = self._schema(node.key_type)
        schema = _bounded("object", maxProperties=node.max_length)
        if len(keys) > 1:
            schema["propertyNames"] = keys
        return {**schema, "additionalProperties": self._schema(node.value_type)}

    def _union(self, node: inspect.UnionType) -> Schema:
        kinds = [kind for kind in node.types if not isinstance(kind, inspect.NoneType)]
        schema = self._schema(kinds[0]) if len(kinds) == 1 else self._alternatives(kinds)
        return _nullable(schema) if node.includes_none else schema

    def _alternatives(self, kinds: Sequence[inspect.Type]) -> Schema:
        schemas = [self._struct(kind) if isinstance(kind, inspect.StructType) else self._schema(kind) for kind in kinds]
        tags = {
            str(kind.tag): schema["$ref"]
            for kind, schema in zip(kinds, schemas, strict=True)
            if isinstance(kind, inspect.StructType) and kind.tag is not None and kind.cls not in self._untagged
        }
        if len(tags) < len(kinds):
            return {"anyOf": schemas}
        return {"oneOf": schemas, "discriminator": {"propertyName": "type", "mapping": tags}}

    def _alone(self, node: inspect.StructType) -> Schema:
        """Where it is the only kind that fits, clients need not say its `type`: msgspec does not ask for it."""
        if self._side == "answer" or node.tag_field is None or node.cls in self._untagged:
            return self._struct(node)
        schema: Schema = {"type": "object", **self._object(node, self._names.get(node.cls, node.cls.__name__))}
        schema["required"] = [one.encode_name for one in node.fields if one.required]
        return schema

    def _struct(self, node: inspect.StructType) -> Schema:
        name = self._names.get(node.cls, node.cls.__name__)
        if name not in self.components:
            schema = self.components[name] = {"type": "object"}
            schema |= self._object(node, name)
        return reference(name)

    def _object(self, node: inspect.StructType, name: str) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        if node.tag_field is not None:
            tagged = self._notes.get(f"{name}.{node.tag_field}")
            properties[node.tag_field] = {"type": "string", "const": node.tag}
            if tagged is not None:
                properties[node.tag_field] = {"type": "string", "description": tagged.text}
            if node.cls not in self._untagged:
                required.append(node.tag_field)
        for one in node.fields:
            properties[one.encode_name] = self._property(one, name)
            if one.required or (self._side == "answer" and _always_written(one, node.cls)):
                required.append(one.encode_name)
        note = self._notes.get(name)
        text = _summary(node.cls) if note is None else note.text
        schema: Schema = {"description": text, "properties": properties}
        return {**schema, "required": required} if required else schema

    def _property(self, one: inspect.Field, owner: str) -> Schema:
        note = self._notes.get(f"{owner}.{one.encode_name}") or self._notes.get(f"*.{one.encode_name}")
        if note is None:
            return self._schema(one.type)
        schema = self._schema(one.type) if note.schema is None else dict(note.schema)
        if note.treatment:
            schema["x-antiphon-treatment"] = note.treatment
        return {"description": note.text, **schema}


def _always_written(one: inspect.Field, owner: type[Struct]) -> bool:
    """Fields that may be missing from an answer have no default but `UNSET`, or stand in a struct that omits them."""
    if owner.__struct_config__.omit_defaults:
        return False
    return one.default is not NODEFAULT or one.default_factory is not NODEFAULT


def _scalar(node: inspect.Type) -> Schema:
    match node:
        case inspect.StrType():
            return _bounded("string", minLength=node.min_length, maxLength=node.max_length, pattern=node.pattern)
        case inspect.IntType():
            return _bounded("integer", minimum=node.ge, maximum=node.le)
        case inspect.FloatType():
            return _bounded("number", minimum=node.ge, maximum=node.le)
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.LiteralType():
            return _literal(node)
        case inspect.RawType():
            return {}
    raise TypeError(f"no schema for {node}")


def _literal(node: inspect.LiteralType) -> Schema:
    values = list(node.values)
    return {"type": "string", "const": values[0]} if len(values) == 1 else {"type": "string", "enum": values}


def _bounded(kind: str, **bounds: float | str | None) -> Schema:
    return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}


def _nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [*_members(schema), {"type": "null"}]}
    nullable: Schema = {**schema, "type": [kind, "null"]}
    values = schema.get("enum")
    return {**nullable, "enum": [*values, None]} if isinstance(values, list) else nullable


def _members(schema: Schema) -> Iterable[object]:
    """The alternatives of a plain union, to which another can be added; anything else is one alternative."""
    members = schema.get("anyOf")
    return members if isinstance(members, list) else [schema]


def _summary(kind: type) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((python_inspect.getdoc(kind) or "").partition("\n\n")[0].split())
