"""A table's layout with what a page can do besides: sorting, and run ids on pointing."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from research.reporting.figures.colors import SeriesStyle
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.render.markdown_latex import APART
from research.reporting.table import Table

PREFIXES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
# `71.2 ± 3.1`, `+0.31 (stays)`, `12.3 kB–15.0 kB`, `<32`: the number that it begins with.
NUMBER = re.compile(r"[<>]?([+-]?\d+(?:\.\d+)?)(?: ([kMGTPE])?B?(?![A-Za-z]))?")


@dataclass(frozen=True)
class HtmlCell:
    """hover: what is shown on pointing. order: what the column is sorted by, None for a dash."""

    text: str
    best: bool
    hover: str
    order: float | None


@dataclass(frozen=True)
class HtmlRow:
    """look: of the approach, None where the row is not one."""

    name: str
    look: SeriesStyle | None
    cells: tuple[HtmlCell, ...]


@dataclass(frozen=True)
class HtmlTable:
    """groups: heads that stand above several columns, with their number. heads: below. parts: rows
    that are sorted among themselves, each part with its title.
    """

    title: str
    groups: tuple[tuple[str, int], ...]
    heads: tuple[str, ...]
    parts: tuple[tuple[str, tuple[HtmlRow, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Marks:
    """looks: of the rows in order, None where one is no approach. hover: by row and column."""

    looks: Sequence[SeriesStyle | None] = ()
    hover: Mapping[tuple[int, int], str] = field(default_factory=dict)


def of_scores(grid: Grid, looks: Mapping[str, SeriesStyle], layout: Table) -> HtmlTable:
    """The table of scores; its rows are those of the grid, in that order."""
    hover = {
        (row, column): _about(cell)
        for row, name in enumerate(grid.rows)
        for column, key in enumerate(grid.columns)
        if (cell := grid.cell(name, key)) is not None
    }
    return plain_table(layout, Marks([looks[row] for row in grid.rows], hover))


def of_cells(
    grid: Grid, looks: Mapping[str, SeriesStyle], column: tuple[str, str], layout: Table
) -> HtmlTable:
    """A table whose rows are the cells of one task and regime."""
    cells = [cell for row in grid.rows if (cell := grid.cell(row, column)) is not None]
    hover = {
        (row, head): f"runs {_ids(cell)}"
        for row, cell in enumerate(cells)
        for head, _ in enumerate(layout.heads)
    }
    return plain_table(layout, Marks([looks[cell.key[0]] for cell in cells], hover))


def of_rows(looks: Mapping[str, SeriesStyle], layout: Table) -> HtmlTable:
    """A table of which some rows are named as those of the grid."""
    names = (name for name, _ in (*layout.rows, *layout.baselines))
    return plain_table(layout, Marks([looks.get(name) for name in names]))


def plain_table(layout: Table, marks: Marks | None = None) -> HtmlTable:
    """Any table."""
    marks = marks or Marks()
    rows = []
    for place, (name, entries) in enumerate((*layout.rows, *layout.baselines)):
        look = marks.looks[place] if marks.looks else None
        cells = tuple(
            HtmlCell(
                entry.text, entry.best, marks.hover.get((place, column), ""), _order(entry.text)
            )
            for column, entry in enumerate(entries)
        )
        rows.append(HtmlRow(name, look, cells))
    cut = len(layout.rows)
    parts = (("", tuple(rows[:cut])), (APART, tuple(rows[cut:])))
    return HtmlTable(
        title=layout.title,
        groups=tuple(
            (head, len(list(some)))
            for head, some in itertools.groupby(layout.heads, key=lambda head: head[0])
        ),
        heads=tuple(second for _, second in layout.heads),
        parts=tuple(part for part in parts if part[1]),
        notes=layout.notes,
    )


def _about(cell: ResultCell) -> str:
    """The trial that was chosen, and the runs of all seeds."""
    trial = cell.runs[0].trial
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.items())
    lines = (", ".join(cell.key), f"chosen: {chosen}" if chosen else "", f"runs {_ids(cell)}")
    return "\n".join(line for line in lines if line)


def _ids(cell: ResultCell) -> str:
    return " ".join(run.run_id for run in cell.runs)


def _order(text: str) -> float | None:
    found = NUMBER.match(text)
    return float(found[1]) * PREFIXES[found[2] or ""] if found else None
