"""The walk from YAML nodes to settings, guided by the types in `settings`. Collects problems instead of stopping."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Raw, inspect
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from antiphon.config.checks import CHECKS
from antiphon.config.describe import describe_node, describe_type
from antiphon.config.nodes import PLAIN_TAGS, entries, line_of, tag_of
from antiphon.config.problems import KeyPath, Problem
from antiphon.config.scalars import Unacceptable, truth, value_of
from antiphon.config.secret import Secret
from antiphon.config.suggest import did_you_mean
from antiphon.config.variables import VariableError, expand, has_reference

__all__ = ["INVALID", "Reader", "Spec", "unwrap"]


class _Invalid:
    """Stands for a value that was not acceptable; its problem has been noted."""


INVALID = _Invalid()


class Spec(NamedTuple):
    """A setting's type without wrapping.

    Attributes:
        whole: the type as declared, for messages.
        optional: `null` is acceptable.
        check: name of a format, see `checks`.
        short: the field of a struct that a plain value stands for.
        one_of: fields of a struct of which there must be exactly one.
    """

    kind: inspect.Type
    whole: inspect.Type
    optional: bool
    check: str | None
    short: str | None
    one_of: tuple[str, ...] = ()


def unwrap(whole: inspect.Type) -> Spec:
    """See `Spec`."""
    kind, optional, extra = whole, False, dict[str, object]()
    while True:
        if isinstance(kind, inspect.Metadata):
            extra |= kind.extra or {}
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):  # only ever X | None here
            optional = True
            kind = kind.types[0]
        else:
            break
    check, short, one_of = extra.get("check"), extra.get("short"), extra.get("one_of")
    return Spec(
        kind,
        whole,
        optional,
        check=check if isinstance(check, str) else None,
        short=short if isinstance(short, str) else None,
        one_of=one_of if isinstance(one_of, tuple) else (),
    )


def _empty(node: ScalarNode, kind: inspect.Type) -> Node:
    """`key:` with nothing behind it is an empty list or mapping where one is expected."""
    if isinstance(kind, inspect.StructType | inspect.DictType):
        return MappingNode(node.tag, [], node.start_mark, node.end_mark)
    if isinstance(kind, inspect.VarTupleType):
        return SequenceNode(node.tag, [], node.start_mark, node.end_mark)
    return node


class Reader:
    """Reads one file.

    Attributes:
        problems: what was wrong, in the order of reading.
        lines: the line of every key that was read.
    """

    def __init__(self, file: str, environ: Mapping[str, str], *, base: Path) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[KeyPath, int] = {}
        self._file = file
        self._environ = environ
        self._base = base

    def read(self, node: Node, whole: inspect.Type, path: KeyPath) -> object:
        """The value of that type behind a node, or `INVALID`."""
        if tag_of(node) not in PLAIN_TAGS:  # reported by `parse`
            return INVALID
        spec = unwrap(whole)
        if isinstance(node, ScalarNode) and tag_of(node) == "null":
            if spec.optional:
                return None
            node = _empty(node, spec.kind)
        value: object
        match spec.kind:
            case inspect.StructType() as kind:
                value = self._struct(node, spec, kind=kind, path=path)
            case inspect.DictType() as kind:
                value = self._mapping(node, spec, kind=kind, path=path)
            case inspect.VarTupleType() as kind:
                value = self._list(node, spec, kind=kind, path=path)
            case inspect.RawType():
                value = self._json(node, path)
            case _:
                value = self._scalar(node, spec, path)
        return value

    def _struct(self, node: Node, spec: Spec, *, kind: inspect.StructType, path: KeyPath) -> object:
        fields = {field.encode_name: field for field in kind.fields}
        if isinstance(node, ScalarNode) and spec.short is not None:
            values = {spec.short: self.read(node, fields[spec.short].type, path)}
        elif isinstance(node, MappingNode):
            values = self._fields(node, fields, path=path)
            self._check_one_of(node, spec.one_of, values=values, path=path)
        else:
            return self._unexpected(node, spec, path=path)
        return INVALID if INVALID in values.values() else kind.cls(**values)

    def _fields(self, node: MappingNode, fields: Mapping[str, inspect.Field], *, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, key_node, value in entries(node):
            child = (*path, key)
            self.lines[child] = line_of(key_node)
            if key in fields:
                values[key] = self.read(value, fields[key].type, child)
            else:
                self._note(key_node, path, f"unknown key `{key}`{did_you_mean(key, fields, noun='known here')}")
        for name, field in fields.items():
            if field.required and name not in values:
                self._note(node, path, f"`{name}` is missing")
                values[name] = INVALID
        return values

    def _check_one_of(self, node: Node, names: tuple[str, ...], *, values: dict[str, object], path: KeyPath) -> None:
        given = [name for name in names if name in values]
        if names and len(given) != 1:
            shown = " or ".join(f"`{name}`" for name in names)
            self._note(node, path, f"either {shown}, not both" if given else f"{shown} is missing")
            values[names[0]] = INVALID

    def _mapping(self, node: Node, spec: Spec, *, kind: inspect.DictType, path: KeyPath) -> object:
        if not isinstance(node, MappingNode):
            return self._unexpected(node, spec, path=path)
        key_check = unwrap(kind.key_type).check
        values: dict[str, object] = {}
        for key, key_node, value in entries(node):
            child = (*path, key)
            self.lines[child] = line_of(key_node)
            if key_check is not None and not CHECKS[key_check].passes(key):
                self._note(key_node, path, f"expected {CHECKS[key_check].accepted}, got the key `{key}`")
                values[key] = INVALID
            else:
                values[key] = self.read(value, kind.value_type, child)
        return INVALID if INVALID in values.values() else values

    def _list(self, node: Node, spec: Spec, *, kind: inspect.VarTupleType, path: KeyPath) -> object:
        if not isinstance(node, SequenceNode):
            return self._unexpected(node, spec, path=path)
        items = [self.read(item, kind.item_type, (*path, index)) for index, item in enumerate(node.value)]
        return INVALID if INVALID in items else tuple(items)

    def _scalar(self, node: Node, spec: Spec, path: KeyPath) -> object:
        if not isinstance(node, ScalarNode):
            return self._unexpected(node, spec, path=path)
        text, tag = str(node.value), tag_of(node)
        if tag == "str":
            expanded = self._expand(node, text, path=path)
            if expanded is None:
                return INVALID
            if expanded != text or node.style is None:
                tag = ""
            text = expanded
        try:
            return value_of(spec.kind, text, tag=tag, check=spec.check, base=self._base)
        except Unacceptable as error:
            return self._unexpected(node, spec, path=path, accepted=str(error))

    def _json(self, node: Node, path: KeyPath) -> object:
        """Any JSON value, as the bytes that go to the provider."""
        value = self._plain(node, path)
        return INVALID if value is INVALID else Raw(msgspec.json.encode(value))

    def _plain(self, node: Node, path: KeyPath) -> object:
        if isinstance(node, MappingNode):
            pairs = {key: self._plain(value, (*path, key)) for key, _, value in entries(node)}
            return INVALID if INVALID in pairs.values() else pairs
        if isinstance(node, SequenceNode):
            items = [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
            return INVALID if INVALID in items else items
        text, tag = str(node.value), tag_of(node)
        if tag == "null":
            return None
        if tag == "bool":
            return truth(text)
        if tag in ("int", "float"):
            return self._plain_number(node, text, path=path)
        expanded = self._expand(node, text, path=path)
        return INVALID if expanded is None else expanded

    def _plain_number(self, node: Node, text: str, *, path: KeyPath) -> object:
        kind = inspect.type_info(int if tag_of(node) == "int" else float)
        try:
            return value_of(kind, text, tag=tag_of(node), check=None, base=self._base)
        except Unacceptable:
            self._note(node, path, f"expected a number that JSON can hold, got `{text[:60]}`")
            return INVALID

    def _expand(self, node: Node, text: str, *, path: KeyPath) -> str | None:
        if not has_reference(text):
            return text
        try:
            return expand(text, self._environ)
        except VariableError as error:
            self._note(node, path, str(error))
            return None

    def _unexpected(self, node: Node, spec: Spec, *, path: KeyPath, accepted: str = "") -> _Invalid:
        secret = isinstance(spec.kind, inspect.CustomType) and spec.kind.cls is Secret
        found = describe_node(node, secret=secret)
        self._note(node, path, f"expected {accepted or describe_type(spec.whole)}, got {found}")
        return INVALID

    def _note(self, node: Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(f"{self._file}:{line_of(node)}", path, message))
