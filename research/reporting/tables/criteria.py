"""Nine criteria that comparisons of prompt tuning and fine-tuning usually describe in words, as
measured numbers.
"""

from collections.abc import Collection, Mapping, Sequence

from research.reporting.format import MISSING, amount
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell, add_notes
from research.reporting.tables.criterion import CRITERIA, CriteriaRow


def criteria_tables(grid: Grid, tasks: Collection[str] | None = None) -> list[Table]:
    """A table for each task with tested runs, or for `tasks`: a row for each approach, a column for
    each criterion. The definitions are notes of the last table.
    """
    tested_tasks = distinct(cell.key[1] for cell in grid.tested())
    tables = [_table(grid, task) for task in tested_tasks if tasks is None or task in tasks]
    definitions = [f"{criterion.name.capitalize()}: {criterion.note}" for criterion in CRITERIA]
    return add_notes(tables, definitions)


def _table(grid: Grid, task: str) -> Table:
    sizes = {column: _size(grid, column) for column in grid.columns if column[0] == task}
    column = max(sizes, key=lambda column: sizes[column])
    criteria_rows = _criteria_rows(grid, sizes, column)
    texts = {name: [c.text(row) for c in CRITERIA] for name, row in criteria_rows.items()}
    rows = [(row, tuple(map(TableCell, values))) for row, values in texts.items()]
    return Table(
        title=f"{grid.name}: nine criteria, {task}, {amount(column[1])}",
        heads=tuple((criterion.name, criterion.unit) for criterion in CRITERIA),
        scores=5,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(_missing(texts, [n for n, row in criteria_rows.items() if row.cell.external])),
    )


def _size(grid: Grid, column: tuple[str, str]) -> int:
    """The largest number of training examples in the column; -1 where no cell was tested."""
    cells = grid.tested_in(column)
    return max((run.n_train for cell in cells for run in cell.runs), default=-1)


def _criteria_rows(
    grid: Grid, sizes: Mapping[tuple[str, str], int], column: tuple[str, str]
) -> dict[str, CriteriaRow]:
    largest, scores = {}, {}
    for row in grid.rows:
        cells = {size: grid.cell(row, where) for where, size in sizes.items()}
        tested = {size: cell for size, cell in sorted(cells.items()) if cell is not None}
        scores[row] = {size: cell.score().score for size, cell in tested.items()}
        largest[row] = grid.cell(row, column)
    best = max(max(by_size.values()) for by_size in scores.values() if by_size)
    return {row: CriteriaRow(cell, scores[row], best) for row, cell in largest.items() if cell}


def _missing(texts: Mapping[str, list[str]], external: Sequence[str]) -> list[str]:
    """Notes on missing values and their reasons.

    Args:
        texts: the values of each row.
        external: the rows of external models.
    """
    notes = []
    if external:
        texts = {row: values for row, values in texts.items() if row not in external}
        notes.append(f"{MISSING} of external models: it is not known ({', '.join(external)}).")
    for index, criterion in enumerate(CRITERIA):
        rows = [row for row, values in texts.items() if MISSING in values[index]]
        if rows:
            where = "all rows" if len(rows) == len(texts) else ", ".join(rows)
            notes.append(f"{MISSING} in {criterion.name}: {criterion.missing} ({where}).")
    return notes
