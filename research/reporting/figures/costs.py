"""Test scores against costs: trained parameters, labelled examples, training seconds, and the size
and speed of several backbones.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from research.reporting.figures.axes import logarithmic
from research.reporting.figures.colors import Styles
from research.reporting.figures.cost_axis import ANSWER, MODEL, PARAMETERS, SECONDS, CostAxis
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    headline,
    ids,
    scores,
    title,
)
from research.reporting.format import count, counted, percent
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid

INTERVALS = "Test scores with 95 % intervals over seeds and test items."
FRONT = (
    "The stepped line is the Pareto front of the mean scores: no approach with {less} has as high "
    "a score. Hollow points have fewer seeds than planned and are not part of the front."
)


def cost_figures(grid: Grid, styles: Styles) -> list[Figure]:
    """Scores against trained parameters, labelled examples and training seconds; with several
    backbones first against the size of the model and the time of an answer.
    """
    figures = (
        *(_backbone_figures(grid, styles) if grid.backbones else ()),
        Figure(
            "parameters",
            "Score against trained parameters",
            f"{INTERVALS} {FRONT.format(less='fewer trained parameters')}",
            _by_cost(grid, styles, PARAMETERS),
        ),
        Figure(
            "examples",
            "Score against labelled examples",
            f"{INTERVALS} {FRONT.format(less='fewer training examples')} Dev examples, which "
            "select the trial of each approach, are not counted.",
            _by_examples(grid, styles),
        ),
        Figure(
            "seconds",
            "Score against training time",
            f"{INTERVALS} Seconds are medians over the runs and exclude compilation and the other "
            f"trials. {FRONT.format(less='less training time')}",
            _by_cost(grid, styles, SECONDS),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _backbone_figures(grid: Grid, styles: Styles) -> tuple[Figure, Figure]:
    """Scores against costs in which backbones differ."""
    return (
        Figure(
            "model",
            "Score against the size of the model",
            f"{INTERVALS} Bytes of all parameters at inference, in float32. "
            f"{FRONT.format(less='a smaller model')}",
            _by_cost(grid, styles, MODEL),
        ),
        Figure(
            "answers",
            "Score against the time of an answer",
            f"{INTERVALS} Time to score test, in batches and without compilation, by the number of "
            f"test items. {FRONT.format(less='faster answers')}",
            _by_cost(grid, styles, ANSWER),
        ),
    )


def _by_cost(grid: Grid, styles: Styles, cost: CostAxis) -> tuple[Panel, ...]:
    """A panel for each task and regime; the panels of a task have the same y axis."""
    series_of = {}
    for column, cells in grid.by_column().items():
        measured = [(cell, value) for cell in cells if (value := cell.cost(cost.name)) is not None]
        series_of[column] = [
            Series(
                styles[cell.key[0]],
                (_point(cell, value if value >= cost.least else 0.0, cost.text(value)),),
            )
            for cell, value in measured
        ]
    values = [line.points[0].x for series in series_of.values() for line in series]
    x = Axis(cost.label, logarithmic(values, cost.zero_label, _tick))
    return tuple(
        Panel(title(column), x, _y(grid, column[0], series_of), tuple(series), _front(series))
        for column, series in series_of.items()
        if series
    )


def _by_examples(grid: Grid, styles: Styles) -> tuple[Panel, ...]:
    """A panel for each task with several numbers of examples."""
    series_of = {}
    for task in distinct(task for task, _ in grid.columns):
        series = [
            Series(styles[row], tuple(sorted(points, key=lambda p: p.x)), joined=True)
            for row in grid.rows
            if (points := _sizes(grid, row, task))
        ]
        if len(set(_xs(series))) > 1:
            series_of[task, ""] = series
    return tuple(
        Panel(
            task,
            Axis("labelled training examples", logarithmic(_xs(series), text=_tick)),
            _y(grid, task, series_of),
            tuple(series),
            _front(series),
        )
        for (task, _), series in series_of.items()
    )


def _sizes(grid: Grid, row: str, task: str) -> list[Point]:
    return [
        _point(cell, cell.n_train, counted(cell.n_train, "example"))
        for cell in grid.tested_of(row)
        if cell.key[1] == task
    ]


def _point(cell: ResultCell, x: float, cost: str) -> Point:
    score = cell.score()
    return Point(
        x,
        100 * score.score,
        100 * score.low,
        100 * score.high,
        f"{percent(score)}, {cost}",
        ids(cell.runs),
        not cell.complete,
    )


def _y(grid: Grid, task: str, series_of: Mapping[tuple[str, str], Sequence[Series]]) -> Axis:
    """The axis of scores that all panels of a task share."""
    of_task = [series for column, series in series_of.items() if column[0] == task]
    return scores(f"{headline(grid, task)} on test, %", [*chain(*of_task)])


def _front(series: Iterable[Series]) -> tuple[tuple[float, float], ...]:
    points = [point for line in series for point in line.points if not point.hollow]
    return front([(point.x, point.y) for point in points])


def front(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The Pareto front of (cost, score) pairs, by ascending cost; equal pairs stand once.

    A pair is left out if another one has at most its cost and at least its score.
    """
    best: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or score > best[-1][1]:
            best.append((cost, score))
    return tuple(best)


def _xs(series: Iterable[Series]) -> list[float]:
    return [point.x for line in series for point in line.points]


def _tick(value: float) -> str:
    """A round number: `0.03`, `10`, `30 k`."""
    return f"{value:g}" if value < 1000 else count(value).replace(".0", "")
