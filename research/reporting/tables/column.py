"""Tables with a row for each cell of a task and regime."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from research.records.schema import RunRecord
from research.reporting.format import MISSING, amount
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell

Value = Callable[[RunRecord], float | None]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: first line of its head.
        unit: second line of its head.
        text: the text for a cell; None where the value is missing.
        note: its footnote.
    """

    head: str
    unit: str
    text: Callable[[ResultCell], str | None]
    note: str = ""


def median_of(cell: ResultCell, value: Value) -> float | None:
    """The median over the tested runs; None if one of them has no value."""
    values = cell.known(value)
    return statistics.median(values) if values and len(values) == len(cell.runs) else None


def median_text(value: Value, text: Callable[[float], str], cell: ResultCell) -> str | None:
    """The median over the tested runs as text; None if one of them has no value."""
    median = median_of(cell, value)
    return None if median is None else text(median)


def column_table(
    grid: Grid,
    where: tuple[str, str],
    title: str,
    columns: Sequence[Column],
    notes: Sequence[str] = (),
) -> Table:
    """A row for each tested cell of the task and regime `where`."""
    rows = [
        (cell.key[0], tuple(TableCell(column.text(cell) or MISSING) for column in columns))
        for cell in grid.tested_in(where)
    ]
    return Table(
        title=f"{where[0]}, {amount(where[1])}: {title}",
        heads=tuple((column.head, column.unit) for column in columns),
        scores=0,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(notes),
    )
