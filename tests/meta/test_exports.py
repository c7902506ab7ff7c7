"""`__all__` says what a module is for: everything public that it defines, in order, and nothing that is not there."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__main__.py" and "migrations" not in path.parts)
NAMES = [str(path.relative_to(SOURCE)) for path in MODULES]


def defined(tree: ast.Module) -> set[str]:
    """Names bound at the top of a module by a definition or an assignment."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def imported(tree: ast.Module) -> set[str]:
    aliases = [alias for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return {(alias.asname or alias.name).split(".")[0] for alias in aliases}


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return None


def in_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name.lstrip("_")[:1].isupper() else 2, name)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_names_are_listed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names, listed = defined(tree), exported(tree)
    public = {name for name in names if not name.startswith("_") and name != "T"}  # T: a type variable
    if listed is None:
        assert public == set(), f"{path} defines public names and has no __all__"
        return
    assert listed == sorted(set(listed), key=in_order)
    assert public - set(listed) == set(), "public, but not in __all__"
    assert set(listed) - names - imported(tree) == set(), "in __all__, but not there"
