"""YAML text to a tree of nodes that know their lines. Nothing is constructed: only plain scalars, lists and mappings.

The tree is checked for what a reader of the file would not expect: duplicate keys, tags, merge keys, and anchors that
unfold into very much or into themselves.
"""

from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from antiphon.config.problems import ConfigError, KeyPath, Problem

__all__ = ["PLAIN_TAGS", "entries", "line_of", "parse", "tag_of"]

_MAX_NODES = 20_000
_MAX_DEPTH = 32
_PREFIX = "tag:yaml.org,2002:"
#: The tags that are read; `parse` reports all others.
PLAIN_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "seq", "map"})


def parse(text: str, file: str) -> tuple[MappingNode | None, list[Problem]]:
    """The top mapping (`None` for an empty file) and what is wrong with the tree as a tree.

    Raises:
        ConfigError: when the text is not YAML, not a mapping, or unreasonably large.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}" if mark else file
        raise ConfigError([Problem(place, (), f"not valid YAML: {error.problem or error.context}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, (), f"not valid YAML: {error}")]) from error
    if root is None or (isinstance(root, ScalarNode) and tag_of(root) == "null"):
        return None, []
    problems = list(_check(root, file))
    if not isinstance(root, MappingNode):
        raise ConfigError([Problem(f"{file}:{line_of(root)}", (), "expected a mapping of settings")])
    return root, problems


def line_of(node: Node) -> int:
    """The line a node stands on, from 1."""
    return int(node.start_mark.line) + 1


def tag_of(node: Node) -> str:
    """`str`, `int`, `map` and so on, or the whole tag where it is none of YAML's own."""
    return str(node.tag).removeprefix(_PREFIX)


def entries(node: MappingNode) -> Iterator[tuple[str, Node, Node]]:
    """Key as written, key node, and value node; the first of duplicates only."""
    seen: set[str] = set()
    for key, value in node.value:
        text = str(key.value)
        if isinstance(key, ScalarNode) and tag_of(key) != "merge" and text not in seen:
            seen.add(text)
            yield text, key, value


def _check(root: Node, file: str) -> Iterator[Problem]:
    """Walk the tree with shared nodes unfolded, as the reader will."""
    stack: list[tuple[Node, KeyPath]] = [(root, ())]
    visited = 0
    while stack:
        node, path = stack.pop()
        visited += 1
        place = f"{file}:{line_of(node)}"
        if len(path) > _MAX_DEPTH or visited > _MAX_NODES:
            raise ConfigError([Problem(place, (), "nested too deeply, or too large once its anchors are unfolded")])
        if tag_of(node) not in PLAIN_TAGS:
            yield Problem(place, path, f"tag `{_short_tag(node)}` is not allowed")
        elif isinstance(node, SequenceNode):
            stack.extend((item, (*path, index)) for index, item in reversed(list(enumerate(node.value))))
        elif isinstance(node, MappingNode):
            yield from _check_keys(node, path, file=file)
            stack.extend((value, (*path, str(key.value))) for key, value in reversed(node.value))


def _check_keys(node: MappingNode, path: KeyPath, *, file: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line, text = line_of(key), str(key.value)
        place = f"{file}:{line}"
        if not isinstance(key, ScalarNode):
            yield Problem(place, path, "a key must be a plain word")
        elif tag_of(key) == "merge":
            yield Problem(place, path, "merge keys (`<<`) are not supported")
        elif text in first:
            yield Problem(place, path, f"duplicate key `{text}`, first on line {first[text]}")
        else:
            first[text] = line


def _short_tag(node: Node) -> str:
    tag = str(node.tag)
    return f"!!{tag.removeprefix(_PREFIX)}" if tag.startswith(_PREFIX) else tag
