"""Failed decodes, told to the client: what was wrong, where, and what would be accepted."""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import inspect

from antiphon.protocol.faults import RequestFault

__all__ = ["validation_fault"]

#: An error may quote the client's value, which has any length.
_MAX_TEXT = 200


def validation_fault(error: msgspec.ValidationError, *, prefix: str = "", expected: type | None = None) -> RequestFault:
    """A client-safe 400 from a failed decode: msgspec's path (`$.content[0]`) becomes `param`.

    Args:
        error: what the decoder raised.
        prefix: where the decoded value stands in the request, e.g. `input[2]`.
        expected: the type that was decoded; with it, a wrong enum value or tag is answered with the right ones.
    """
    text, path, in_key = _split(str(error))
    code = "invalid_value"
    if text.startswith("Object missing required field `"):
        path += "." + text.rsplit("field `", 1)[1].rstrip("`")
        code = "missing_required_parameter"
    param = (prefix + path).removeprefix(".")
    where = f" at '{param}'" if param else ""
    message = f"Invalid request{where}: {'a key: ' if in_key else ''}{_shortened(text)}."
    if expected is not None and text.startswith(("Invalid value ", "Invalid enum value ")):
        message += f" Accepted: {', '.join(map(repr, sorted(set(_accepted(expected, path)))))}."
    return RequestFault(message.replace("`", "'"), code=code, param=param or None)


def _split(message: str) -> tuple[str, str, bool]:
    """What, where, and whether a key of the mapping there is at fault rather than its value.

    Mappings are named whole (`metadata`): msgspec does not tell which of their entries it was.
    """
    text, separator, where = message.rpartition(" - at ")
    if not separator:
        return message, "", False
    path = where.partition("`$")[2].rstrip("`")
    return text, path.partition("[...]")[0], where.startswith("`key` in ")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _accepted(expected: type, path: str) -> Iterator[str]:
    """The literals, or the tags of the structs, that may stand at `path` of a value of this type."""
    nodes = [inspect.type_info(expected)]
    *parents, last = path.replace("[", ".[").lstrip(".").split(".")
    for step in parents:
        nodes = [child for node in _variants(nodes) for child in _children(node, step)]
    for node in _variants(nodes):
        if isinstance(node, inspect.StructType) and node.tag_field == last:
            yield str(node.tag)
    for node in _variants(child for parent in _variants(nodes) for child in _children(parent, last)):
        if isinstance(node, inspect.LiteralType):
            yield from map(str, node.values)


def _variants(nodes: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    """The nodes, unions opened."""
    for node in nodes:
        if isinstance(node, inspect.UnionType):
            yield from node.types
        else:
            yield node


def _children(node: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(node, inspect.StructType):
        yield from (field.type for field in node.fields if field.encode_name == step)
    elif isinstance(node, inspect.ListType) and step.startswith("["):
        yield node.item_type
