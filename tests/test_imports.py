"""Imports run one way: between the packages, and between the parts of each."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import research

ORDER = ["common", "stats", "runtime", "tasks", "models", "methods", "interop", "evaluation"]
ORDER += ["training", "contracts", "experiments", "records", "runs", "sweeps", "serving"]
ORDER += ["reporting", "studies"]
# Within a package: parts of one line do not import one another, and import from lines above alone.
ORDER_WITHIN = {
    "tasks": [
        ["prompts", "metrics"],
        ["encoding"],
        ["datasets", "world", "data_checks"],
    ],
    "models": [
        ["checkpoint"],
        ["layers"],
        ["bert", "gpt2", "llama", "t5"],
        ["backbone"],
    ],
    "evaluation": [
        ["batch"],
        ["routes"],
        ["decoding"],
        ["answer_kinds"],
    ],
    "runs": [
        ["data"],
        ["costs"],
        ["evaluate"],
        ["train"],
    ],
    "sweeps": [
        ["row_tokens"],
        ["cell_work"],
        ["worker_count"],
        ["dry_run", "time_left"],
    ],
    "reporting": [
        ["format", "table"],
        ["grid"],
        ["tables"],
        ["figures"],
        ["advice", "checks"],
        ["render"],
        ["build"],
    ],
    "studies": [
        ["coverage", "pretraining", "scale", "speed"],
    ],
}
MOST_FILES = 20  # of a folder
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


def part(names: tuple[str, ...]) -> str:
    """The part of a package, a folder or a file, that a module is in, by its path there."""
    return names[0] if names else "__init__"


def imports_within(package: str) -> dict[str, dict[str, Path]]:
    """By part of a package: the other parts that it imports, each with a file that does."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted((ROOT / package).rglob("*.py")):
        importer = part(file.relative_to(ROOT / package).with_suffix("").parts)
        for name in modules(file):
            root, *names = name.split(".")
            if root == "research" and names[:1] == [package]:
                other = part(tuple(names[1:]))
                if other != importer:
                    found[importer][other] = file
    return found


def test_imports_run_one_way():
    wrong = []
    for index, package in enumerate(ORDER):
        for file in (ROOT / package).rglob("*.py"):
            above = imported(file) - set(ORDER[: index + 1])
            wrong += [f"{file.relative_to(ROOT)} imports {name}" for name in sorted(above)]
    for file in ROOT.glob("*.py"):
        wrong += [f"{file.name} imports {name}" for name in sorted(imported(file))]
    assert not wrong


def test_imports_within_a_package_run_one_way():
    wrong = []
    for package, floors in ORDER_WITHIN.items():
        floor = {name: index for index, names in enumerate(floors) for name in names}
        for name in floor:
            folder = ROOT / package / name
            assert (folder / "__init__.py").is_file() or folder.with_suffix(".py").is_file(), folder
        for importer, others in imports_within(package).items():
            for other, file in others.items():
                if floor.get(importer, len(floors)) <= floor.get(other, -1):
                    wrong.append(f"{file.relative_to(ROOT)} imports {package}.{other}")
    assert not wrong


def test_no_parts_of_a_package_import_in_a_circle():
    for package in ORDER:
        sorter = TopologicalSorter(
            {a: set(others) for a, others in imports_within(package).items()}
        )
        try:
            sorter.prepare()
        except CycleError as error:
            raise AssertionError(f"{package}: {' imports '.join(error.args[1])}") from None


def test_no_folder_has_more_files_than_a_reader_takes_in():
    folders = {folder for folder in ROOT.rglob("*") if folder.is_dir()}
    sizes = {folder: len([*folder.glob("*.py")]) - 1 for folder in folders}  # but __init__.py
    assert not {str(folder): size for folder, size in sizes.items() if size > MOST_FILES}


def test_every_package_is_in_the_order():
    assert {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()} == set(
        ORDER
    )


def test_torch_is_imported_by_files_of_studies_named_after_peft_alone():
    users = [
        file for file in ROOT.rglob("*.py") if any(n.startswith("torch") for n in modules(file))
    ]
    assert users and set(users) <= set((ROOT / "studies").rglob("peft_*.py"))
