"""The test score against what it takes: trained parameters, labelled examples, training seconds."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from research.reporting.figures.axes import logarithmic
from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    columns,
    headline,
    ids,
    scores,
    title,
)
from research.reporting.format import count, percent, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid

INSTANT = 0.01  # seconds: nothing that anybody waits for
INTERVALS = "Scores on test with 95 % intervals over seeds and test items."
FRONT = (
    "The stepped line is the Pareto front of the mean scores: {less} gives as high a score. "
    "Hollow points lack seeds of the protocol and take no part in it."
)


@dataclass(frozen=True)
class CostAxis:
    """name: in the records' costs. label: of the axis. least: below it, costs stand together at
    the place `nought`. text: a number with its unit.
    """

    name: str
    label: str
    least: float
    nought: str
    text: Callable[[float], str]


PARAMETERS = CostAxis("trained_params", "trained parameters", 1, "0", "{:,.0f} parameters".format)
SECONDS = CostAxis(
    "train_seconds", "training seconds", INSTANT, f"<{INSTANT}", lambda s: f"{seconds(s)} seconds"
)


def cost_figures(grid: Grid, looks: Mapping[str, SeriesStyle]) -> list[Figure]:
    """The score against trained parameters, against examples, and against seconds to train."""
    figures = (
        Figure(
            "parameters",
            "Score against trained parameters",
            f"{INTERVALS} {FRONT.format(less='nothing that trains fewer parameters')}",
            _by_cost(grid, looks, PARAMETERS),
        ),
        Figure(
            "examples",
            "Score against labelled examples",
            f"{INTERVALS} {FRONT.format(less='nothing with fewer training examples')} Examples of "
            "dev, which choose the trial of every approach, are not counted.",
            _by_examples(grid, looks),
        ),
        Figure(
            "seconds",
            "Score against time to train",
            f"{INTERVALS} Seconds are medians over the runs, without compilation and without the "
            f"trials before. {FRONT.format(less='nothing that trains for less time')}",
            _by_cost(grid, looks, SECONDS),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _by_cost(grid: Grid, looks: Mapping[str, SeriesStyle], cost: CostAxis) -> tuple[Panel, ...]:
    """A panel for each task and regime; the panels of a task have the same scores."""
    found = {}
    for column, cells in columns(grid):
        known = [(cell, value) for cell in cells if (value := cell.cost(cost.name)) is not None]
        found[column] = [
            Series(looks[cell.key[0]], (_point(cell, _from(value, cost.least), cost.text(value)),))
            for cell, value in known
        ]
    values = [one.points[0].x for series in found.values() for one in series]
    x = Axis(cost.label, logarithmic(values, cost.nought, _tick))
    return tuple(
        Panel(title(column), x, _y(grid, column[0], found), tuple(series), _front(series))
        for column, series in found.items()
        if series
    )


def _by_examples(grid: Grid, looks: Mapping[str, SeriesStyle]) -> tuple[Panel, ...]:
    """A panel for each task with several numbers of examples."""
    found = {}
    for task in distinct(task for task, _ in grid.columns):
        series = [
            Series(looks[row], tuple(sorted(points, key=lambda p: p.x)), joined=True)
            for row in grid.rows
            if (points := _sizes(grid, row, task))
        ]
        if len({point.x for one in series for point in one.points}) > 1:
            found[task, ""] = series
    return tuple(
        Panel(
            task,
            Axis("labelled examples to train on", logarithmic(_xs(series), text=_tick)),
            _y(grid, task, found),
            tuple(series),
            _front(series),
        )
        for (task, _), series in found.items()
    )


def _sizes(grid: Grid, row: str, task: str) -> list[Point]:
    cells = [grid.cell(row, column) for column in grid.columns if column[0] == task]
    found = []
    for cell in cells:
        if cell is not None:
            used = statistics.median_low(run.n_train for run in cell.runs)
            found.append(_point(cell, used, f"{used} examples"))
    return found


def _point(cell: ResultCell, x: float, says: str) -> Point:
    score = cell.score(cell.headline)
    return Point(
        x,
        100 * score.score,
        100 * score.low,
        100 * score.high,
        f"{percent(score)}, {says}",
        ids(cell.runs),
        not cell.complete,
    )


def _y(grid: Grid, task: str, found: Mapping[tuple[str, str], Sequence[Series]]) -> Axis:
    """The scores of all panels of a task."""
    series = [one for column, some in found.items() if column[0] == task for one in some]
    return scores(f"{headline(grid, task)} on test, %", series)


def _front(series: Iterable[Series]) -> tuple[tuple[float, float], ...]:
    points = [point for one in series for point in one.points if not point.hollow]
    return front([(point.x, point.y) for point in points])


def front(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The (cost, score) pairs that no other one beats: as cheap and better, or cheaper and as good.

    By ascending cost; of equal pairs one.
    """
    kept: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or score > kept[-1][1]:
            kept.append((cost, score))
    return tuple(kept)


def _from(value: float, least: float) -> float:
    return value if value >= least else 0.0


def _xs(series: Iterable[Series]) -> list[float]:
    return [point.x for one in series for point in one.points]


def _tick(value: float) -> str:
    """A round number: `0.03`, `10`, `30 k`."""
    return f"{value:g}" if value < 1000 else count(value).replace(".0", "")
