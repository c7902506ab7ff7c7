"""A module holds one noun and a function fits a screen."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "antiphon"
MODULE_LINES = 400
FUNCTION_LINES = 60


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_is_longer_than_its_limit() -> None:
    long = {str(path): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert {path: count for path, count in long.items() if count > MODULE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {lines(node)}"
        for path in SOURCE.rglob("*.py")
        for node in functions(ast.parse(path.read_text()))
        if lines(node) > FUNCTION_LINES
    ]
    assert long == []
