"""Tables for the page, with sort keys and run ids on hover."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from research.reporting.figures.colors import SeriesStyle, Styles
from research.reporting.figures.geometry import TEXT, text_width
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.render.markdown import BASELINES
from research.reporting.table import Table

# Pixels: the columns beside the names in a window 1,280 wide, and the padding of a cell.
ROOM, PADDING = 780.0, 17.6
SCALE = 14.0 / TEXT  # letters of tables are larger than those of figures
PREFIXES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
# The number at the beginning of `71.2 ± 3.1`, `+0.31 (permanent)`, `12.3 kB–15.0 kB`, `<32`.
NUMBER = re.compile(r"[<>]?([+-]?\d+(?:\.\d+)?)(?: ([kMGTPE])?B?(?![A-Za-z]))?")


@dataclass(frozen=True)
class HtmlCell:
    """A cell of a table.

    Attributes:
        text: its text.
        best: whether it is highlighted.
        hover: text shown on hover; empty for none.
        order: number by which the column is sorted; None where the cell has no number.
    """

    text: str
    best: bool
    hover: str
    order: float | None


@dataclass(frozen=True)
class HtmlRow:
    """A row of a table.

    Attributes:
        name: its name.
        style: style of its approach; None where the row is not an approach.
        cells: its cells.
    """

    name: str
    style: SeriesStyle | None
    cells: tuple[HtmlCell, ...]


@dataclass(frozen=True)
class HtmlTable:
    """A table of the page.

    Attributes:
        title: its caption.
        groups: first line of heading: (text, number of columns).
        heads: second line of heading.
        parts: (title, rows) of the parts of the table, each sorted by itself.
        notes: footnotes.
    """

    title: str
    groups: tuple[tuple[str, int], ...]
    heads: tuple[str, ...]
    parts: tuple[tuple[str, tuple[HtmlRow, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Decoration:
    """What the page adds to a table.

    Attributes:
        styles: style of each row; None where a row is not an approach.
        hover: text shown on hover, by (row, column).
    """

    styles: Sequence[SeriesStyle | None] = ()
    hover: Mapping[tuple[int, int], str] = field(default_factory=dict)


def score_tables(grid: Grid, styles: Styles, table: Table) -> list[HtmlTable]:
    """The score table; its rows are those of the grid, in that order."""
    hover = {
        (row, column): _description(cell)
        for row, name in enumerate(grid.rows)
        for column, key in enumerate(grid.columns)
        if (cell := grid.cell(name, key)) is not None
    }
    return html_tables(table, Decoration([styles[row] for row in grid.rows], hover))


def cell_tables(
    grid: Grid, styles: Styles, column: tuple[str, str], table: Table
) -> list[HtmlTable]:
    """A table whose rows are the cells of one task and regime."""
    cells = grid.tested_in(column)
    hover = {
        (row, head): f"runs {_ids(cell)}"
        for row, cell in enumerate(cells)
        for head, _ in enumerate(table.heads)
    }
    return html_tables(table, Decoration([styles[cell.key[0]] for cell in cells], hover))


def named_tables(styles: Styles, table: Table) -> list[HtmlTable]:
    """A table some of whose rows have the names of approaches."""
    names = (name for name, _ in (*table.rows, *table.baselines))
    return html_tables(table, Decoration([styles.get(name) for name in names]))


def html_tables(table: Table, decoration: Decoration | None = None) -> list[HtmlTable]:
    """Any table, in blocks of columns that fit beside each other on the page."""
    blocks = table.column_blocks(lambda text, _: SCALE * text_width(text), PADDING, ROOM)
    return [
        _html_table(block, decoration or Decoration(), columns)
        for block, columns in zip(table.split(blocks), blocks, strict=True)
    ]


def _html_table(table: Table, decoration: Decoration, columns: Sequence[int]) -> HtmlTable:
    """One block; `columns` are its columns in the whole table."""
    rows = []
    for index, (name, cells) in enumerate((*table.rows, *table.baselines)):
        style = decoration.styles[index] if decoration.styles else None
        hover = [decoration.hover.get((index, column), "") for column in columns]
        html_cells = tuple(
            HtmlCell(cell.text, cell.best, text, _order(cell.text))
            for cell, text in zip(cells, hover, strict=True)
        )
        rows.append(HtmlRow(name, style, html_cells))
    first = len(table.rows)
    parts = (("", tuple(rows[:first])), (BASELINES, tuple(rows[first:])))
    return HtmlTable(
        title=table.title,
        groups=tuple(
            (head, len(list(group)))
            for head, group in itertools.groupby(table.heads, key=lambda head: head[0])
        ),
        heads=tuple(second for _, second in table.heads),
        parts=tuple(part for part in parts if part[1]),
        notes=table.notes,
    )


def _description(cell: ResultCell) -> str:
    """The cell, its chosen trial, and the runs of all seeds."""
    trial = cell.runs[0].trial
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.items())
    lines = (", ".join(cell.key), f"chosen: {chosen}" if chosen else "", f"runs {_ids(cell)}")
    return "\n".join(line for line in lines if line)


def _ids(cell: ResultCell) -> str:
    return " ".join(run.run_id for run in cell.runs)


def _order(text: str) -> float | None:
    match = NUMBER.match(text)
    return float(match[1]) * PREFIXES[match[2] or ""] if match else None
