"""What a figure shows, as plain data: the page and the printed figures draw the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from research.records.schema import RunRecord
from research.reporting.figures.axes import AxisScale, linear
from research.reporting.figures.colors import SeriesStyle
from research.reporting.format import amount
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.tables.footnotes import NAMES


@dataclass(frozen=True)
class Point:
    """low, high: the interval of y. says: what it is, in a line. runs: ids of the runs behind it.
    hollow: drawn as one that is not final, or was not chosen.
    """

    x: float
    y: float
    low: float
    high: float
    says: str
    runs: tuple[str, ...]
    hollow: bool = False


@dataclass(frozen=True)
class Series:
    """The points of an approach; joined: by a line."""

    style: SeriesStyle
    points: tuple[Point, ...]
    joined: bool = False


@dataclass(frozen=True)
class Axis:
    label: str
    scale: AxisScale


@dataclass(frozen=True)
class Panel:
    """front: (x, y) of the points that no other one beats, drawn as steps. diagonal: whether the
    line of equal values is drawn. bands: whether intervals are areas and not bars.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    front: tuple[tuple[float, float], ...] = ()
    diagonal: bool = False
    bands: bool = False


@dataclass(frozen=True)
class Figure:
    """name: of its files. caption: what a reader must know of it."""

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]


def ids(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def columns(grid: Grid) -> list[tuple[tuple[str, str], list[ResultCell]]]:
    """Each task and regime with its tested cells, those without any left out."""
    found = [(column, [grid.cell(row, column) for row in grid.rows]) for column in grid.columns]
    kept = [(column, [cell for cell in cells if cell is not None]) for column, cells in found]
    return [(column, cells) for column, cells in kept if cells]


def title(column: tuple[str, str]) -> str:
    return f"{column[0]}, {amount(column[1])}"


def headline(grid: Grid, task: str) -> str:
    """The name of the task's metric."""
    cells = (cell for key, cell in grid.cells.items() if key[1] == task)
    name: str = next(cells).records[0].metric
    return NAMES.get(name, name)


def scores(label: str, series: Sequence[Series]) -> Axis:
    """The axis of scores in percent on which all of the series stand, intervals included."""
    points = [point for one in series for point in one.points]
    return Axis(label, linear(value for p in points for value in (p.low, p.high, p.y)))
