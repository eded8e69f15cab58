"""Figures as plain data, drawn by the page and for print."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from research.records.schema import RunRecord
from research.reporting.figures.axes import AxisScale, linear
from research.reporting.figures.colors import SeriesStyle
from research.reporting.format import amount
from research.reporting.grid.grid import Grid
from research.reporting.metric_names import NAMES


@dataclass(frozen=True)
class Point:
    """A point of a panel.

    Attributes:
        x: value on the x axis.
        y: value on the y axis.
        low: lower end of the interval of y.
        high: upper end of the interval of y.
        text: description in one line, shown on hover.
        runs: ids of its runs.
        hollow: whether the marker is hollow: a provisional point, or a trial not chosen.
    """

    x: float
    y: float
    low: float
    high: float
    text: str
    runs: tuple[str, ...]
    hollow: bool = False


@dataclass(frozen=True)
class Series:
    """The points of an approach.

    Attributes:
        style: style of the approach.
        points: its points.
        joined: whether a line joins them.
    """

    style: SeriesStyle
    points: tuple[Point, ...]
    joined: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Attributes:
        label: its label.
        scale: its scale.
    """

    label: str
    scale: AxisScale


@dataclass(frozen=True)
class Panel:
    """One plot of a figure.

    Attributes:
        title: its title.
        x: the x axis.
        y: the y axis.
        series: one series per approach.
        front: (x, y) of the points on the Pareto front, drawn as steps.
        diagonal: whether the line of equal values is drawn.
        bands: whether intervals are drawn as areas instead of bars.
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
    """A figure of one or more panels.

    Attributes:
        name: name of its files.
        title: its title.
        caption: its caption.
        panels: its panels.
        across: panels side by side in print.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    across: int = 2


def ids(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def title(column: tuple[str, str]) -> str:
    """`sentiment, 500 examples`: the title of a panel."""
    return f"{column[0]}, {amount(column[1])}"


def headline(grid: Grid, task: str) -> str:
    """The name of the task's headline metric."""
    cells = (cell for key, cell in grid.cells.items() if key[1] == task)
    name: str = next(cells).records[0].metric
    return NAMES.get(name, name)


def scores(label: str, series: Sequence[Series]) -> Axis:
    """An axis in percent that holds the scores and intervals of all series."""
    points = [point for line in series for point in line.points]
    return Axis(label, linear(value for p in points for value in (p.low, p.high, p.y)))
