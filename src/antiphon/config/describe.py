"""Types and values in words, for messages."""

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import inspect
from yaml.nodes import MappingNode, Node, SequenceNode

from antiphon.config.nodes import tag_of

__all__ = ["describe_node", "describe_type"]

#: In front of a host, in a URL.
_CREDENTIALS = re.compile(r"//[^/\s]*@")

_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "on or off",
    inspect.VarTupleType: "a list",
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
}


def describe_type(kind: inspect.Type) -> str:
    """What would be accepted."""
    match kind:
        case inspect.Metadata():
            return _describe_metadata(kind)
        case inspect.UnionType():  # X | None
            return describe_type(kind.types[0])
        case inspect.IntType():
            return f"an integer {_bounds(kind)}".strip()
        case inspect.FloatType():
            return f"a number {_bounds(kind)}".strip()
        case inspect.LiteralType():
            return "one of " + ", ".join(f"`{value}`" for value in kind.values)
        case _:
            is_path = isinstance(kind, inspect.CustomType) and kind.cls is Path
            return "a path" if is_path else _WORDS.get(type(kind), "a string")


def _describe_metadata(kind: inspect.Metadata) -> str:
    short = (kind.extra or {}).get("short")
    if not isinstance(kind.type, inspect.StructType):
        return describe_type(kind.type)
    for field in kind.type.fields:
        if field.name == short:
            return f"{describe_type(field.type)}, or a mapping"
    return describe_type(kind.type)


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f"from {_number(kind.ge)}" if kind.ge is not None else ""
    low = f"above {_number(kind.gt)}" if kind.gt is not None else low
    high = f"to {_number(kind.le)}" if kind.le is not None else ""
    return f"{low} {high}".strip()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def describe_node(node: Node, *, secret: bool) -> str:
    """What was found instead: text as written, before `${…}`, and not at all where it may be a secret."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    tag = tag_of(node)
    if tag == "null":
        return "nothing"
    if not secret:
        return f"`{_CREDENTIALS.sub('//***@', str(node.value))[:60]}`"
    return {"int": "a number", "float": "a number", "bool": "on or off"}.get(tag, "another text")
