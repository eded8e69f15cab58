"""The nine criteria of a task's approaches as a table."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from research.reporting.cells import Grid
from research.reporting.criteria import CRITERIA, Subject
from research.reporting.layout import MISSING, Entry, Layout, amount
from research.reporting.records import distinct


def lay_out_criteria(grid: Grid, tasks: Collection[str] | None = None) -> list[Layout]:
    """A table for each task with tested runs, or of those given: a row for each approach, a column
    for each criterion; what the criteria mean is told once, at the end of the last.
    """
    tested = distinct(cell.key[1] for cell in grid.tested())
    layouts = [_table(grid, task) for task in tested if tasks is None or task in tasks]
    told = tuple(f"{one.name.capitalize()}: {one.note}" for one in CRITERIA)
    last = [replace(layout, notes=(*layout.notes, *told)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(grid: Grid, task: str) -> Layout:
    sizes = {column: _size(grid, column) for column in grid.columns if column[0] == task}
    column = max(sizes, key=lambda column: sizes[column])
    subjects = _subjects(grid, sizes, column)
    texts = {row: [one.text(subject) for one in CRITERIA] for row, subject in subjects.items()}
    rows = [(row, tuple(map(Entry, of))) for row, of in texts.items()]
    return Layout(
        title=f"{grid.name}: nine criteria on {task}, {amount(column[1])}",
        heads=tuple((one.name, one.unit) for one in CRITERIA),
        scores=5,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(_missing(texts)),
    )


def _size(grid: Grid, column: tuple[str, str]) -> int:
    """The most examples that a cell of the column was trained on; -1 where none was tested."""
    cells = (grid.cell(row, column) for row in grid.rows)
    return max((run["n_train"] for cell in cells if cell for run in cell.runs), default=-1)


def _subjects(
    grid: Grid, sizes: Mapping[tuple[str, str], int], column: tuple[str, str]
) -> dict[str, Subject]:
    found, scores = {}, {}
    for row in grid.rows:
        cells = {size: grid.cell(row, of) for of, size in sizes.items()}
        known = {size: cell for size, cell in sorted(cells.items()) if cell is not None}
        scores[row] = {size: cell.score(cell.headline).score for size, cell in known.items()}
        found[row] = grid.cell(row, column)
    best = max(max(of.values()) for of in scores.values() if of)
    return {row: Subject(cell, scores[row], best) for row, cell in found.items() if cell}


def _missing(texts: Mapping[str, list[str]]) -> list[str]:
    """Where a figure is missing, and why."""
    notes = []
    for place, one in enumerate(CRITERIA):
        rows = [row for row, of in texts.items() if MISSING in of[place]]
        if rows:
            where = "all rows" if len(rows) == len(texts) else ", ".join(rows)
            notes.append(f"{MISSING} in {one.name}: {one.missing} ({where}).")
    return notes
