"""Names in the code are the field's: one class per name, and no retired word."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import research

ROOT = Path(research.__file__).parents[1]
FILES = sorted([*(ROOT / "research").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
FAMILY_CLASSES = {"Block"}  # each model family has its own
# Each has a standard term in its place, such as executor, context, pool or record.
RETIRED_WORDS = """
desk hands ownhands bench once crew claim turns heap looks ledger bill board lineage account
reading readout ability asked bank forecast planned survey surveys surveyed datasheet rivals
evidence neighbours worth equivalents duel race given material theirs shown cutting attending
untold told lead offered taken
"""
RETIRED = set(RETIRED_WORDS.split())
# Whether arguments, attributes and local names are held to it as well.
EVERY_NAME = True


def words_of(name: str) -> set[str]:
    """The words of a name in snake case or camel case."""
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def definitions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, line) of classes and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno


def values(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, line) of arguments, attributes and variables where they are defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def test_no_public_class_name_is_defined_twice():
    places = defaultdict(list)
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    names = places.keys() - FAMILY_CLASSES
    assert not {name: places[name] for name in names if len(places[name]) > 1}


def test_no_name_has_a_retired_word():
    wrong = []
    for file in FILES:
        tree, path = ast.parse(file.read_text()), file.relative_to(ROOT)
        names = [(file.stem, 1), *definitions(tree), *(values(tree) if EVERY_NAME else ())]
        for name, line in names:
            if words_of(name) & RETIRED:
                wrong.append(f"{path}:{line} {name}")
    assert not wrong, "\n".join(wrong)


def test_words_are_found_in_every_kind_of_name():
    assert words_of("OwnHands") == {"own", "hands"} and words_of("_ledger_of2") == {"ledger", "of"}
    tree = ast.parse("class A:\n def f(self, x):\n  self.y = [z for z in x]\n")
    assert {name for name, _ in definitions(tree)} == {"A", "f"}
    assert {name for name, _ in values(tree)} == {"self", "x", "y", "z"}
