"""The columns of the results that an advice is about."""

from research.common.errors import InputError, choose_from
from research.reporting.advice.constraints import Constraints
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid


def columns_for(
    grid: Grid, constraints: Constraints, task: str | None = None
) -> list[tuple[str, str]]:
    """For each task, the column with the most training examples that the user has.

    All columns if the constraints name no number of examples. Raises InputError for an unknown
    task, and if every column needs more examples.
    """
    tasks = distinct(column[0] for column in grid.columns)
    if task is not None and task not in tasks:
        raise InputError("task", task, choose_from(tasks, task))
    sizes = {column: examples_of(grid, column) for column in grid.by_column()}
    columns = [column for column in sizes if task in (None, column[0])]
    if not columns:
        raise InputError("results", grid.name, "it has no finished cell")
    if constraints.examples is None:
        return columns
    small = [column for column in columns if sizes[column] <= constraints.examples]
    if not small:
        least = min(sizes[column] for column in columns)
        allowed = f"the smallest training set that was run has {least}; run a smaller one too"
        raise InputError("examples", constraints.examples, allowed)
    largest = {column[0]: column for column in sorted(small, key=sizes.__getitem__)}
    return [column for column in small if largest[column[0]] == column]


def cells_of(grid: Grid, column: tuple[str, str]) -> list[ResultCell]:
    """The tested cells of a column; only the complete ones if there are any.

    Cells with scores that are not finite are left out, unless there are no others.
    """
    tested = grid.tested_in(column)
    cells = [cell for cell in tested if not cell.broken] or tested
    return [cell for cell in cells if cell.complete] or cells


def examples_of(grid: Grid, column: tuple[str, str]) -> int:
    """The largest number of training examples in the column."""
    return max(run.n_train for cell in cells_of(grid, column) for run in cell.runs)
