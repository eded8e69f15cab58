"""The columns of a grid that answer for the examples that a user has."""

from research.errors import InputError, choose_from
from research.reporting.cells import Cell, Grid
from research.reporting.constraints import Constraints
from research.reporting.records import distinct

Column = tuple[str, str]  # task, regime


def columns_for(grid: Grid, constraints: Constraints, task: str | None = None) -> list[Column]:
    """Of each task the column with the most examples that the user has; all, if that is not said.

    Raises InputError for a task that is not there, and where each column takes more examples.
    """
    tasks = distinct(column[0] for column in grid.columns)
    if task is not None and task not in tasks:
        raise InputError("task", task, choose_from(tasks, task))
    sizes = {column: examples_of(grid, column) for column in grid.columns if cells_of(grid, column)}
    asked = [column for column in sizes if task in (None, column[0])]
    if not asked:
        raise InputError("results", grid.name, "no cell of it is finished")
    if constraints.examples is None:
        return asked
    within = [column for column in asked if sizes[column] <= constraints.examples]
    if not within:
        least = min(sizes[column] for column in asked)
        allowed = f"this is what binds: the least that was run is {least}; run that regime too"
        raise InputError("examples", constraints.examples, allowed)
    most = {column[0]: column for column in sorted(within, key=sizes.__getitem__)}
    return [column for column in within if most[column[0]] == column]


def cells_of(grid: Grid, column: Column) -> list[Cell]:
    """The tested cells of a column, those that are complete if there are any."""
    found = [cell for row in grid.rows if (cell := grid.cell(row, column)) is not None]
    return [cell for cell in found if cell.complete] or found


def examples_of(grid: Grid, column: Column) -> int:
    """The most that a cell of the column was trained on."""
    return max(run["n_train"] for cell in cells_of(grid, column) for run in cell.runs)
