"""What several test modules use stands in a module that holds no tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, and the names that may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def borrowed(source: str) -> list[str]:
    """Imports from a test module."""
    names = imported(ast.parse(source))
    modules = {path.stem for path in TESTS.rglob("test_*.py")}
    return [
        name
        for name in names
        if name.startswith(("tests.", "test_", ".")) and modules & set(name.split("."))
    ]


def test_no_module_imports_from_a_test_module():
    files = sorted(TESTS.rglob("*.py"))
    found = {str(file.relative_to(TESTS)): borrowed(file.read_text()) for file in files}
    assert len(files) > 100 and {file: names for file, names in found.items() if names} == {}


def test_imports_from_a_test_module_are_seen():
    assert borrowed("from tests.test_helpers import borrowed") == ["tests.test_helpers.borrowed"]
    assert borrowed("from tests import test_helpers") == ["tests.test_helpers"]
    assert borrowed("import tests.test_helpers as helpers") == ["tests.test_helpers"]
    assert borrowed("from tests.tiny import WORDS") == []
