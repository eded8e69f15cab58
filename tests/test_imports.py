"""The house has one staircase: imports between packages run in one direction."""

import ast
from pathlib import Path

import research

ORDER = ["common", "runtime", "tasks", "models", "methods", "interop", "evaluation", "training"]
ORDER += ["contracts", "experiments", "records", "stats", "runs", "sweeps", "serving"]
ORDER += ["reporting", "studies"]
ROOT = Path(research.__file__).parent


def modules(file: Path) -> set[str]:
    """What a file imports, by full name."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def imported(file: Path) -> set[str]:
    """The packages of ours that a file imports from."""
    ours = {name.split(".")[1] for name in modules(file) if name.startswith("research.")}
    return ours & set(ORDER)


def test_imports_run_one_way():
    wrong = []
    for place, package in enumerate(ORDER):
        for file in (ROOT / package).rglob("*.py"):
            above = imported(file) - set(ORDER[: place + 1])
            wrong += [f"{file.relative_to(ROOT)} imports {name}" for name in sorted(above)]
    for file in ROOT.glob("*.py"):
        wrong += [f"{file.name} imports {name}" for name in sorted(imported(file))]
    assert not wrong


def test_every_package_is_in_the_order():
    assert {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()} == set(
        ORDER
    )


def test_torch_is_imported_by_the_other_side_of_the_benchmark_alone():
    users = [
        file for file in ROOT.rglob("*.py") if any(n.startswith("torch") for n in modules(file))
    ]
    assert users == [ROOT / "studies" / "speed" / "peft_side.py"]
